"""The events of an instance as a pane."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from durablenb.views.history import readable
from durablenb.views.html import Markup, code, line, markup, unbroken
from durablenb.views.live.pane import Ask, Pane, Row
from durablenb.views.live.parts import attributes, mark, quoted
from durablenb.views.words import moment

_HEADER = ("event", "time (UTC)", "what", "about", "task", "value")
_SEARCHED = ("event_type", "name", "payload")


class EventsPane(Pane):
    """The history of an instance, of all its executions.

    Parameters
    ----------
    instance_id
        Whose.
    ask
        Answers a query.
    """

    def __init__(self, instance_id: str, ask: Ask) -> None:
        query = (
            "select seq, timestamp, event_type, name, task_id, payload, execution_id\n"
            f"from history\nwhere instance_id = {quoted(instance_id)}"
        )
        super().__init__(ask, query, "seq", _SEARCHED, "event")

    def events(self, key_of: Callable[[str, int | None], str | None]) -> Markup:
        """Return a page of events.

        Parameters
        ----------
        key_of
            The key of the call that an event is about, from its execution and task.
        """
        return self.html(_HEADER, lambda found: _row(found, key_of(found[6], found[4])))


def _row(found: Row, key: str | None) -> Sequence[object]:
    seq, when, kind, name, task, payload, _ = found
    value = "" if payload in (None, "null") else readable(str(payload))
    return (
        markup(f"<span{attributes(data_key=key)}>" if key else "<span>", line(f"{seq:,}"), "</span>"),
        unbroken(moment(when)),
        unbroken(kind) if key is None else mark(kind, key),
        line(name or "", 60),
        "" if task is None else f"#{task}",
        code(value, 100) if value else "",
    )
