"""The magics of a notebook, which `%load_ext durablenb` brings: to look at a hub, to steer it, and SQL."""

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
from durablenb.hub.recorded.hub import HubFile
from durablenb.hub.task_hub import TaskHub, open_hubs
from durablenb.notebook.magics import looking
from durablenb.notebook.magics.checking import checked
from durablenb.notebook.magics.completing import completions
from durablenb.notebook.magics.parsing import STEERING, options_of
from durablenb.notebook.magics.steering import crash, steer

_OPTION = re.compile(r"\s*(?:--hub[ =]\s*(?P<hub>\S+)|-o\s*(?P<out>\S+)|(?P<name>\w+)\s*<<)")


def load(shell: InteractiveShell) -> None:
    """Give a shell the magics, and complete commands, ids and names for them."""
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
        """Look at a hub, and take a hand in it.

        %durable                 the hub: its file, how many instances of each status, durablenb's version
        %durable where           the file, and which others are open
        %durable ls              its instances; with
            --status STATUS        of this status (failed, running, ...); may be given several times
            --name NAME            of this orchestrator
            --since WHEN           started within the last 30s, 10m, 1h, 2d or 1w, or since 2026-01-31T12:00
            --top COUNT            at most so many
        %durable show ID         an instance; history ID, graph ID, timeline ID, sequence ID: one part of it
        %durable watch ID        a live view of it
        %durable explore ID      another one, which goes through its replays step by step; replay ID: still
            --execution NUMBER     this execution, from 1; without it, the newest one
            --code NAME            with the function in this variable, in place of what is registered
        %durable logs ID         what it printed; --level LEVEL, --task NUMBER, --name NAME: some of that
        %durable entities        the entities; entities NAME: those of this name
        %durable entity ID       one of them, such as @counter@a
        %durable check NAME      what a replay of an orchestrator would stumble over
        %durable sql QUERY       the answer to a query, as %durable_sql

        %durable raise ID EVENT VALUE    sends an external event: JSON, $name for a variable, or plain text
        %durable terminate ID REASON     ends it
        %durable suspend ID REASON       lets it rest; resume ID: lets it go on
        %durable rewind ID REASON        does again what failed
        %durable restart ID              starts it again with its input; --same-id: under its id
        %durable fork ID EVENT RESULT    starts another one that shares its past up to there; RESULT: what
                                         came there instead; --id NEW: its id; --input VALUE: another input
        %durable purge ID                deletes it with its history
        %durable crash                   kills the kernel, to see that nothing is lost; --yes: without asking

        It is about the hub that was opened last in this kernel, or with --hub NAME before the instance about
        the one in the variable of that name, which may also be a file opened by durablenb.open_history.
        """
        options, variables = options_of(line), self._variables(local_ns)
        if options.command == "crash":
            crash(options)
            return None
        if options.command == "sql":
            return self._answered(options.rest, "", variables, options.hub)
        return self._do(options, self._hub(options.hub, variables), variables)

    def _do(self, options: Any, hub: TaskHub | HubFile, variables: dict[str, Any]) -> object:
        command = options.command
        if command in (None, "where"):
            looking.where(hub)
            return hub if command is None else None
        if command == "ls":
            return looking.instances(hub, options)
        if command == "entities":
            return looking.entities(hub, options.name)
        if command == "entity":
            return looking.entity(hub, options.entity)
        if command == "check":
            return checked(hub, options.name, variables)
        if command in STEERING:
            return steer(hub, options, variables)
        return looking.instance(hub, options, variables)

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
            raise UsageError(f"{name!r} is no name for a variable.")
        answer = _answer(self._hub(given.get("hub"), variables), f"{line}\n{cell}", variables)
        if name is None:
            return answer
        self._namespace[name] = answer
        return None

    def complete(self, _: object, event: SimpleNamespace) -> list[str]:
        """Return what a line that begins with ``%durable`` may go on with."""
        text = str(event.text_until_cursor)
        word = "" if text[-1:].isspace() else text.split()[-1]
        before = text.removesuffix(word).split()[1:]
        known = word.removesuffix(event.symbol)  # IPython's words begin after an @
        holders = [name for name, value in self._namespace.items() if isinstance(value, (TaskHub, HubFile))]
        named = dict(pairwise(before)).get("--hub")
        try:
            hub = self._hub(named, self._namespace)
        except UsageError:
            hub = None
        return [one.removeprefix(known) for one in completions(before, word, hub, holders)]

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
        return query(connection, text, values or None, variables)
    except QUERY_ERRORS as error:
        raise UsageError(str(error)) from error
