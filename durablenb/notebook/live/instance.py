"""The live view of an instance: status, waits, graph, timeline, history, and commands."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import traitlets

from durablenb.analysis.calls import Call
from durablenb.analysis.conversation import ConversationReader, with_streams
from durablenb.analysis.interruptions import Tries, tries_by_task
from durablenb.analysis.outputs import Outputs
from durablenb.analysis.progress import ProgressSnapshot, StepCounter
from durablenb.analysis.snapshot import InstanceSnapshot, SnapshotBuilder, instance_snapshot
from durablenb.analysis.text import quoted
from durablenb.core.generations import is_remnant
from durablenb.hub.instance import Handle
from durablenb.journal.related import EntityQueue
from durablenb.model.errors import HubUnreachableError, InstanceNotFoundError
from durablenb.model.events import ExecutionStarted, InstanceEnding
from durablenb.model.runtime import RunningCall, RuntimeInfo
from durablenb.model.status import DurableOrchestrationStatus
from durablenb.notebook.html import Markup, markup
from durablenb.notebook.keys import Target, cell_call_key, find_generation, find_target
from durablenb.notebook.live.children import OpenedChildren, followed
from durablenb.notebook.live.code_tab import CodeTab
from durablenb.notebook.live.decisions import Decisions
from durablenb.notebook.live.details import call_detail, generation_detail, step_detail, stored_value
from durablenb.notebook.live.events_table import EventsTable
from durablenb.notebook.live.instance_commands import InstanceCommands
from durablenb.notebook.live.instance_controls import head, waits
from durablenb.notebook.live.interactive import LiveDrawing, figure, scrolled
from durablenb.notebook.live.static_fallback import still_bundle
from durablenb.notebook.live.timeline_pane import TimelinePane
from durablenb.notebook.live.tooltips import tooltip
from durablenb.notebook.live.value_head import value_head
from durablenb.notebook.still.conversation import conversation_html
from durablenb.notebook.still.graph import graph_on, instance_sentence
from durablenb.notebook.still.graph_layout import DEEPEST
from durablenb.notebook.still.outputs import outputs_html
from durablenb.notebook.still.running import running_table, themed

if TYPE_CHECKING:
    import pandas

    from durablenb.analysis.sql import Relation

TICK = 1.0
"""Seconds after which an open instance is redrawn even if nothing happened, since time passes."""

_TRIES_PAUSE = 5.0
"""Seconds after which the tries of calls are read again, if some have been repeated."""


class LiveInstance(InstanceCommands):
    """The live view of one instance, which `handle.watch()` returns.

    It is a widget, so `ipywidgets` can combine it with others. It stays live when the orchestration has
    ended, and becomes its still picture after a minute without a click, unless something is selected in it.

    Parameters
    ----------
    handle
        The instance, of an open hub, a file or a remote hub.
    freeze
        Whether it becomes its still picture by itself.
    traits
        Keyword arguments of `ipywidgets.Widget`.
    """

    REGIONS = ("head", "waits", "graph", "timeline", "history", "code", "conversation", "outputs", "detail")
    TABS = ("graph", "timeline", "history", "code", "conversation", "outputs")
    SHARES = ("svg", "png", "html", "markdown", "mermaid", "query")

    head = traitlets.Bytes().tag(sync=True)
    waits = traitlets.Bytes().tag(sync=True)
    graph = traitlets.Bytes().tag(sync=True)
    timeline = traitlets.Bytes().tag(sync=True)
    history = traitlets.Bytes().tag(sync=True)
    code = traitlets.Bytes().tag(sync=True)
    conversation = traitlets.Bytes().tag(sync=True)
    outputs = traitlets.Bytes().tag(sync=True)
    detail = traitlets.Bytes().tag(sync=True)

    def __init__(self, handle: Handle, *, freeze: bool = True, **traits: Any) -> None:
        self._previous: list[Handle] = []
        self._go_to(handle)
        super().__init__(freeze=freeze, afterwards=self._journal.after_kernel, **traits)

    def _go_to(self, handle: Handle) -> None:
        self._handle = handle
        self._journal = handle.hub._journal
        self._control = handle.hub._control
        self._following = SnapshotBuilder()
        self._counter = StepCounter(handle.id)
        self._conversation = ConversationReader()
        self._decisions = Decisions(handle.raise_event)
        self._status: DurableOrchestrationStatus | None = None
        self._seq = 0
        self._first = 0
        self._drawn_at = 0.0
        self._picture: InstanceSnapshot | None = None
        self._children = OpenedChildren(handle)
        self._running: tuple[RunningCall, ...] = ()
        self._running_ids: frozenset[int] | None = None
        self._tries: Tries = {}
        self._tries_at = float("-inf")
        self._drawn_outputs: Outputs | None = None
        self._forks: tuple[str, ...] = ()
        self._forks_at = 0.0
        self._turned_to = ""
        self._log: tuple[str, Sequence[Any]] = ("", ())
        self._heads: tuple[str, dict[str, Markup]] = ("", {})
        self._executions: list[str] = []
        self._history = EventsTable(handle.id, self._ask)
        self._timeline = TimelinePane()
        self._code = CodeTab(handle)
        self._selection = self._selection_for(handle)
        self._link: traitlets.link | None = None

    def _ask(self, sql: str) -> Relation:
        return self._handle.hub._relation(sql, self._handle.id)

    # -- what users may ask of it ----------------------------------------------------------------

    @property
    def sql(self) -> str:
        """The query for the events in the history."""
        return self._history.sql

    def df(self) -> pandas.DataFrame:
        """Return those events as a data frame."""
        return self._ask(self.sql).df()

    def shared(self, form: str) -> Handle:
        """Return the instance, which is saved or copied."""
        return self._handle

    def shared_name(self) -> str:
        """Return the instance's id, for the name of a file."""
        return self._handle.id

    # -- drawing ---------------------------------------------------------------------------------

    def draw(self, is_stale: bool) -> Mapping[str, str]:
        """Return the HTML of the regions that have changed."""
        if self._link is None:
            self._link = traitlets.link((self._selection, "selected"), (self, "selected"))
        self._read_tries()
        is_changed = self._read_running()  # before events: what ends meanwhile has its event
        is_new = self._read() | self._children.read() | self._ask_forks()
        self.has_news |= is_new
        if is_stale:
            self._status = None  # the instance may have been purged
        is_due = time.monotonic() - self._drawn_at >= TICK and not self.is_over()
        has_progress = self._read_progress()
        if not (is_new or is_changed or is_stale or is_due or self._picture is None):
            return self._news_of_running(self._picture) if has_progress and self._picture else {}
        self._drawn_at = time.monotonic()
        shown = self._picture = self._look()
        self.label = instance_sentence(shown)
        self.place = f"instances/{self._handle.id}"
        regions = {
            "head": head(
                shown,
                self._progress(),
                self._control,
                can_go_back=bool(self._previous),
                is_displayed=self.is_displayed,
            ),
            "waits": self._waits(shown),
            "detail": self._detail(shown),
        }
        return regions | self._shown_tab(shown)

    def _shown_tab(self, shown: InstanceSnapshot) -> dict[str, str]:
        """Return the region of the tab, if it has changed."""
        if self.tab == "graph":
            chosen = find_target(shown, self.selected)
            drawing = LiveDrawing(self._width, self.label, None if chosen is None else chosen.only_call)
            return {"graph": figure(graph_on(drawing, shown))}
        if self.tab == "timeline":
            drawn = self._timeline.html(shown)
            self._send_rows(shown)
            return {"timeline": drawn}
        if self.tab == "code":
            return {"code": self._code.html(shown)}
        if self.tab == "conversation":
            return {"conversation": self._turns()}
        if self.tab == "outputs":
            return self._new_outputs()
        self._turn_to_selected(shown)
        has_generations = shown.flow.generation > 0
        return {"history": self._history.events(self._call_key, has_generations=has_generations)}

    def _new_outputs(self) -> dict[str, str]:
        """Return the region of the outputs, unless they are those that were drawn."""
        outputs = self._outputs()
        if outputs is None or outputs == self._drawn_outputs:
            return {}
        drawn, self._drawn_outputs = outputs_html(outputs), outputs
        return {"outputs": scrolled("outputs", drawn, kind="dnb-outputs", missing="Nothing was displayed.")}

    def _progress(self) -> ProgressSnapshot:
        now = self._journal.now(self._handle.id)
        return self._counter.snapshot(now, self._running, self._running_ids)

    def _news_of_running(self, shown: InstanceSnapshot) -> dict[str, str]:
        """Return the regions that show how far running calls are."""
        regions = {"waits": self._waits(shown)}
        return {**regions, "conversation": self._turns()} if self.tab == "conversation" else regions

    def _turns(self) -> str:
        """Return the conversation, with what running requests stream."""
        streamed = {
            (self._execution_number(call.execution_id), call.task_id): call.streamed or ""
            for call in self._running
        }
        turns = with_streams(self._conversation.turns, streamed)
        has_forms = not self._control.is_read_only and not self.is_over()
        drawn = conversation_html(turns, has_forms=has_forms) if turns else ""
        return scrolled("conversation", drawn, missing="No language model was asked.")

    def _waits(self, shown: InstanceSnapshot) -> str:
        """Return what the instance waits for, and how far its running activities are."""
        now = self._journal.now(self._handle.id)
        calls = self._conversation.waiting()
        self._decisions.forget_arrived(calls)
        listed = waits(shown, calls, self._decisions, is_read_only=self._control.is_read_only)
        running: Sequence[RunningCall] = self._running
        if self.tab == "conversation":  # which has what they stream
            running = [replace(call, streamed=None) for call in running]
        return markup(listed, running_table(running, now, themed))

    def _read_running(self) -> bool:
        """Read which calls run; return whether that has changed."""
        before, self._running_ids = self._running_ids, self._journal.running_ids(self._handle.id)
        return self._running_ids != before

    def _read_tries(self) -> None:
        """Read the tries of its calls, before those that run: at first, and then beside repeated calls."""
        is_again = any(call.attempt > 1 for call in self._running)
        if time.monotonic() - self._tries_at > (_TRIES_PAUSE if is_again else float("inf")):
            self._tries, self._tries_at = tries_by_task(self._handle._tries()), time.monotonic()

    def _read_progress(self) -> bool:
        """Read how far the running calls are; return whether that has changed."""
        before = self._running
        self._running = () if self.is_over() else self._journal.running(self._handle.id)
        return self._running != before

    def _send_rows(self, shown: InstanceSnapshot) -> None:
        """Send what is new in the timeline to the page, which draws it."""
        running = [(self._execution_number(call.execution_id), call) for call in self._running]
        news = self._timeline.news(shown, running)
        if news:
            self.send({"timeline": news})

    def _turn_to_selected(self, shown: InstanceSnapshot) -> None:
        """Turn to the events of a new selection."""
        is_new, self._turned_to = self.selected != self._turned_to, self.selected
        target = find_target(shown, self.selected) if is_new else None
        if target is not None and target.only_call is not None and not target.of:
            call = target.only_call
            self._history.show(self._executions[call.execution - 1], call.number)

    def _ask_forks(self) -> bool:
        """Read new forks, at most once a tick; return whether there are any."""
        if time.monotonic() - self._forks_at < TICK:
            return False
        before, self._forks = self._forks, self._journal.related(self._handle.id).forks
        self._forks_at = time.monotonic()
        return self._forks != before

    def _read(self) -> bool:
        """Read what is new; return whether there was anything."""
        self._journal.follow(self._handle.id)
        records = self._handle._records(self._seq)
        last = self._following.events[-1] if self._following.events else None
        for record in records:
            self._seq = record.seq
            self._counter.read(record.event)
            if isinstance(record.event, ExecutionStarted):
                if is_remnant(last, record.event):
                    self._executions.pop()
                self._executions.append(record.execution_id)
            last = record.event
        if self._following.read(record.event for record in records):
            self._status = None
        self._conversation.read(record.event for record in records)
        self.absent = [] if self._conversation.turns else ["conversation"]
        return bool(records)

    def _look(self) -> InstanceSnapshot:
        instance_id = self._handle.id
        if self._status is None:
            self._status = self._handle._status()
        if not self._status:
            raise InstanceNotFoundError(f"{instance_id} was purged.")
        now = self._journal.now(instance_id)
        shown = self._following.snapshot(
            self._status, self._info(), now, self._queues, self._forks, self._tries
        )
        return replace(shown, nest=self._children.within(shown.flow))

    def _info(self) -> RuntimeInfo:
        return replace(self._journal.runtime_info(self._handle.id), running_ids=self._running_ids)

    def _queues(self, entity_ids: Sequence[str]) -> Mapping[str, EntityQueue]:
        return self._journal.related(self._handle.id, entity_ids).queues

    def is_over(self) -> bool:
        """Return whether the instance has ended."""
        last = self._following.events[-1] if self._following.events else None
        if self._status is not None and self._status.imported_from is not None:
            return True  # nothing more happens to an imported instance
        return isinstance(last, InstanceEnding)

    def trouble(self) -> str:
        """Return what keeps the view from being up to date, in a line; empty if nothing does."""
        return self._journal.trouble(self._handle.id)

    def still(self) -> dict[str, str]:
        """Return the current still picture, by MIME type."""
        with self._lock:
            tries = self._handle._tries()
            self._is_stale |= self._read_running() | self._read()
            shown = instance_snapshot(
                self._handle._status(),
                self._following.events,
                self._info(),
                self._journal.now(self._handle.id),
                self._queues,
                self._journal.related(self._handle.id).forks,
                tries,
            )
            nest = self._children.within(shown.flow)
        return still_bundle(replace(shown, nest=nest, outputs=self._outputs()))

    def _outputs(self) -> Outputs | None:
        """Return the outputs; None until a server answers."""
        with suppress(HubUnreachableError):
            return self._handle.outputs()
        return None

    # -- what is selected ------------------------------------------------------------------------

    def _call_key(self, execution_id: str, task_id: int | None) -> str | None:
        return None if task_id is None else f"call {self._execution_number(execution_id)} {task_id}"

    def _execution_number(self, execution_id: str) -> int:
        """Return the number of an execution, from 1; after a rewind, that of its last part."""
        return max(
            (number for number, other in enumerate(self._executions, 1) if other == execution_id), default=0
        )

    def chosen(self) -> list[str]:
        """Return the keys of the selected call, of its step or of the step's calls, and of their lines.

        Or that of the selected generation.
        """
        target = find_target(self._picture, self.selected)
        if target is None:
            return [self.selected] if find_generation(self._picture, self.selected) else []
        return [*target.keys, *self._code.marks(target)]

    def _detail(self, shown: InstanceSnapshot) -> str:
        target = find_target(shown, self.selected)
        if target is None:
            generation = find_generation(shown, self.selected)
            return "" if generation is None else generation_detail(generation)
        call = target.only_call
        if call is not None:
            key, heads = self._heads
            lines = self._lines(call, target.of)
            return call_detail(call, lines, heads if key == self.selected else {})
        return "" if target.step is None else step_detail(target.step, self._first, target.of)

    def _lines(self, call: Call, of: str) -> Sequence[Any]:
        if call.kind != "activity":
            return ()
        key = f"{of} {call.execution} {call.number} {call.state} {self._seq}"
        if self._log[0] != key:
            with suppress(HubUnreachableError):  # until the server answers, the last lines
                self._log = key, self._children.instance(of).logs(task_id=call.number)
        return self._log[1]

    def do_select(self, key: str = "", **more: Any) -> None:
        """Select a mark; a cell of a fan-out selects its call, a line of the code what it awaited."""
        self._first, key = 0, str(key)
        kind, _, number = key.partition(" ")
        if kind == "line" and number.isdecimal() and self._picture is not None:
            key = self._code.key_at(int(number), self._picture)
        super().do_select(cell_call_key(self._picture, key) if key.startswith("cell ") else key)
        target = find_target(self._picture, self.selected)
        if target is not None and target.step is not None and target.call is not None:
            self._children.follow(target.step, target.call)
            self._is_stale = True

    def tooltip(self, key: str) -> str:
        """Return what a tooltip says of a step, a call or a cell."""
        return tooltip(self._picture, key, self._journal.now(self._handle.id))

    def do_peek(self, name: str = "", **_: Any) -> None:
        """Show or hide the first rows of the selected call's input or result."""
        target = find_target(self._picture, self.selected)
        call = None if target is None else target.only_call
        text = None if call is None else stored_value(call, str(name))
        if text is None:
            return
        heads = dict(self._heads[1]) if self._heads[0] == self.selected else {}
        if heads.pop(name, None) is None:
            heads[name] = value_head(self._journal.codec, text)
        self._heads = self.selected, heads

    def do_fold(self, id: str = "", **_: Any) -> None:
        """Open or fold a sub-orchestration in the graph."""
        target = self._sub_orchestration(id)
        if target is not None and target.step is not None:
            selected = find_target(self._picture, self.selected)
            self._children.fold(target.step, None if selected is None else selected.call)
            if selected is not None and selected.of:
                self.selected = ""  # the selection may have been folded away
                self._is_stale = True

    def do_member(self, id: str = "", name: str = "", **_: Any) -> None:
        """Show the next sub-orchestration of a step in the graph, or the previous one."""
        target = self._sub_orchestration(id)
        if target is not None and target.step is not None:
            self._children.turn(target.step, 1 if name == "next" else -1)

    def do_show(self, **_: Any) -> None:
        """Show the selected sub-orchestration in the graph."""
        target = self._sub_orchestration(self.selected)
        if target is not None and target.step is not None and target.only_call is not None:
            if self._children.depth(target.of) >= DEEPEST:
                raise ValueError("The graph can't show it at this depth: open it by itself.")
            self._children.show(target.step, target.only_call)
            self.tab = "graph"

    def _sub_orchestration(self, key: str) -> Target | None:
        target = find_target(self._picture, str(key))
        is_one = target is not None and target.step is not None and target.step.kind == "sub-orchestration"
        return target if is_one else None

    def do_generation(self, **_: Any) -> None:
        """Show the events of the selected generation in the history."""
        generation = find_generation(self._picture, self.selected)
        if generation is not None:
            self._history.show(self._executions[generation.execution - 1])
            self.tab = "history"

    def do_page(self, first: Any = 0, **_: Any) -> None:
        """Show another page of a step's calls."""
        self._first = max(int(first), 0)

    # -- decisions on calls of tools -------------------------------------------------------------

    def do_approve(self, name: str = "", fields: Any = None, **_: Any) -> None:
        """Let a tool run, with the arguments in its form."""
        self._decide(self._decisions.approve, name, fields)

    def do_deny(self, name: str = "", fields: Any = None, **_: Any) -> None:
        """Don't let a tool run; the model reads the reason that was typed."""
        self._decide(self._decisions.deny, name, fields)

    def do_answer(self, name: str = "", fields: Any = None, **_: Any) -> None:
        """Send the result of a tool that runs elsewhere."""
        self._decide(self._decisions.answer, name, fields)

    def _decide(self, decide: Callable[..., None], name: str, fields: Any) -> None:
        self._journal.refresh(self._handle.id)
        self._read()  # another view may have decided
        decide(name, fields or {}, self._conversation.waiting())
        self._journal.refresh(self._handle.id)

    # -- timeline and history --------------------------------------------------------------------

    def do_set(self, name: str = "", value: str = "", **_: Any) -> None:
        """Apply a filter of the history or of the timeline."""
        if name == "filter":
            self._history.set_filter(str(value))
        else:
            self._timeline.set(name, str(value))

    def do_turn(self, first: Any = 0, **_: Any) -> None:
        """Show another page of events."""
        self._history.turn(first)

    def do_rows(self, id: str = "", **_: Any) -> None:
        """Send all rows of the timeline to a page that has none, or has missed some."""
        self._timeline.want(id)

    def do_path(self, **_: Any) -> None:
        """Show or hide the critical path."""
        self._timeline.mark_path(None if self._timeline.shows_path else frozenset(self._critical_path()))

    def _critical_path(self) -> Iterable[tuple[int, int]]:
        sql = f"select span_id from critical_path({quoted(self._handle.id)})"
        for (span_id,) in self._ask(sql).fetchall():
            execution_id, _, task = span_id.rpartition("/")
            yield self._execution_number(execution_id), int(task)

    # -- the way to other instances --------------------------------------------------------------

    def do_restart(self, **_: Any) -> None:
        """Restart the orchestration, and show the new instance."""
        self.do_open(id=self._handle.restart().id)

    def do_purge(self, **_: Any) -> None:
        """Purge the instance, and go back."""
        self._handle.purge()
        self._journal.refresh(self._handle.id)
        self.do_back()

    def do_open(self, id: str = "", **_: Any) -> None:
        """Show another instance, such as a sub-orchestration."""
        handle = followed(self._handle.hub, id)
        if not handle._records():
            raise ValueError(f"There is no instance {id!r}.")
        self._previous.append(self._handle)
        self._show(handle)

    def do_back(self, **_: Any) -> None:
        """Show the previous instance."""
        if self._previous:
            self._show(self._previous.pop())

    def _show(self, handle: Handle) -> None:
        if self._link is not None:
            self._link.unlink()
        self.selected = ""
        self._go_to(handle)
