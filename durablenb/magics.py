"""The magics of a notebook, which `%load_ext durablenb` brings: a look at a hub, and SQL over it."""

from __future__ import annotations

import re
import shlex
from argparse import SUPPRESS, Namespace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import (
    Magics,
    line_cell_magic,
    line_magic,
    magics_class,
    needs_local_scope,
    no_var_expand,
)
from IPython.core.magic_arguments import MagicArgumentParser

import durablenb
from durablenb.hub import TaskHub, open_hubs
from durablenb.model.status import OrchestrationRuntimeStatus
from durablenb.queries.file import HubFile
from durablenb.queries.instances import InstanceList
from durablenb.queries.sql import QUERY_ERRORS, names_of_parameters, query

_OPTION = re.compile(r"\s*(?:--hub[ =]\s*(?P<hub>\S+)|-o\s*(?P<out>\S+)|(?P<name>\w+)\s*<<)")
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_STATUSES = {status.casefold(): status for status in OrchestrationRuntimeStatus}

_MOST_IDS = 50
_IDS = (
    "select instance_id from instances where starts_with(instance_id, ?) order by created_time desc limit ?"
)


def load(shell: InteractiveShell) -> None:
    """Give a shell the magics, and complete the ids of instances for them."""
    magics = DurableMagics(shell)
    shell.register_magics(magics)
    shell.set_hook("complete_command", magics.complete, str_key="%durable")  # type: ignore[no-untyped-call]


@magics_class
class DurableMagics(Magics):
    """``%durable``, ``%durable_sql`` and ``%%durable_sql``."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._namespace: dict[str, Any] = shell.user_ns

    @no_var_expand
    @needs_local_scope
    @line_magic
    def durable(self, line: str, local_ns: dict[str, Any] | None = None) -> object:
        """Look at a hub.

        %durable                 the hub: its file, how many instances of each status, durablenb's version
        %durable ls              its instances; with
            --status STATUS        of this status (failed, running, ...); may be given several times
            --name NAME            of this orchestrator
            --since WHEN           started within the last 30s, 10m, 1h, 2d or 1w, or since 2026-01-31T12:00
            --top COUNT            at most so many
        %durable show ID         an instance

        It is about the hub that was opened last in this kernel, or with --hub NAME about the one in the
        variable of that name, which may also be a file opened by durablenb.open_history.
        """
        try:
            words = shlex.split(line)
        except ValueError as error:
            raise UsageError(f"{error} in {line!r}.") from None
        options = _parser().parse_args(words)
        hub = self._hub(options.hub, self._variables(local_ns))
        if options.command == "ls":
            return _instances(hub, options)
        if options.command == "show":
            return hub.handle(options.instance)
        print(f"durablenb {durablenb.__version__}, {hub.path or 'in memory'}")
        others = [one for one in open_hubs() if one is not hub]
        if others:
            print("also open:", ", ".join(str(one.path or "in memory") for one in others))
        return hub

    @no_var_expand
    @needs_local_scope
    @line_cell_magic
    def durable_sql(
        self, line: str, cell: str | None = None, local_ns: dict[str, Any] | None = None
    ) -> object:
        """Ask a hub one query in DuckDB's SQL, and show the answer.

        %durable_sql select count(*) from instances
        answer = %durable_sql select * from instances

        %%durable_sql
        select name, status, count(*) from instances group by all

        %%durable_sql failed <<              keeps the answer in the variable `failed`, as does -o failed
        select * from instances where status = 'Failed' and name = $name

        Values are variables: $name is the variable `name`. What is no table or view of the hub is a variable,
        too: a data frame, or the answer to another query. An answer is a DuckDB relation, with .df(), .pl(),
        .arrow() and .fetchall(), each of which asks anew.

        It is about the hub that was opened last in this kernel, or with --hub NAME about the one in the
        variable of that name, which may also be a file opened by durablenb.open_history.
        """
        given: dict[str, str] = {}
        while (option := _OPTION.match(line)) is not None:
            given |= {key: value for key, value in option.groupdict().items() if value is not None}
            line = line[option.end() :]
        name = given.get("name") or given.get("out")
        if name is not None and not name.isidentifier():
            raise UsageError(f"{name!r} is no name for a variable.")
        variables = self._variables(local_ns)
        answer = _answer(self._hub(given.get("hub"), variables), f"{line}\n{cell or ''}", variables)
        if name is None:
            return answer
        self._namespace[name] = answer
        return None

    def complete(self, _: object, event: SimpleNamespace) -> list[str]:
        """Return what a line that begins with ``%durable`` may go on with: a command, or an instance's id."""
        words = str(event.text_until_cursor).split()[1:]
        before = words[:-1] if event.symbol else words
        if not before:
            return ["ls", "show"]
        hubs = open_hubs()
        if before != ["show"] or not hubs:
            return []
        return [row[0] for row in hubs[-1].sql(_IDS, [event.symbol, _MOST_IDS]).fetchall()]

    def _variables(self, local_ns: dict[str, Any] | None) -> dict[str, Any]:
        return {**self._namespace, **(local_ns or {})}

    def _hub(self, name: str | None, variables: dict[str, Any]) -> TaskHub | HubFile:
        if name is not None:
            found = variables.get(name)
            if not isinstance(found, (TaskHub, HubFile)):
                what = f"is of type {type(found).__name__}" if name in variables else "doesn't exist"
                raise UsageError(
                    f"{name} {what}. --hub takes a variable that holds a hub, or a file opened by "
                    "durablenb.open_history."
                )
            return found
        hubs = open_hubs()
        if not hubs:
            raise UsageError(
                "No hub is open in this kernel. Open one: hub = durablenb.TaskHub('flows.duckdb'); or name a "
                "file that durablenb.open_history opened: --hub file."
            )
        return hubs[-1]


def _parser() -> MagicArgumentParser:
    parser = MagicArgumentParser(prog="%durable")  # type: ignore[no-untyped-call]
    parser.add_argument("--hub")
    commands = parser.add_subparsers(dest="command")
    listing, show = commands.add_parser("ls"), commands.add_parser("show")
    listing.add_argument("--status", action="append")
    listing.add_argument("--name")
    listing.add_argument("--since")
    listing.add_argument("--top", type=int)
    show.add_argument("instance")
    for command in (listing, show):
        command.add_argument("--hub", default=SUPPRESS)
    return parser


def _instances(hub: TaskHub | HubFile, options: Namespace) -> InstanceList:
    asked = options.status
    statuses = None if asked is None else [_STATUSES.get(one.casefold(), one) for one in asked]
    since = None if options.since is None else _moment(options.since, hub)
    try:
        return hub.instances(statuses, name=options.name, since=since, top=options.top)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _moment(text: str, hub: TaskHub | HubFile) -> datetime:
    length = _LENGTH.fullmatch(text)
    if length is not None:
        now = hub.client.engine.clock.now() if isinstance(hub, TaskHub) else datetime.now(UTC)
        return now - timedelta(**{_UNITS[length[2]]: float(length[1])})
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--since is {text!r}; expected a length such as 30s, 10m, 1h, 2d or 1w, or a time such as "
            "2026-01-31T12:00."
        ) from None


def _answer(hub: TaskHub | HubFile, text: str, variables: dict[str, Any]) -> object:
    connection = hub.connection()
    try:
        names = names_of_parameters(connection, text)
        if any(name.isdigit() for name in names):
            raise UsageError("Values are variables here: write $name for the variable name, not ?.")
        missing = sorted(names - variables.keys())
        if missing:
            raise UsageError(f"The query has ${missing[0]}, and there is no variable {missing[0]!r}.")
        values = {name: variables[name] for name in names}
        return query(connection, text, values or None, variables)
    except QUERY_ERRORS as error:
        raise UsageError(str(error)) from error
