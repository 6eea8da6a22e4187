"""The replay explorer: an orchestrator's code, its variables and its history, step by step.

It is long because there is a method for each thing that can be asked of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import traitlets

from durablenb.analysis.replays.explorer import ExplorerSource
from durablenb.analysis.replays.replay import Replay
from durablenb.analysis.replays.steps import Step
from durablenb.model.events import Event
from durablenb.notebook.html import Markup, card, heading, markup
from durablenb.notebook.live.beside import still_of
from durablenb.notebook.live.code_pane import code_pane
from durablenb.notebook.live.course import Course
from durablenb.notebook.live.explorer_controls import controls
from durablenb.notebook.live.explorer_head import head, missing
from durablenb.notebook.live.explorer_says import verdict
from durablenb.notebook.live.guess import Guesses
from durablenb.notebook.live.matched import Matched
from durablenb.notebook.live.place import Place
from durablenb.notebook.live.player import SPEEDS, Player
from durablenb.notebook.live.selection import selection_of
from durablenb.notebook.live.trials import Trials
from durablenb.notebook.live.values_pane import values_pane
from durablenb.notebook.live.widget import LiveView

_MARKED = 200
"""Tasks of a step whose marks stand out in other views."""


class LiveExplorer(LiveView):
    """Goes through the replays of an instance step by step; `handle.explore()` gives it.

    It is a widget. It stays live when the orchestration has ended; `freeze` makes the still picture of it,
    and that is what a notebook shows without a kernel.

    Parameters
    ----------
    sight
        The instance.
    execution
        Which execution, from 1; without it, the newest one, and those that come after it.
    ticks
        A clock in seconds, for playing.

    Raises
    ------
    ValueError
        If there is no such execution.
    """

    REGIONS = ("head", "banner", "controls", "says", "body", "trials")

    head = traitlets.Bytes().tag(sync=True)
    banner = traitlets.Bytes().tag(sync=True)
    controls = traitlets.Bytes().tag(sync=True)
    says = traitlets.Bytes().tag(sync=True)
    body = traitlets.Bytes().tag(sync=True)
    trials = traitlets.Bytes().tag(sync=True)

    def __init__(
        self,
        sight: ExplorerSource,
        execution: int | None = None,
        *,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sight = sight
        self._course = Course(sight, execution)
        self._player = Player(ticks)
        self._stops: set[str] = set()
        self._guesses = Guesses()
        self._matched = Matched(self._key_of)
        self._followed = ""
        self._link: traitlets.link | None = None
        super().__init__(freeze=False)

    # -- what users may ask of it ----------------------------------------------------------------

    @property
    def replay(self) -> Replay | None:
        """What is looked at, a copy if something was changed; None while the code is missing."""
        return None if self._course.trials is None else self._course.trials.shown

    @property
    def step(self) -> Step | None:
        """The step at which it stands."""
        return None if self._place is None else self._place.step

    # -- drawing ---------------------------------------------------------------------------------

    def draw(self, is_stale: bool) -> Mapping[str, str]:
        """Return the HTML of the regions."""
        if self._link is None:
            self._link = traitlets.link((selection_of(self._sight.instance), "selected"), (self, "selected"))
        is_new = self._course.read()
        if is_new:
            self._matched.follow()
        has_moved = self._play()
        if not (is_stale or is_new or has_moved):
            return {}
        if self._place is None or self._trials is None:
            return self._without_code()
        self._follow_selection()
        replay, step = self._trials.shown, self._place.step
        is_hidden = self._guesses.hides(replay, step)
        self.label = "What happens here?" if is_hidden else _sentence(replay, step)
        return {
            "head": head(self._course, replay),
            "banner": self._trials.bar(),
            "controls": controls(
                self._place,
                self._course.count_newer(),
                self._stops,
                self._player,
                is_predicting=self._guesses.is_on,
            ),
            "says": verdict(replay, step, self._guesses),
            "body": self._body(replay, step, is_hidden),
            "trials": self._trials.html(self._matched.chosen),
        }

    def _body(self, replay: Replay, step: Step | None, is_hidden: bool) -> Markup:
        assert self._place is not None
        values = Markup("") if step is None else values_pane(replay, step, self._sight.now())
        events = self._matched.html(replay, step, self._stops, is_hidden=is_hidden)
        return markup(
            '<div class="dnb-columns"><div>',
            code_pane(self._place, step, self._stops, is_hidden=is_hidden),
            "</div><div>",
            values,
            "</div><div>",
            events,
            "</div></div>",
        )

    def _without_code(self) -> Mapping[str, str]:
        course = self._course
        self.label = str(course.missing or "The code has not run yet.")
        drawn = missing(course, self.label)
        return {**dict.fromkeys(self.REGIONS, ""), "head": drawn}

    def still(self) -> dict[str, str]:
        """Return the storyboard."""
        with self._lock:
            replay = None if self._trials is None else self._trials.original
        if replay is None:
            words = self.label or repr(self)
            return {"text/plain": words, "text/html": card(heading(words))}
        return still_of(replay)

    def chosen(self) -> list[str]:
        """Return the keys of the tasks that the step waits for."""
        place, step = self._place, self.step
        if place is None or step is None or step.reached is None or self._guesses.hides(place.replay, step):
            return []
        return [f"call {self._course.number} {task}" for task in step.reached.task_ids[:_MARKED]]

    # -- inside ----------------------------------------------------------------------------------

    @property
    def _place(self) -> Place | None:
        return self._course.place

    @property
    def _trials(self) -> Trials | None:
        return self._course.trials

    def _play(self) -> bool:
        """Go a step further, if it is time for one; answers whether."""
        place = self._place
        if place is None or not self._player.is_due():
            return False
        self._matched.follow()
        place.go("next")
        if place.is_last or place.is_at(self._stops) or self._guesses.hides(place.replay, place.step):
            self._player.is_on = False
        return True

    # -- selection -------------------------------------------------------------------------------

    def _key_of(self, event: Event) -> str | None:
        task = getattr(event, "task_id", None)
        return None if task is None else f"call {self._course.number} {task}"

    def _follow_selection(self) -> None:
        """Go to the step of a call that was selected in another view."""
        if self.selected == self._followed:
            return
        self._followed = self.selected
        kind, *numbers = self.selected.split() or [""]
        if kind == "call" and len(numbers) == 2 and all(one.isdecimal() for one in numbers):
            execution, task = map(int, numbers)
            if execution != self._course.number:
                self._course.choose(execution)
            if self._place is not None and self._place.go_to_task(task):
                self._matched.follow()

    def _select(self, key: str) -> None:
        self._followed = self.selected = key

    def do_select(self, key: str = "", **_: Any) -> None:
        """Select a call, or nothing."""
        self.selected = "" if key == self.selected else key

    # -- going -----------------------------------------------------------------------------------

    def _moved(self) -> None:
        self._player.is_on = False
        self._matched.follow()

    def do_go(self, id: str = "", **_: Any) -> None:
        """Go ``first``, ``back``, ``previous``, ``next``, ``on`` or ``last``."""
        if self._place is not None:
            self._place.go(id)
            self._moved()

    def do_play(self, **_: Any) -> None:
        """Play, or stop; at the end it begins again from the start of the replay."""
        if self._place is None:
            return
        was_playing = self._player.is_on
        if not was_playing and self._place.is_last:
            self._place.go_to(self._place.chosen, 1)
        self._moved()
        if not was_playing:
            self._player.start()

    def do_replay(self, id: Any = 0, **_: Any) -> None:
        """Go to what was new in a replay."""
        if self._place is not None:
            chosen = min(max(int(id), 1), len(self._place.replay))
            self._place.go_to(chosen, self._place.replay.first_new(chosen))
            self._moved()

    def do_line(self, id: Any = 0, **_: Any) -> None:
        """Run to a line."""
        if self._place is not None and self._place.run_to(int(id)):
            self._moved()

    def do_event(self, id: Any = 0, **_: Any) -> None:
        """Go to the step that an event answered or that asked for it; it is selected in all views."""
        if self._place is None:
            return
        number = int(id)
        event = self._place.replay.event(number)
        if event is None:
            raise ValueError(f"There is no event {number}.")
        self._matched.chosen = number
        self._place.go_to_event(number)
        self._moved()
        self._select(self._key_of(event) or "")

    def do_turn(self, first: Any = 0, **_: Any) -> None:
        """Show other events."""
        self._matched.turn(int(first))

    def do_set(self, name: str = "", value: Any = "", **_: Any) -> None:
        """The slider was moved, or another speed or execution chosen."""
        if name == "step" and self._place is not None:
            self._place.go_to(self._place.chosen, int(value))
            self._moved()
        elif name == "speed" and value in SPEEDS:
            self._player.speed = value
        elif name == "execution":
            self._course.choose(int(value))
            self._matched.chosen = None
            self._moved()

    # -- stopping and guessing -------------------------------------------------------------------

    def do_stop(self, place: str = "", **_: Any) -> None:
        """Set a breakpoint or take it away: ``line 12``, ``event 9``; without a place, at the step's line."""
        step = self.step
        where = place or ("" if step is None or step.line is None else f"line {step.line}")
        kind, number = where.partition(" ")[::2]
        if kind in ("line", "event") and number.isdecimal():
            self._stops ^= {where}

    def do_clear(self, **_: Any) -> None:
        """Take all breakpoints away."""
        self._stops.clear()

    def do_predict(self, **_: Any) -> None:
        """Ask before telling, or don't."""
        self._guesses = Guesses(not self._guesses.is_on)

    def do_guess(self, id: str = "", **_: Any) -> None:
        """Take a guess."""
        step = self.step
        if self._place is not None and step is not None and id in ("yes", "no"):
            self._guesses.guess(self._place.replay, step, id == "yes")

    # -- trying ----------------------------------------------------------------------------------

    def do_try(self, id: str = "", fields: Any = None, **_: Any) -> None:
        """Change something in a copy of the history."""
        if self._trials is None or self._matched.chosen is None:
            return
        self._trials.try_(id, self._matched.chosen, str((fields or {}).get("value", "")))
        self._show_copy()

    def do_undo(self, **_: Any) -> None:
        """Take the last change back."""
        if self._trials is not None:
            self._trials.undo()
            self._show_copy()

    def do_reset(self, **_: Any) -> None:
        """Look at the journal's history again."""
        if self._trials is not None:
            self._trials.reset()
            self._show_copy()

    def do_run(self, **_: Any) -> None:
        """Let the copy go on in a hub of its own: what its history doesn't answer is run."""
        if self._trials is not None:
            try:
                self.note = self._trials.go_on()
            finally:
                self._show_copy()

    def _show_copy(self) -> None:
        self._moved()
        self._matched.chosen = None
        self._course.show_copy()


def _sentence(replay: Replay, step: Step | None) -> str:
    if step is None:
        return f"{replay.name} {replay.instance_id}: the code has not come to an await yet."
    return f"Replay {step.replay:,}, step {step.number:,}: {step.sentence}"
