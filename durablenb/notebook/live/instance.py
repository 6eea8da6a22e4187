"""An instance, live: where it stands, what it waits for, its graph, its timeline, its history."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import traitlets

from durablenb.analysis.calls import Call
from durablenb.analysis.snapshot import InstanceSnapshot, SnapshotBuilder, instance_snapshot
from durablenb.analysis.text import quoted
from durablenb.model.errors import InstanceNotFoundError
from durablenb.model.events import TERMINAL, ContinueAsNew, ExecutionStarted
from durablenb.model.status import DurableOrchestrationStatus
from durablenb.notebook.graph import graph_on, sentence_of
from durablenb.notebook.layout import DEEPEST
from durablenb.notebook.live.acts import Acts
from durablenb.notebook.live.beside import still_of
from durablenb.notebook.live.controls import head, waits
from durablenb.notebook.live.details import call_detail, step_detail
from durablenb.notebook.live.drawing import LiveDrawing
from durablenb.notebook.live.events import EventsPane
from durablenb.notebook.live.found import Found, call_at, find
from durablenb.notebook.live.nested import Nested
from durablenb.notebook.live.parts import figure
from durablenb.notebook.live.selection import Selection, selection_of
from durablenb.notebook.live.sight import Sight
from durablenb.notebook.live.timeline_pane import TimelinePane
from durablenb.notebook.live.widget import LiveView
from durablenb.notebook.svg import WIDTH

if TYPE_CHECKING:
    import pandas

TICK = 1.0
"""Seconds after which an open instance is drawn again though nothing happened: time goes on."""


class LiveInstance(Acts, LiveView):
    """One instance of a hub, followed; `handle.watch()` gives it.

    It is a widget: `ipywidgets` can put it beside others. When the orchestration has ended it becomes the
    still picture, unless something in it is selected.

    Parameters
    ----------
    sight
        The instance.
    freeze
        Whether it becomes the still picture at the end.
    traits
        What a widget takes.
    """

    REGIONS = ("head", "waits", "graph", "timeline", "history", "detail")
    TABS = ("graph", "timeline", "history")

    head = traitlets.Bytes().tag(sync=True)
    waits = traitlets.Bytes().tag(sync=True)
    graph = traitlets.Bytes().tag(sync=True)
    timeline = traitlets.Bytes().tag(sync=True)
    history = traitlets.Bytes().tag(sync=True)
    detail = traitlets.Bytes().tag(sync=True)

    def __init__(self, sight: Sight, *, freeze: bool = True, **traits: Any) -> None:
        self._way: list[Sight] = []
        self._go_to(sight)
        super().__init__(freeze=freeze, **traits)

    def _go_to(self, sight: Sight) -> None:
        self._sight = sight
        self._following = SnapshotBuilder()
        self._status: DurableOrchestrationStatus | None = None
        self._seq = 0
        self._first = 0
        self._drawn_at = 0.0
        self._picture: InstanceSnapshot | None = None
        self._nested = Nested(sight)
        self._forks: tuple[str, ...] = ()
        self._forks_at = 0.0
        self._turned_to = ""
        self._log: tuple[str, Sequence[Any]] = ("", ())
        self._executions: list[str] = []
        self._history = EventsPane(sight.instance.id, sight.ask)
        self._timeline = TimelinePane()
        self._selection = self._selection_of(sight)
        self._link: traitlets.link | None = None

    def _selection_of(self, sight: Sight) -> Selection:
        """Return what is selected in the instance, in this view and in others."""
        return selection_of(sight.instance)

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
        is_new = self._read() | self._nested.read() | self._ask_forks()
        self.has_news |= is_new
        if is_stale:
            self._status = None  # it may have been purged
        is_due = time.monotonic() - self._drawn_at >= TICK and not self.is_over()
        if not (is_new or is_stale or is_due or self._picture is None):
            return {}
        self._drawn_at = time.monotonic()
        shown = self._picture = self._look()
        self.label = sentence_of(shown)
        self.place = f"instances/{self._sight.instance.id}"
        regions = {
            "head": head(shown, self._sight.clock, can_go_back=bool(self._way)),
            "waits": waits(shown),
            "detail": self._detail(shown),
        }
        if self.tab == "graph":
            chosen = find(shown, self.selected)
            drawing = LiveDrawing(WIDTH, self.label, None if chosen is None else chosen.only_call)
            regions["graph"] = figure(graph_on(drawing, shown))
        elif self.tab == "timeline":
            regions["timeline"] = self._timeline.html(shown, find(shown, self.selected))
        else:
            self._turn_to_selected(shown)
            regions["history"] = self._history.events(self._key_of)
        return regions

    def _turn_to_selected(self, shown: InstanceSnapshot) -> None:
        """Show the events of what was selected since they were last shown."""
        is_new, self._turned_to = self.selected != self._turned_to, self.selected
        found = find(shown, self.selected) if is_new else None
        if found is not None and found.only_call is not None and not found.of:
            call = found.only_call
            self._history.show(self._executions[call.execution - 1], call.number)

    def _ask_forks(self) -> bool:
        """Take note of new forks, now and then; answers whether there are any."""
        if time.monotonic() - self._forks_at < TICK:
            return False
        before, self._forks = self._forks, self._sight.forks()
        self._forks_at = time.monotonic()
        return self._forks != before

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

    def _look(self) -> InstanceSnapshot:
        sight = self._sight
        if self._status is None:
            self._status = sight.instance.status()
        if not self._status:
            raise InstanceNotFoundError(f"{sight.instance.id} was purged.")
        now = sight.clock.now()
        shown = self._following.snapshot(self._status, sight.obstacle(), now, sight.queues, self._forks)
        return replace(shown, nest=self._nested.within(shown.flow))

    def is_over(self) -> bool:
        """Whether the instance has ended."""
        last = self._following.events[-1] if self._following.events else None
        if self._status is not None and self._status.imported_from is not None:
            return True  # nothing more will happen to it here
        return isinstance(last, TERMINAL) and not isinstance(last, ContinueAsNew)

    def trouble(self) -> str:
        """Return what keeps news from coming."""
        return self._sight.trouble()

    def still(self) -> dict[str, str]:
        """Return the still picture, as of now."""
        with self._lock:
            self._is_stale |= self._read()
            sight, events = self._sight, self._following.events
            shown = instance_snapshot(
                sight.instance.status(),
                events,
                sight.obstacle(),
                sight.clock.now(),
                sight.queues,
                sight.forks(),
            )
            shown = replace(shown, nest=self._nested.within(shown.flow))
        return still_of(shown)

    # -- what is selected ------------------------------------------------------------------------

    def _key_of(self, execution_id: str, task_id: int | None) -> str | None:
        return None if task_id is None else f"call {self._place_of(execution_id)} {task_id}"

    def _place_of(self, execution_id: str) -> int:
        """Which of the executions it is, from 1; after a rewind the last part of it counts."""
        return max((place for place, one in enumerate(self._executions, 1) if one == execution_id), default=0)

    def chosen(self) -> list[str]:
        """Return the keys of what is selected: a call's step belongs to it."""
        found = find(self._picture, self.selected)
        return [] if found is None else found.keys

    def _detail(self, shown: InstanceSnapshot) -> str:
        found = find(shown, self.selected)
        if found is None:
            return ""
        call = found.only_call
        if call is not None:
            return call_detail(call, self._lines(call, found.of))
        return "" if found.step is None else step_detail(found.step, self._first, found.of)

    def _lines(self, call: Call, of: str) -> Sequence[Any]:
        if call.kind != "activity":
            return ()
        key = f"{of} {call.execution} {call.number} {call.state} {self._seq}"
        if self._log[0] != key:
            self._log = key, self._nested.instance(of).logs(task_id=call.number)
        return self._log[1]

    def do_select(self, key: str = "", **more: Any) -> None:
        """Select a mark; a cell of a fan-out stands for its call."""
        self._first, key = 0, str(key)
        super().do_select(call_at(self._picture, key) if key.startswith("cell ") else key)
        found = find(self._picture, self.selected)
        if found is not None and found.step is not None and found.call is not None:
            self._nested.follow(found.step, found.call)
            self._is_stale = True

    def do_fold(self, id: str = "", **_: Any) -> None:
        """Open a sub-orchestration in the graph, or fold it."""
        found = self._sub_orchestration(id)
        if found is not None and found.step is not None:
            selected = find(self._picture, self.selected)
            self._nested.fold(found.step, None if selected is None else selected.call)
            if selected is not None and selected.of:
                self.selected = ""  # it may be folded with it
                self._is_stale = True

    def do_member(self, id: str = "", name: str = "", **_: Any) -> None:
        """Show the next one of many sub-orchestrations in the graph, or the one before."""
        found = self._sub_orchestration(id)
        if found is not None and found.step is not None:
            self._nested.turn(found.step, 1 if name == "next" else -1)

    def do_show(self, **_: Any) -> None:
        """Show the sub-orchestration that is selected in the graph."""
        found = self._sub_orchestration(self.selected)
        if found is not None and found.step is not None and found.only_call is not None:
            if self._nested.depth(found.of) >= DEEPEST:
                raise ValueError("The graph has no room for it so deep inside: open it.")
            self._nested.show(found.step, found.only_call)
            self.tab = "graph"

    def _sub_orchestration(self, key: str) -> Found | None:
        found = find(self._picture, str(key))
        is_one = found is not None and found.step is not None and found.step.kind == "sub-orchestration"
        return found if is_one else None

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

    # -- the way to other instances --------------------------------------------------------------

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
