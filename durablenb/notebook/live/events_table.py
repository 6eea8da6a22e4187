"""The history of an instance as a table that can be filtered."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from durablenb.analysis.text import quoted
from durablenb.analysis.value_text import payload_text
from durablenb.notebook.html import Markup, code, line, markup, unbroken
from durablenb.notebook.live.interactive import attributes, mark
from durablenb.notebook.live.query_table import PAGE, Ask, QueryTable, Row
from durablenb.notebook.words import time_text

_HEADER = ("generation", "event", "time (UTC)", "what", "about", "task", "value")
_SEARCHED = ("event_type", "name", "asked_name", "payload")
_EVENTS = """
select event_id, timestamp, event_type, coalesce(name, asked_name) as name, task_id, payload, generation,
       execution_id, seq
from history
left join (select execution_id, generation from executions where instance_id = {id}) using (execution_id)
left join (  -- what answers has no name: that of what was asked for
    select execution_id, task_id, any_value(name) as asked_name from history
    where instance_id = {id} and name is not null group by all
) using (execution_id, task_id)
where instance_id = {id}
""".strip()


class EventsTable(QueryTable):
    """The events of all executions of an instance.

    Parameters
    ----------
    instance_id
        The id of the instance.
    ask
        Runs a query in SQL.
    """

    def __init__(self, instance_id: str, ask: Ask) -> None:
        super().__init__(ask, _EVENTS.replace("{id}", quoted(instance_id)), "seq", _SEARCHED, "event")

        self._here: int | None = None

    def show(self, execution_id: str, task_id: int | None = None) -> None:
        """Turn to the page with the first event of an execution, or of a task, that passes the filter."""
        mine = f"execution_id = {quoted(execution_id)}"
        if task_id is not None:
            mine += f" and task_id = {task_id}"
        self._here = self._ask(f"select min(seq) from ({self.sql}) where {mine}").fetchall()[0][0]
        if self._here is not None:
            before = self._ask(f"select count(*) from ({self.sql}) where seq < {self._here}").fetchall()[0][0]
            self.turn(before // PAGE * PAGE)

    def events(
        self, call_key_of: Callable[[str, int | None], str | None], *, has_generations: bool
    ) -> Markup:
        """Return a page of events.

        Parameters
        ----------
        call_key_of
            Returns the key of an event's call, given its execution and task.
        has_generations
            Whether to show which generation an event belongs to: each numbers its own events from 1.
        """
        here, self._here = self._here, None  # only once: the user may scroll away after that
        first = 0 if has_generations else 1

        def cells(row: Row) -> Sequence[object]:
            return _row(row, call_key_of(row[7], row[4]), here)[first:]

        return self.html(_HEADER[first:], cells)


def _row(row: Row, key: str | None, here: int | None) -> Sequence[object]:
    number, when, kind, name, task, payload, generation, _, seq = row
    value = "" if payload in (None, "null") else payload_text(payload)
    return (
        f"{generation:,}",
        markup(
            "<span",
            attributes(data_key=key) if key else "",
            " data-here" if seq == here else "",
            ">",
            line(f"{number:,}"),
            "</span>",
        ),
        markup(
            '<span class="dnb-date">',
            unbroken(f"{when:%Y-%m-%d}"),
            "</span> ",
            unbroken(time_text(when, with_date=False)),
        ),
        unbroken(kind) if key is None else mark(kind, key),
        line(name or "", 60),
        "" if task is None else f"#{task}",
        code(value, 100) if value else "",
    )
