"""An instance, live: where it stands, what it waits for, its graph, its timeline, its history."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import traitlets

from durablenb.model.errors import InstanceNotFoundError
from durablenb.model.events import TERMINAL, ContinueAsNew, ExecutionStarted
from durablenb.model.status import DurableOrchestrationStatus
from durablenb.queries.instance.following import Following
from durablenb.queries.instance.picture import Picture, picture_of
from durablenb.queries.instance.steps import Call, Step
from durablenb.views.graph import graph_svg, sentence_of
from durablenb.views.live.beside import still_of
from durablenb.views.live.controls import head, waits
from durablenb.views.live.details import call_detail, step_detail
from durablenb.views.live.events import EventsPane
from durablenb.views.live.parts import figure, quoted, typed
from durablenb.views.live.selection import selection_of
from durablenb.views.live.sight import Sight
from durablenb.views.live.timeline_pane import TimelinePane
from durablenb.views.live.widget import LiveView
from durablenb.views.marks import call_key, step_key

if TYPE_CHECKING:
    import pandas

TICK = 1.0
"""Seconds after which an open instance is drawn again though nothing happened: time goes on."""


class LiveInstance(LiveView):
    """One instance of a hub, followed; `handle.watch()` gives it.

    It is a widget: `ipywidgets` can put it beside others. When the orchestration has ended it becomes the
    still picture, unless something in it is selected.

    Parameters
    ----------
    sight
        The instance.
    freeze
        Whether it becomes the still picture at the end.
    """

    REGIONS = ("head", "waits", "graph", "timeline", "history", "detail")
    TABS = ("graph", "timeline", "history")

    head = traitlets.Bytes().tag(sync=True)
    waits = traitlets.Bytes().tag(sync=True)
    graph = traitlets.Bytes().tag(sync=True)
    timeline = traitlets.Bytes().tag(sync=True)
    history = traitlets.Bytes().tag(sync=True)
    detail = traitlets.Bytes().tag(sync=True)

    def __init__(self, sight: Sight, *, freeze: bool = True) -> None:
        self._way: list[Sight] = []
        self._go_to(sight)
        super().__init__(freeze=freeze)

    def _go_to(self, sight: Sight) -> None:
        self._sight = sight
        self._following = Following()
        self._status: DurableOrchestrationStatus | None = None
        self._seq = 0
        self._first = 0
        self._drawn_at = 0.0
        self._picture: Picture | None = None
        self._log: tuple[str, Sequence[Any]] = ("", ())
        self._executions: list[str] = []
        self._history = EventsPane(sight.instance.id, sight.ask)
        self._timeline = TimelinePane()
        self._selection = selection_of(sight.instance)
        self._link: traitlets.link | None = None

    # -- what users may ask of it ----------------------------------------------------------------

    @property
    def sql(self) -> str:
        """The query for the events that the history shows."""
        return self._history.sql

    def df(self) -> pandas.DataFrame:
        """Return those events as a data frame."""
        return self._sight.ask(self.sql).df()

    # -- drawing ---------------------------------------------------------------------------------

    def draw(self, is_stale: bool) -> Mapping[str, str]:
        """Return the HTML of the regions that have changed."""
        if self._link is None:
            self._link = traitlets.link((self._selection, "selected"), (self, "selected"))
        is_new = self._read()
        self.has_news |= is_new
        if is_stale:
            self._status = None  # it may have been purged
        is_due = time.monotonic() - self._drawn_at >= TICK and not self.is_over()
        if not (is_new or is_stale or is_due or self._picture is None):
            return {}
        self._drawn_at = time.monotonic()
        shown = self._picture = self._look()
        self.label = sentence_of(shown)
        regions = {
            "head": head(shown, self._sight.clock, can_go_back=bool(self._way)),
            "waits": waits(shown),
            "detail": self._detail(shown),
        }
        if self.tab == "graph":
            regions["graph"] = figure(graph_svg(shown))
        elif self.tab == "timeline":
            regions["timeline"] = self._timeline.html(shown)
        else:
            regions["history"] = self._history.events(self._key_of)
        return regions

    def _read(self) -> bool:
        """Take note of what is new; answers whether anything is."""
        records = self._sight.records(self._seq)
        for record in records:
            self._seq = record.seq
            if isinstance(record.event, ExecutionStarted):
                self._executions.append(record.execution_id)
        if self._following.read(record.event for record in records):
            self._status = None
        return bool(records)

    def _look(self) -> Picture:
        sight = self._sight
        if self._status is None:
            self._status = sight.instance.status()
        if not self._status:
            raise InstanceNotFoundError(f"{sight.instance.id} was purged.")
        return self._following.picture(self._status, sight.obstacle(), sight.clock.now(), sight.queues)

    def is_over(self) -> bool:
        """Whether the instance has ended."""
        last = self._following.events[-1] if self._following.events else None
        return isinstance(last, TERMINAL) and not isinstance(last, ContinueAsNew)

    def still(self) -> dict[str, str]:
        """Return the still picture, as of now."""
        with self._lock:
            self._is_stale |= self._read()
            sight, events = self._sight, self._following.events
            shown = picture_of(
                sight.instance.status(), events, sight.obstacle(), sight.clock.now(), sight.queues
            )
        return still_of(shown)

    # -- what is selected ------------------------------------------------------------------------

    def _key_of(self, execution_id: str, task_id: int | None) -> str | None:
        return None if task_id is None else f"call {self._place_of(execution_id)} {task_id}"

    def _place_of(self, execution_id: str) -> int:
        """Which of the executions it is, from 1; after a rewind the last part of it counts."""
        return max((place for place, one in enumerate(self._executions, 1) if one == execution_id), default=0)

    def _find(self) -> Step | Call | None:
        kind, *numbers = self.selected.split()
        if self._picture is None or not all(one.isdecimal() for one in numbers):
            return None
        steps = {step.number: step for step in self._picture.flow.steps}
        if kind == "step" and len(numbers) == 1:
            return steps.get(int(numbers[0]))
        if kind == "call" and len(numbers) == 2:
            wanted = (int(numbers[0]), int(numbers[1]))
            return next((one for one in self._picture.calls if (one.execution, one.number) == wanted), None)
        return None

    def chosen(self) -> list[str]:
        """Return the keys of what is selected: a call's step belongs to it."""
        found = self._find() if self.selected else None
        if not isinstance(found, Call) or self._picture is None:
            return [self.selected] if found else []
        home = [
            step_key(step) for step in self._picture.flow.steps if any(one is found for one in step.calls)
        ]
        return [call_key(found), *home]

    def _detail(self, shown: Picture) -> str:
        found = self._find() if self.selected else None
        if isinstance(found, Step):
            return (
                call_detail(found.calls[0], self._lines(found.calls[0]))
                if len(found.calls) == 1
                else (step_detail(found, self._first))
            )
        return call_detail(found, self._lines(found)) if isinstance(found, Call) else ""

    def _lines(self, call: Call) -> Sequence[Any]:
        if call.kind != "activity":
            return ()
        key = f"{call_key(call)} {call.state} {self._seq}"
        if self._log[0] != key:
            self._log = key, self._sight.instance.logs(task_id=call.number)
        return self._log[1]

    def do_select(self, key: str = "", **more: Any) -> None:
        """Select a mark; a cell of a fan-out stands for its call."""
        self._first = 0
        kind, *numbers = key.split()[:3] if key else ("",)
        if kind == "cell" and self._picture is not None and len(numbers) == 2:
            step = next((one for one in self._picture.flow.steps if str(one.number) == numbers[0]), None)
            place = int(numbers[1])
            key = call_key(step.calls[place]) if step and place < len(step.calls) else ""
        super().do_select(key)

    def do_page(self, first: Any = 0, **_: Any) -> None:
        """Show another page of a step's calls."""
        self._first = max(int(first), 0)

    # -- timeline and history --------------------------------------------------------------------

    def do_set(self, name: str = "", value: str = "", **_: Any) -> None:
        """Filter."""
        if name == "filter":
            self._history.set_filter(str(value))
        else:
            self._timeline.set(name, str(value))

    def do_turn(self, first: Any = 0, **_: Any) -> None:
        """Show another page of events."""
        self._history.turn(first)

    def do_zoom(self, left: Any = None, right: Any = None, **_: Any) -> None:
        """Show the time between two places of the timeline, or all of it."""
        if self._picture is not None:
            self._timeline.zoom(self._picture, left, right)

    def do_path(self, **_: Any) -> None:
        """Show the critical path, or don't."""
        self._timeline.shows_path = not self._timeline.shows_path
        self._timeline.path = frozenset(self._critical_path()) if self._timeline.shows_path else frozenset()

    def _critical_path(self) -> Iterable[tuple[int, int]]:
        sql = f"select span_id from critical_path({quoted(self._sight.instance.id)})"
        for (span_id,) in self._sight.ask(sql).fetchall():
            execution_id, _, task = span_id.rpartition("/")
            yield self._place_of(execution_id), int(task)

    # -- actions ---------------------------------------------------------------------------------

    def do_raise(self, name: str = "", fields: Any = None, **_: Any) -> None:
        """Raise an external event: what was typed is JSON, or else text."""
        data = typed((fields or {}).get("data", ""))
        self._sight.instance.raise_event(name, data)

    def do_terminate(self, **_: Any) -> None:
        """End the orchestration."""
        self._sight.instance.terminate("from the live view")

    def do_suspend(self, **_: Any) -> None:
        """Let it rest."""
        self._sight.instance.suspend("from the live view")

    def do_resume(self, **_: Any) -> None:
        """Let it go on."""
        self._sight.instance.resume("from the live view")

    def do_rewind(self, **_: Any) -> None:
        """Do what failed once more."""
        self._sight.instance.rewind("from the live view")

    def do_restart(self, **_: Any) -> None:
        """Start it once more, and show the new instance."""
        self.do_open(self._sight.instance.restart().id)

    def do_purge(self, **_: Any) -> None:
        """Delete it."""
        self._sight.instance.purge()
        if self._way:
            self.do_back()

    def do_jump(self, **_: Any) -> None:
        """Move a virtual clock to the next deadline."""
        self._sight.clock.jump()

    def do_advance(self, fields: Any = None, **_: Any) -> None:
        """Move a virtual clock by so many hours."""
        hours = str((fields or {}).get("hours", "")).strip()
        try:
            self._sight.clock.advance(hours=float(hours))
        except (ValueError, OverflowError):
            raise ValueError(f"Give a number of hours, such as 72 or 0.5, not {hours!r}.") from None

    def do_open(self, id: str = "", **_: Any) -> None:
        """Show another instance, such as a child."""
        sight = self._sight.other(id)
        if not sight.records(0):
            raise ValueError(f"There is no instance {id!r}.")
        self._way.append(self._sight)
        self._show(sight)

    def do_back(self, **_: Any) -> None:
        """Show the instance before."""
        if self._way:
            self._show(self._way.pop())

    def _show(self, sight: Sight) -> None:
        if self._link is not None:
            self._link.unlink()
        self.selected = ""
        self._go_to(sight)
