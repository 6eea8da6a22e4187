"""The command line: look into a hub, serve it, repair it, see a demonstration."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import durablenb
from durablenb.analysis.text import plural, shortened, table_text
from durablenb.hub.histories import open_history
from durablenb.model.errors import DurableError
from durablenb.store.repair import repair

_ALL = "select instance_id, name, status, last_updated_time from instances order by created_time, instance_id"
_ONE = "select * from instances where instance_id = ?"
_ENTITY = "select * from entities where instance_id = ?"
_EVENTS = "select * from history where instance_id = ? order by seq"

_TOP = 50
"""How many instances `ls` prints without `--top`."""

_WIDTH = 72
"""Characters of a value that `show` prints."""


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
    listing, show = command("ls", _ls), command("show", _show)
    logs, sql, mend = command("logs", _logs), command("sql", _sql), command("repair", _repair)
    for with_file in (listing, show, logs, sql, mend):
        with_file.add_argument("file", metavar="FILE", type=Path, help="the hub's file")
        with_file.add_argument("--json", action="store_true", help="print JSON")
    for with_instance in (show, logs):
        with_instance.add_argument("instance", metavar="INSTANCE", help="the instance's id")
    listing.add_argument(
        "--top",
        metavar="N",
        type=_count,
        help=f"how many instances to list, those with the latest events (default: {_TOP}; with --json, all)",
    )
    sql.add_argument("query", metavar="QUERY", help="a query in DuckDB's SQL")
    _add_export_options(command("export", _export))
    _add_import_options(command("import", _import))
    check = command("check", _check)
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
    from durablenb.demo import tell

    return tell(sys.stdout, options.keep)


def _serve(options: argparse.Namespace) -> int:
    """Open a hub, and serve it over HTTP until Ctrl+C."""
    from durablenb.azure.serve_command import serve

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


def _ls(options: argparse.Namespace) -> int:
    """List the instances."""
    with open_history(options.file) as file:
        if options.json and options.top is None:
            _print_json(file.answer(_ALL).as_json())
            return 0
        fleet = file.fleet(_TOP if options.top is None else options.top)
    latest = sorted(fleet.latest, key=lambda one: (one.created, one.instance_id))
    if options.json:
        found = [
            {
                "instance_id": one.instance_id,
                "name": one.name,
                "status": one.status,
                "last_updated_time": one.updated.replace(tzinfo=None).isoformat(),
            }
            for one in latest
        ]
        _print_json(found)
        return 0
    if latest:
        rows = [(one.instance_id, one.name, one.status, f"{one.updated:%Y-%m-%d %H:%M:%S}") for one in latest]
        print(table_text(("instance", "orchestrator", "status", "last event (UTC)"), rows))
        print()
    statuses = sum((Counter(by_status) for by_status in fleet.counts.values()), Counter())
    by_count = sorted(statuses.items(), key=lambda item: (-item[1], item[0]))
    counts = ", ".join(f"{count:,} {status}" for status, count in by_count)
    print(plural(fleet.total, "instance") + (f": {counts}" if counts else ""))
    if len(latest) < fleet.total:
        print(f"Listed are the {len(latest):,} with the latest events. --top {fleet.total} lists all.")
    return 0


def _show(options: argparse.Namespace) -> int:
    """Show an instance, with its input, result, timeline and history; or an entity."""
    is_entity = options.instance.startswith("@")
    with open_history(options.file) as file:
        history = file.history(options.instance)
        answer = file.answer(_ENTITY if is_entity else _ONE, [options.instance])
        (instance,) = answer.as_json()
        if options.json:
            events = file.answer(_EVENTS, [options.instance]).as_json()
            _print_json({"instance": instance, "history": events})
            return 0
    heading = [instance[key] for key in ("name", "instance_id", "status") if key in instance]
    print(f"{'  '.join(heading)}\n")
    for key, value in instance.items():
        if key not in ("name", "instance_id", "status") and value not in (None, {}):
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            print(f"  {key:<18}  {shortened(text, _WIDTH)}")
    print(f"\n{history}" if is_entity else f"\n{history.timeline()}\n\n{history}")
    return 0


def _logs(options: argparse.Namespace) -> int:
    """Show what an instance and its sub-orchestrations printed and logged."""
    with open_history(options.file) as file:
        log = file.logs(options.instance)
    if options.json:
        times = (line.timestamp.replace(tzinfo=None).isoformat() for line in log)
        _print_json([line._asdict() | {"timestamp": time} for line, time in zip(log, times, strict=True)])
    else:
        print(log if log else "0 lines")
    return 0


def _sql(options: argparse.Namespace) -> int:
    """Run an SQL query over the tables and views of a hub."""
    with open_history(options.file) as file:
        answer = file.answer(options.query)
    if options.json:
        _print_json(answer.as_json())
    else:
        print(table_text(answer.columns, answer.rows))
    return 0


def _repair(options: argparse.Namespace) -> int:
    """Repair a hub that can't be opened; no file is deleted."""
    report = repair(options.file)
    if options.json:
        found = asdict(report)
        _print_json(found | {"path": str(report.path), "kept": [str(file) for file in report.kept]})
    else:
        print(report)
    return 1 if report.verdict == "unreadable" else 0


def _export(options: argparse.Namespace) -> int:
    """Export instances to a JSON or Parquet file, with their histories, logs and outputs."""
    if options.instances and options.sql is not None:
        raise ValueError("Give ids or a query, not both.")
    with open_history(options.file) as file:
        what = file.sql(options.sql) if options.sql is not None else options.instances or None
        count = file.export(what, options.output)
    print(f"{options.output}: {plural(count, 'instance')} exported")
    return 0


def _import(options: argparse.Namespace) -> int:
    """Import histories into a hub, to look at and replay; they never run."""
    key = os.environ.get("DURABLENB_KEY") if "://" in options.source else None
    with durablenb.TaskHub(options.file, mode="kernel") as hub:
        found = hub.import_history(options.source, prefix=options.prefix, key=key)
    for handle in found:
        print(handle.id)
    return 0


def _check(options: argparse.Namespace) -> int:
    """Check the orchestrators in files, notebooks and folders, without running them."""
    from durablenb.checks.files import check_files

    report = check_files(options.paths)
    if options.json:
        _print_json([one.as_json() for one in report.findings])
    else:
        for finding in report.findings:
            print(finding)
        print(report)
    for problem in report.problems:
        print("durablenb:", problem, file=sys.stderr)
    return 2 if report.problems else int(bool(report.findings))


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False))
