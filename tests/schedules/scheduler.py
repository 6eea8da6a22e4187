"""A scheduler for real threads: one runs at a time, and a plan says where it is preempted.

The method is that of PCT (Burckhardt et al., "A Randomized Scheduler with Probabilistic Guarantees of Finding
Bugs", ASPLOS 2010): each thread has a random priority, the highest one that can run does, and at a few chosen
steps the running thread falls below all others. A step is a line of the engine's code. Time is virtual: it
passes when every thread waits, so that a time-out costs nothing and comes only when nothing else can happen.
"""

from __future__ import annotations

import linecache
import re
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import durablenb.engine

ENGINE = str(Path(durablenb.engine.__file__).parent)
"""The code that may be preempted between any two of its lines."""

MARKED = re.compile(
    r"\b(_heap|open|completions?|_promises|_lock|_inbox|_queue|_is_\w+|_defect|_sleeps_until|_waiting|_unsaved|"
    r"_committed|_committing|_submitted|_end|_bell|_must_lead|_has_leader|lead|next_job|is_free|_records_\w+|"
    r"failure|waiters|replies|pending)\b"
)
"""Names of what one thread leaves for another: a line with one of them is preempted more often."""

Place = tuple[str, int]
"""A line: its file and its number."""


class Stuck(AssertionError):
    """Nothing can happen any more, or nothing but looking again, and somebody still waits."""


class Abandoned(BaseException):
    """Raised in threads that wait when the schedule is given up."""


@dataclass
class Profile:
    """The lines of a run without preemptions, each with the number of times that it was reached."""

    places: Counter[Place] = field(default_factory=Counter)

    @property
    def steps(self) -> int:
        """How many lines it was in all."""
        return self.places.total()

    @property
    def marked(self) -> list[Place]:
        """The lines at which threads hand something over."""
        return sorted(place for place in self.places if MARKED.search(linecache.getline(*place)))


@dataclass
class Plan:
    """The preemptions of a run: after so many steps, or when it comes to a line for the n-th time."""

    seed: int
    steps: frozenset[int] = frozenset()
    places: frozenset[tuple[Place, int]] = frozenset()

    @staticmethod
    def of(seed: int, profile: Profile) -> Plan:
        """One to five preemptions.

        A quarter of them are chosen among all steps, a quarter among all lines, where one that is passed
        once is as likely as one in the middle of a loop, and half among the marked ones.
        """
        random = Random(seed)
        known, marked = sorted(profile.places), profile.marked
        steps, places = set(), set()
        for _ in range(random.randint(1, 5)):
            kind = random.random()
            if kind < 0.25:
                steps.add(random.randint(1, profile.steps))
            else:
                place = random.choice(known if kind < 0.5 else marked)
                places.add((place, random.randint(1, profile.places[place])))
        return Plan(seed, frozenset(steps), frozenset(places))


class Strand:
    """A thread as the scheduler sees it."""

    def __init__(self, name: str, priority: float) -> None:
        self.name = name
        self.priority = priority
        self.baton = threading.Lock()
        self.baton.acquire()
        self.ready: Callable[[], bool] | None = None
        self.deadline: float | None = None
        self.has_timed_out = False
        self.is_done = False
        self.ident: int | None = None

    @property
    def can_run(self) -> bool:
        """Return True if it waits for nothing, or its condition is met by now."""
        return not self.is_done and (self.ready is None or self.ready())


class Scheduler:
    """Runs controlled threads one at a time.

    Parameters
    ----------
    plan
        Where they are preempted.
    patience
        Virtual seconds after which whoever still waits is stuck.
    """

    def __init__(self, plan: Plan, patience: float = 30.0) -> None:
        self.plan = plan
        self.patience = patience
        self.seconds = 0.0
        self.profile = Profile()
        self.preempted: list[str] = []
        self.stuck: Stuck | None = None
        self._random = Random(f"priorities of {plan.seed}")
        self._strands: list[Strand] = []
        self._by_ident: dict[int, Strand] = {}
        self._step = 0
        self._lowest = 0.0
        self.is_abandoned = False

    # -- threads ---------------------------------------------------------------------------------

    def run(self, main: Callable[[], None]) -> None:
        """Run this in the calling thread, as one of the controlled ones.

        Raises
        ------
        Stuck
            If somebody waits for ever; the message has the threads and where they are.
        """
        strand = self.adopt("main")
        self._enter(strand)
        try:
            main()
        except Abandoned:
            pass
        finally:
            sys.settrace(None)
            strand.is_done = True
            self.abandon()
        if self.stuck is not None:
            raise self.stuck

    def adopt(self, name: str) -> Strand:
        """A new strand, which runs once `take_turn` was called in its thread and it is chosen."""
        strand = Strand(name, 1.0 + self._random.random())
        self._strands.append(strand)
        return strand

    def take_turn(self, strand: Strand) -> None:
        """Wait, in a new thread, until it is chosen for the first time."""
        strand.baton.acquire()
        self._enter(strand)

    def leave(self, strand: Strand) -> None:
        """End a strand; another one is chosen."""
        sys.settrace(None)
        strand.is_done = True
        if not self.is_abandoned:
            chosen = self._choose()
            if chosen is not None:
                chosen.baton.release()

    def abandon(self) -> None:
        """Let all threads run to their ends; those that wait are interrupted."""
        self.is_abandoned = True
        for strand in self._strands:
            if not strand.is_done and strand.baton.locked():
                strand.baton.release()

    def _enter(self, strand: Strand) -> None:
        strand.ident = threading.get_ident()
        self._by_ident[strand.ident] = strand
        if self.is_abandoned:
            raise Abandoned
        sys.settrace(self._trace)

    # -- waiting ---------------------------------------------------------------------------------

    def wait_until(self, ready: Callable[[], bool], timeout: float | None = None) -> bool:
        """Let others run until this is so; false if the time is over first."""
        me = self._by_ident.get(threading.get_ident())
        if me is None or self.is_abandoned:
            if me is not None and not ready():
                raise Abandoned
            return ready()
        if ready():
            self.offer()
            if ready():  # else somebody was quicker
                return True
        if timeout is not None and timeout <= 0:
            return False
        me.ready = ready
        me.deadline = None if timeout is None else self.seconds + timeout
        me.has_timed_out = False
        self._switch(me)
        me.ready = me.deadline = None
        return not me.has_timed_out

    def sleep(self, seconds: float) -> None:
        """Let that much virtual time pass."""
        self.wait_until(lambda: False, seconds)

    def offer(self) -> None:
        """Let a thread of higher priority run that can run now."""
        me = self._by_ident.get(threading.get_ident())
        if me is None or self.is_abandoned:
            return
        if any(one.priority > me.priority and one.can_run for one in self._strands):
            self._switch(me)

    def _switch(self, me: Strand) -> None:
        chosen = self._choose()
        if chosen is me:
            return
        if chosen is not None:
            chosen.baton.release()
        me.baton.acquire()
        if self.is_abandoned:
            raise Abandoned

    def _choose(self) -> Strand | None:
        """The strand that runs now; None if none can ever."""
        able = [one for one in self._strands if one.can_run]
        if able:
            return max(able, key=lambda one: one.priority)
        waiting = [one for one in self._strands if not one.is_done and one.deadline is not None]
        if waiting:
            first = min(waiting, key=lambda one: (one.deadline, -one.priority))
            assert first.deadline is not None
            self.seconds = max(self.seconds, first.deadline)
            if self.seconds <= self.patience:
                first.has_timed_out = True
                return first
        if any(not one.is_done for one in self._strands):
            self._give_up()
        return None

    def _give_up(self) -> None:
        frames = sys._current_frames()
        lines = [f"after {self.seconds:.1f} virtual seconds; preempted: {self.preempted or 'nothing'}"]
        for strand in self._strands:
            frame = frames.get(strand.ident or 0)
            if not strand.is_done and frame is not None:
                stack = [one for one in traceback.extract_stack(frame) if not one.filename.endswith(__file__)]
                calls = " > ".join(f"{Path(one.filename).stem}:{one.lineno} {one.name}" for one in stack[-7:])
                lines.append(f"  {strand.name}: {calls}")
        self.stuck = Stuck("\n".join(lines))
        self.abandon()

    # -- preemption ------------------------------------------------------------------------------

    def _trace(self, frame: FrameType, event: str, _: Any) -> Any:
        code = frame.f_code
        if code.co_filename.startswith(ENGINE) and code.co_name != "<module>":
            return self._on_line
        return None

    def _on_line(self, frame: FrameType, event: str, _: Any) -> Any:
        if event == "line" and not self.is_abandoned:
            place = (frame.f_code.co_filename, frame.f_lineno)
            self._step += 1
            count = self.profile.places[place] = self.profile.places[place] + 1
            if self._step in self.plan.steps or (place, count) in self.plan.places:
                self._preempt(place)
        return self._on_line

    def _preempt(self, place: Place) -> None:
        me = self._by_ident[threading.get_ident()]
        self._lowest -= 1.0
        me.priority = self._lowest
        self.preempted.append(f"{me.name} at {Path(place[0]).stem}:{place[1]}")
        self.offer()
