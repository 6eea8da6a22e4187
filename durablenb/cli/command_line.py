"""The words of the command line, and the commands that they run."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import durablenb
from durablenb.cli import commands as run
from durablenb.model.errors import DurableError


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for, and return the exit code.

    Parameters
    ----------
    arguments
        The words after the program's name; without them, those the process was started with.
    """
    options = _parser().parse_args(arguments)
    _allow_any_text()
    try:
        code: int = options.command(options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # `durablenb show … | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return _failed("interrupted")
    except (DurableError, OSError, ValueError) as error:
        return _failed(str(error))


def _failed(text: str) -> int:
    print("durablenb:", " ".join(text.splitlines()), file=sys.stderr)
    return 1


def _allow_any_text() -> None:
    """Let a terminal that can't show a character show another one."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="durablenb", description="Read, serve, repair, export and import hubs, and check orchestrators."
    )
    parser.add_argument("--version", action="version", version=f"durablenb {durablenb.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, function: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=function.__doc__, description=function.__doc__)
        added.set_defaults(command=function)
        return added

    demo = command("demo", _demo)
    demo.add_argument("--keep", metavar="FOLDER", type=Path, help="work in this folder and keep it")
    _add_serve_options(command("serve", _serve))
    listing, show = command("ls", run.ls), command("show", run.show)
    logs, sql, mend = (
        command("logs", run.logs),
        command("sql", run.sql),
        command("repair", run.repair),
    )
    for with_file in (listing, show, logs, sql, mend):
        with_file.add_argument("file", metavar="FILE", type=Path, help="the hub's file")
        with_file.add_argument("--json", action="store_true", help="print JSON")
    for with_instance in (show, logs):
        with_instance.add_argument("instance", metavar="INSTANCE", help="the instance's id")
    listing.add_argument(
        "--top",
        metavar="N",
        type=_count,
        help="how many instances to list, those with the latest events "
        f"(default: {run.TOP}; with --json, all)",
    )
    sql.add_argument("query", metavar="QUERY", help="a query in DuckDB's SQL")
    _add_export_options(command("export", run.export))
    _add_import_options(command("import", run.import_))
    check = command("check", run.check)
    check.add_argument("paths", metavar="PATH", nargs="+", type=Path, help="a file, a notebook or a folder")
    check.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _add_serve_options(serve: argparse.ArgumentParser) -> None:
    serve.add_argument("file", metavar="FILE", type=Path, help="the hub's file; created if it doesn't exist")
    serve.add_argument("app", metavar="APP", type=Path, help="a Python file, or the folder of a function app")
    serve.add_argument(
        "--port", metavar="PORT", type=int, default=7071, help="0 for a free one (default: 7071)"
    )
    serve.add_argument(
        "--host", metavar="HOST", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)"
    )
    serve.add_argument("--public-url", metavar="URL", help="URL under which other machines reach it")
    serve.add_argument(
        "--no-key", action="store_true", help="accept requests without a key (this machine only)"
    )
    serve.add_argument("--sql", action="store_true", help="allow SQL queries (key required)")
    serve.add_argument("--body-limit", metavar="BYTES", type=int, help="maximum size of a request's body")
    serve.add_argument(
        "--keep-generations",
        metavar="N",
        type=_count,
        help="how many past generations of each instance to keep (default: all)",
    )


def _add_export_options(export: argparse.ArgumentParser) -> None:
    export.add_argument("file", metavar="FILE", type=Path, help="the hub's file")
    export.add_argument(
        "instances", metavar="INSTANCE", nargs="*", help="an id; without ids, all are exported"
    )
    export.add_argument("--sql", metavar="QUERY", help="a query that returns ids")
    export.add_argument(
        "-o", "--output", metavar="PATH", type=Path, required=True, help="a .json or .parquet file"
    )


def _add_import_options(imports: argparse.ArgumentParser) -> None:
    imports.add_argument(
        "file", metavar="FILE", type=Path, help="the hub's file; created if it doesn't exist"
    )
    imports.add_argument("source", metavar="SOURCE", help="an export, a page, a hub, a status, or a URL")
    imports.add_argument("--prefix", metavar="PREFIX", default="", help="a prefix for all ids")


def _count(text: str) -> int:
    """Return a count given on the command line."""
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} isn't a number; expected 0 or more") from None
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is less than 0")
    return number


def _demo(options: argparse.Namespace) -> int:
    """Run an orchestration, kill its process half-way, and resume it."""
    from durablenb.cli.demo import tell

    return tell(sys.stdout, options.keep)


def _serve(options: argparse.Namespace) -> int:
    """Open a hub, and serve it over HTTP until Ctrl+C."""
    from durablenb.cli.serve import serve

    return serve(
        options.file,
        options.app,
        host=options.host,
        port=options.port,
        public_url=options.public_url,
        is_keyless=options.no_key,
        takes_sql=options.sql,
        body_limit=options.body_limit,
        keep_generations=options.keep_generations,
        out=sys.stdout,
    )
