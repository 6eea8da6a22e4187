"""The replay explorer: an orchestrator's code, its variables and its history, step by step.

The module is long because it has a method for each action of the user.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import traitlets

from durablenb.analysis.replays.replay import Replay
from durablenb.analysis.replays.steps import Step
from durablenb.hub.instance import Handle
from durablenb.model.events import Event
from durablenb.notebook.html import Markup, card, heading, markup
from durablenb.notebook.live.code_pane import code_pane
from durablenb.notebook.live.explorer_controls import KEYS, controls, head, missing
from durablenb.notebook.live.explorer_model import ExplorerModel
from durablenb.notebook.live.history_pane import HistoryPane
from durablenb.notebook.live.position import SPEEDS, Player, Position
from durablenb.notebook.live.static_fallback import still_bundle
from durablenb.notebook.live.values_pane import values_pane
from durablenb.notebook.live.verdict_pane import Quiz, verdict
from durablenb.notebook.live.what_if import WhatIf
from durablenb.notebook.live.widget import LiveView

_MARKED = 200
"""Maximum tasks of a step that are highlighted in other views."""


class LiveExplorer(LiveView):
    """Steps through the replays of an instance; `handle.explore()` returns it.

    It is a widget. It stays live when the orchestration has ended; `freeze` turns it into its still picture,
    which is also what a notebook shows without a kernel.

    Parameters
    ----------
    handle
        The instance, of an open hub, a file or a remote hub.
    orchestrator
        The code that is replayed; None for the registered code.
    execution
        Number of the execution, from 1; by default the newest one, and each newer one that follows.
    ticks
        A clock in seconds, which times playback.
    traits
        Keyword arguments of `ipywidgets.Widget`.

    Raises
    ------
    ValueError
        If there is no such execution.
    """

    REGIONS = ("head", "banner", "controls", "says", "body")
    KEYS = KEYS

    SHARES = ("html", "svg", "png", "markdown")

    head = traitlets.Bytes().tag(sync=True)
    banner = traitlets.Bytes().tag(sync=True)
    controls = traitlets.Bytes().tag(sync=True)
    says = traitlets.Bytes().tag(sync=True)
    body = traitlets.Bytes().tag(sync=True)

    def __init__(
        self,
        handle: Handle,
        orchestrator: Callable[..., Any] | None = None,
        execution: int | None = None,
        *,
        ticks: Callable[[], float] = time.monotonic,
        **traits: Any,
    ) -> None:
        self._handle = handle
        self._orchestrator = orchestrator
        self._model = ExplorerModel(handle, orchestrator, execution)
        self._player = Player(ticks)
        self._stops: set[str] = set()
        self._quiz = Quiz()
        self._history = HistoryPane(self._call_key)
        self._followed = ""
        self._link: traitlets.link | None = None
        super().__init__(freeze=False, afterwards=handle.hub._journal.after_kernel, **traits)

    # -- what users may ask of it ----------------------------------------------------------------

    @property
    def replay(self) -> Replay | None:
        """The replays shown, those of a copy if something was changed; None while the code is missing."""
        return None if self._model.what_if is None else self._model.what_if.shown

    @property
    def step(self) -> Step | None:
        """The current step."""
        return None if self._position is None else self._position.step

    def shared(self, form: str) -> Any:
        """Return the page of the instance, or its replays."""
        if self.replay is None or form == "html":
            return self._handle.card(self._orchestrator)
        return self.replay

    def shared_name(self) -> str:
        """Return the name of a file."""
        return f"replay-{self._handle.id}"

    # -- drawing ---------------------------------------------------------------------------------

    def draw(self, is_stale: bool) -> Mapping[str, str]:
        """Return the HTML of the regions that have changed."""
        if self._link is None:
            selection = self._selection_for(self._handle)
            self._link = traitlets.link((selection, "selected"), (self, "selected"))
        is_new = self._model.read()
        if is_new:
            self._history.follow()
        has_moved = self._play()
        if not (is_stale or is_new or has_moved):
            return {}
        if self._position is None or self._what_if is None:
            return self._without_code()
        self._follow_selection()
        replay, step = self._what_if.shown, self._position.step
        is_hidden = self._quiz.hides(replay, step)
        self.label = "What happens here?" if is_hidden else _sentence(replay, step)
        return {
            "head": head(self._model, replay),
            "banner": self._what_if.bar(),
            "controls": controls(
                self._position,
                self._model.count_newer(),
                self._stops,
                self._player,
                is_predicting=self._quiz.is_on,
                is_hidden=is_hidden,
            ),
            "says": verdict(replay, step, self._quiz),
            "body": self._body(replay, step, is_hidden),
        }

    def _body(self, replay: Replay, step: Step | None, is_hidden: bool) -> Markup:
        assert self._position is not None
        values = (
            Markup("")
            if step is None
            else values_pane(
                replay, step, self._handle.hub._journal.now(self._handle.id), is_hidden=is_hidden
            )
        )
        trial = Markup("") if self._what_if is None else self._what_if.html(self._history.chosen)
        events = self._history.html(replay, step, self._stops, trial, is_hidden=is_hidden)
        return markup(
            '<div class="dnb-columns"><div>',
            code_pane(self._position, step, self._stops, is_hidden=is_hidden),
            '</div><div tabindex="0" role="group" aria-label="values">',
            values,
            "</div><div>",
            events,
            "</div></div>",
        )

    def _without_code(self) -> Mapping[str, str]:
        model = self._model
        self.label = str(model.missing or "The code has not run yet.")
        drawn = missing(model, self.label)
        return {**dict.fromkeys(self.REGIONS, ""), "head": drawn}

    def still(self) -> dict[str, str]:
        """Return the storyboard of the replays, by MIME type."""
        with self._lock:
            replay = None if self._what_if is None else self._what_if.original
        if replay is None:
            words = self.label or repr(self)
            return {"text/plain": words, "text/html": card(heading(words))}
        return still_bundle(replay)

    def chosen(self) -> list[str]:
        """Return the keys of the tasks that the step waits for."""
        position, step = self._position, self.step
        if (
            position is None
            or step is None
            or step.reached is None
            or self._quiz.hides(position.replay, step)
        ):
            return []
        return [f"call {self._model.number} {task}" for task in step.reached.task_ids[:_MARKED]]

    # -- inside ----------------------------------------------------------------------------------

    @property
    def _position(self) -> Position | None:
        return self._model.position

    @property
    def _what_if(self) -> WhatIf | None:
        return self._model.what_if

    def _play(self) -> bool:
        """Advance while playing, if a step is due; return whether it advanced."""
        position = self._position
        if position is None or not self._player.is_due():
            return False
        self._history.follow()
        position.go("next")
        if (
            position.is_last
            or position.is_at(self._stops)
            or self._quiz.hides(position.replay, position.step)
        ):
            self._player.stop()
        return True

    # -- selection -------------------------------------------------------------------------------

    def _call_key(self, event: Event) -> str | None:
        task = getattr(event, "task_id", None)
        return None if task is None else f"call {self._model.number} {task}"

    def _follow_selection(self) -> None:
        """Go to the step of a call selected in another view."""
        if self.selected == self._followed:
            return
        self._followed = self.selected
        kind, *numbers = self.selected.split() or [""]
        if kind == "call" and len(numbers) == 2 and all(text.isdecimal() for text in numbers):
            execution, task = map(int, numbers)
            if execution != self._model.number:
                self._model.choose(execution)
            if self._position is not None and self._position.go_to_task(task):
                self._history.follow()

    def _select(self, key: str) -> None:
        self._followed = self.selected = key

    def do_select(self, key: str = "", **_: Any) -> None:
        """Select a call; selecting it again clears the selection."""
        self.selected = "" if key == self.selected else key

    # -- going -----------------------------------------------------------------------------------

    def _moved(self) -> None:
        self._player.stop()
        self._history.follow()

    def do_go(self, id: str = "", **_: Any) -> None:
        """Go ``first``, ``back``, ``previous``, ``next``, ``on`` or ``last``."""
        if self._position is not None:
            self._position.go(id)
            self._moved()

    def do_play(self, **_: Any) -> None:
        """Start or stop playing; at the end, start again at the beginning of the replay."""
        if self._position is None:
            return
        was_playing = self._player.is_on
        if not was_playing and self._position.is_last:
            self._position.go_to(self._position.chosen, 1)
        self._moved()
        if not was_playing:
            self._player.start()

    def do_replay(self, id: Any = 0, **_: Any) -> None:
        """Go to the first new step of a replay."""
        if self._position is not None:
            chosen = min(max(int(id), 1), len(self._position.replay))
            self._position.go_to(chosen, self._position.replay.first_new(chosen))
            self._moved()

    def do_line(self, id: Any = 0, **_: Any) -> None:
        """Run to the next await at a line."""
        if self._position is not None and self._position.run_to(int(id)):
            self._moved()

    def do_event(self, id: Any = 0, **_: Any) -> None:
        """Go to the step that scheduled an event or consumed it, and select its call in all views.

        What can be changed in a copy appears below the event. A second click closes that.
        """
        if self._position is None:
            return
        number = int(id)
        event = self._position.replay.event(number)
        if event is None:
            raise ValueError(f"There is no event {number}.")
        if self._history.chosen == number:
            self._history.choose(None)
            return
        self._history.choose(number)
        self._position.go_to_event(number)
        self._moved()
        self._select(self._call_key(event) or "")

    def do_turn(self, first: Any = 0, **_: Any) -> None:
        """Show other events."""
        self._history.turn(int(first))

    def do_set(self, name: str = "", value: Any = "", **_: Any) -> None:
        """Apply the slider, the step of an address, the speed or the choice of an execution."""
        if name == "event" and self._position is not None:
            self._position.look_from(int(value))
            self._moved()
        elif name == "step" and self._position is not None:
            self._position.go_to(self._position.chosen, int(value))
            self._moved()
        elif name == "speed" and value in SPEEDS:
            self._player.set_speed(value)
        elif name == "execution":
            self._model.choose(int(value))
            self._history.choose(None)
            self._moved()

    # -- stopping and guessing -------------------------------------------------------------------

    def do_stop(self, place: str = "", **_: Any) -> None:
        """Toggle a breakpoint: ``line 12``, ``event 9``; by default at the current line."""
        step = self.step
        where = place or ("" if step is None or step.line is None else f"line {step.line}")
        kind, number = where.partition(" ")[::2]
        if kind in ("line", "event") and number.isdecimal():
            self._stops ^= {where}

    def do_clear(self, **_: Any) -> None:
        """Clear all breakpoints."""
        self._stops.clear()

    def do_predict(self, **_: Any) -> None:
        """Turn predict mode on or off."""
        self._quiz = Quiz(not self._quiz.is_on)

    def do_guess(self, id: Any = -1, **_: Any) -> None:
        """Accept a prediction: the place of an option."""
        step = self.step
        if self._position is not None and step is not None:
            self._quiz.guess(self._position.replay, step, int(id))

    # -- trying ----------------------------------------------------------------------------------

    def do_try(self, id: str = "", fields: Any = None, **_: Any) -> None:
        """Change something in a copy of the history."""
        if self._what_if is None or self._history.chosen is None:
            return
        self._what_if.try_(id, self._history.chosen, str((fields or {}).get("value", "")))
        self._show_copy()

    def do_undo(self, **_: Any) -> None:
        """Undo the last change."""
        if self._what_if is not None:
            self._what_if.undo()
            self._show_copy()

    def do_reset(self, **_: Any) -> None:
        """Return to the recorded history."""
        if self._what_if is not None:
            self._what_if.reset()
            self._show_copy()

    def do_run(self, **_: Any) -> None:
        """Resume the copy in a hub of its own, which runs what its history doesn't answer."""
        if self._what_if is not None:
            try:
                self.note = self._what_if.go_on()
            finally:
                self._show_copy()

    def _show_copy(self) -> None:
        self._moved()
        self._history.choose(None)
        self._model.show_copy()


def _sentence(replay: Replay, step: Step | None) -> str:
    if step is None:
        return f"{replay.name} {replay.instance_id}: the code has not reached an await yet."
    place = "the end" if step.reached is None else f"await {step.number:,}"
    return f"Replay {step.replay:,}, {place}: {step.sentence}"
