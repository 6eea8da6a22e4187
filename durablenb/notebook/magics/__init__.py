"""The magics that `%load_ext durablenb` adds: `%durable` for commands, `%%durable_sql` for queries."""

from __future__ import annotations

import re
from itertools import pairwise
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

from durablenb.analysis.sql import QUERY_ERRORS, parameter_names, query
from durablenb.hub import open_hubs
from durablenb.hub.hub_file import HubFile
from durablenb.hub.task_hub import TaskHub
from durablenb.notebook.magics import show
from durablenb.notebook.magics.completion import completions
from durablenb.notebook.magics.control import crash, run_command
from durablenb.notebook.magics.parsing import CONTROL_COMMANDS, parse_line
from durablenb.notebook.magics.show import findings

_OPTION = re.compile(r"\s*(?:--hub[ =]\s*(?P<hub>\S+)|-o\s*(?P<out>\S+)|(?P<name>\w+)\s*<<)")


def load(shell: InteractiveShell) -> None:
    """Register the magics in a shell, with completion of commands, ids and names."""
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
        """Inspect a hub, and control its instances.

        %durable                 the hub: its file, how many instances of each status, durablenb's version
        %durable where           the file, and which others are open
        %durable ls              its instances; with
            --status STATUS        of this status (failed, running, ...); may be given several times
            --name NAME            of this orchestrator
            --since WHEN           started within the last 30s, 10m, 1h, 2d or 1w, or since 2026-01-31T12:00
            --top COUNT            at most so many
        %durable show ID         an instance; history ID, graph ID, timeline ID, sequence ID: one part of it
        %durable watch ID        a live view of it
        %durable explore ID      a live view that steps through its replays; replay ID: a still picture
            --execution NUMBER     this execution, from 1; without it, the newest one
            --code NAME            with the function in this variable instead of the registered one
        %durable logs ID         what it printed; filters: --level LEVEL, --task NUMBER, --name NAME
        %durable outputs ID      what it displayed; card ID: its page, with outputs, result, timings and log
        %durable entities        the entities; entities NAME: those of this name
        %durable entity ID       one of them, such as @counter@a
        %durable check NAME      what would break the replay of an orchestrator
        %durable sql QUERY       the answer to a query, as %durable_sql

        %durable raise ID EVENT VALUE    sends an external event: JSON, $name for a variable, or plain text
        %durable cancel ID REASON        requests that it cancels itself
        %durable terminate ID REASON     terminates it
        %durable suspend ID REASON       suspends it; resume ID: resumes it
        %durable rewind ID REASON        retries what failed
        %durable restart ID              starts it again with its input; --same-id: with its id
        %durable fork ID EVENT RESULT    starts a copy with its history up to an event, with another result
                                         for it; --id NEW: the new id; --input VALUE: another input
        %durable purge ID                deletes it and its history
        %durable crash                   kills the kernel, to show that nothing is lost; --yes: without asking

        The hub is the one opened last in this kernel. --hub NAME before the instance selects the one in the
        variable of that name, which may also hold a file opened by durablenb.open_history.
        """
        options, variables = parse_line(line), self._variables(local_ns)
        if options.command == "crash":
            crash(options)
            return None
        if options.command == "sql":
            return self._answered(options.rest, "", variables, options.hub)
        return self._do(options, self._hub(options.hub, variables), variables)

    def _do(self, options: Any, hub: TaskHub | HubFile, variables: dict[str, Any]) -> object:
        command = options.command
        if command in (None, "where"):
            show.where(hub)
            return hub if command is None else None
        if command == "ls":
            return show.instances(hub, options)
        if command == "entities":
            return show.entities(hub, options.name)
        if command == "entity":
            return show.entity(hub, options.entity)
        if command == "check":
            return findings(hub, options.name, variables)
        if command in CONTROL_COMMANDS:
            return run_command(hub, options, variables)
        return show.instance(hub, options, variables)

    @no_var_expand
    @needs_local_scope
    @line_cell_magic
    def durable_sql(
        self, line: str, cell: str | None = None, local_ns: dict[str, Any] | None = None
    ) -> object:
        """Run a query in DuckDB's SQL on a hub, and show the result.

        %durable_sql select count(*) from instances
        answer = %durable_sql select * from instances

        %%durable_sql
        select name, status, count(*) from instances group by all

        %%durable_sql failed <<              stores the result in the variable `failed`, as does -o failed
        select * from instances where status = 'Failed' and name = $name

        $name is the value of the variable `name`. Tables that the hub doesn't have are variables too: data
        frames, or results of other queries. A result is a DuckDB relation, with .df(), .pl(), .arrow() and
        .fetchall(), each of which runs the query again.

        The hub is the one opened last in this kernel. --hub NAME selects the one in the variable of that
        name, which may also hold a file opened by durablenb.open_history.
        """
        return self._answered(line, cell or "", self._variables(local_ns))

    def _answered(
        self, line: str, cell: str, variables: dict[str, Any], hub_name: str | None = None
    ) -> object:
        given: dict[str, str] = {} if hub_name is None else {"hub": hub_name}
        while (option := _OPTION.match(line)) is not None:
            given |= {key: value for key, value in option.groupdict().items() if value is not None}
            line = line[option.end() :]
        name = given.get("name") or given.get("out")
        if name is not None and not name.isidentifier():
            raise UsageError(f"{name!r} isn't a valid name for a variable.")
        answer = _answer(self._hub(given.get("hub"), variables), f"{line}\n{cell}", variables)
        if name is None:
            return answer
        self._namespace[name] = answer
        return None

    def complete(self, _: object, event: SimpleNamespace) -> list[str]:
        """Return completions of a line that begins with ``%durable``."""
        text = str(event.text_until_cursor)
        word = "" if text[-1:].isspace() else text.split()[-1]
        before = text.removesuffix(word).split()[1:]
        known = word.removesuffix(event.symbol)  # for IPython a word begins after an @
        holders = [name for name, value in self._namespace.items() if isinstance(value, (TaskHub, HubFile))]
        named = dict(pairwise(before)).get("--hub")
        try:
            hub = self._hub(named, self._namespace)
        except UsageError:
            hub = None
        return [completion.removeprefix(known) for completion in completions(before, word, hub, holders)]

    def _variables(self, local_ns: dict[str, Any] | None) -> dict[str, Any]:
        return {**self._namespace, **(local_ns or {})}

    def _hub(self, name: str | None, variables: dict[str, Any]) -> TaskHub | HubFile:
        if name is not None:
            hub = variables.get(name)
            if not isinstance(hub, (TaskHub, HubFile)):
                what = f"is of type {type(hub).__name__}" if name in variables else "doesn't exist"
                raise UsageError(
                    f"{name} {what}. --hub takes a variable that holds a hub, or a file opened by "
                    "durablenb.open_history."
                )
            return hub
        hubs = open_hubs.all_open()
        if not hubs:
            raise UsageError(
                "No hub is open in this kernel. Open one: hub = durablenb.TaskHub('flows.duckdb'); or name a "
                "file that durablenb.open_history opened: --hub file."
            )
        return hubs[-1]


def _answer(hub: TaskHub | HubFile, text: str, variables: dict[str, Any]) -> object:
    connection = hub.connection()
    try:
        names = parameter_names(connection, text)
        if any(name.isdigit() for name in names):
            raise UsageError("Values are variables here: write $name for the variable name, not ?.")
        missing = sorted(names - variables.keys())
        if missing:
            raise UsageError(f"The query has ${missing[0]}, and there is no variable {missing[0]!r}.")
        values = {name: variables[name] for name in names}
        return query(connection, text, values or None, variables, hub.table)
    except QUERY_ERRORS as error:
        raise UsageError(str(error)) from error
