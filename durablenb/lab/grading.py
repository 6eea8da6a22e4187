"""A grade for an orchestrator: its source, a replay of every episode, crashes, and older histories."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal, NamedTuple

from durablenb.core.short_repr import plural, short_repr
from durablenb.hub.check import check
from durablenb.hub.instance import Handle
from durablenb.hub.task_hub import TaskHub
from durablenb.lab.crash_report import CURES, LabReport
from durablenb.lab.crashing import crashed, failure_text, plan_runs
from durablenb.lab.runs import Plan, run
from durablenb.lab.world import World, as_world
from durablenb.model.display import Card

PartName = Literal["source", "result", "replay", "crashes", "histories"]


class Part(NamedTuple):
    """One part of a grade.

    Parameters
    ----------
    name
        What was looked at.
    is_passed
        Whether it is as it should be.
    text
        What was found.
    hints
        What to do about it.
    """

    name: PartName
    is_passed: bool
    text: str
    hints: tuple[str, ...] = ()

    def __str__(self) -> str:
        hints = "".join(f"\n      {hint}" for hint in self.hints)
        return f"{'ok  ' if self.is_passed else 'FAIL'}  {self.name}: {self.text}{hints}"


class Grade(LabReport):
    """The grade of an orchestrator; true if it has passed in all parts.

    Parameters
    ----------
    name
        The orchestrator's name.
    parts
        The parts.
    """

    def __init__(self, name: str, parts: Iterable[Part]) -> None:
        self.name = name
        self.parts = tuple(parts)

    def __bool__(self) -> bool:
        return all(part.is_passed for part in self.parts)

    def __str__(self) -> str:
        return "\n".join((f"{self.name}: {self.verdict}", *(f"  {part}" for part in self.parts)))

    @property
    def verdict(self) -> str:
        """The number of parts, and how many of them passed."""
        passed = sum(part.is_passed for part in self.parts)
        return f"{passed} of {len(self.parts)} parts passed"

    def _shown(self) -> Card:
        rows = [
            (f"{'ok' if part.is_passed else 'FAIL'}, {part.name}", " ".join((part.text, *part.hints)))
            for part in self.parts
        ]
        return Card(repr(self), f"Grade of {self.name}", (("verdict", self.verdict), *rows))


def grade(
    orchestration: Handle | Callable[..., Any] | str,
    input_: Any = None,
    *,
    hub: TaskHub | None = None,
    expected: Any = ...,
    world: Any = None,
    events: Sequence[tuple[str, Any] | tuple[str, Any, timedelta]] = (),
    histories: Any = (),
) -> Grade:
    """Grade an orchestrator: for an exercise, or for a test before it goes to production.

    Its source is checked as by `check`. It runs once with every episode replayed from scratch, and once for
    each of its steps with a crash there, as `crash_everywhere` does it. If you give older histories, they are
    replayed with it.

    Parameters
    ----------
    orchestration, input_, hub, world, events
        As for `crash_everywhere`.
    expected
        The result that it should return; if omitted, any result passes.
    histories
        Handles or histories that its code has to fit, as for `TaskHub.replay`.

    Returns
    -------
    Grade
        True if all parts passed; ``grade.check()`` raises otherwise, for tests.

    Raises
    ------
    FunctionNotFoundError
        If the hub has no such orchestrator.
    ValueError
        If the orchestration goes on for more than 5,000 units of work.
    TypeError
        If the hub or the world isn't one.

    Examples
    --------
    >>> import durablenb as df
    >>> hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
    >>> @hub.activity
    ... def greeting(name):
    ...     return f"Hello {name}!"
    >>> @hub.orchestrator
    ... def greet(context):
    ...     return (yield context.call_activity(greeting, context.get_input()))
    >>> grade = df.lab.grade(greet, "Ada", hub=hub, expected="Hello Ada!")
    >>> grade
    <greet: 4 of 4 parts passed>
    >>> print(grade.parts[-1])
    ok    crashes: 2 crashes, and nothing differs.
    >>> hub.close()
    """
    plan = plan_runs(orchestration, input_, hub, events, "graded")
    code = orchestration.hub if isinstance(orchestration, Handle) else hub
    assert isinstance(code, TaskHub)  # the plan's hub
    return Grade(plan.name, _parts(plan, code, as_world(world), expected, histories))


def _parts(plan: Plan, hub: TaskHub, world: World, expected: Any, histories: Any) -> Iterator[Part]:
    crashes = _crashes(plan, world)  # first: its first two runs show whether a run leaves something in memory
    yield _source(plan, hub)
    yield from _first_run(plan, world, expected)
    yield crashes
    if histories not in ((), []):
        report = hub.replay(histories)
        hints = tuple(str(report).splitlines()[1:]) if not report.fits else ()
        yield Part("histories", report.fits, report.summary, hints)


def _source(plan: Plan, hub: TaskHub) -> Part:
    try:
        found = check(plan.name, hub)
    except (TypeError, ValueError) as error:  # typed at a prompt, or compiled from text
        return Part("source", True, str(error))
    if not found:
        return Part("source", True, "nothing found")
    hints = tuple(f"line {one.line}: {one.code} {one.text} {one.instead} {one.why}" for one in found)
    return Part("source", False, plural(len(found), "finding"), hints)


def _first_run(plan: Plan, world: World, expected: Any) -> Iterator[Part]:
    """Yield the parts of a run in which each episode is replayed from scratch."""
    verified = replace(plan.options.episodes, verify_replay=True)
    world.reset()
    try:
        outcome = run(replace(plan, options=replace(plan.options, episodes=verified)))
    finally:
        world.reset()
    failures = {one.instance_id: failure_text(one) or "" for one in outcome.states.values()}
    misfits = [text for text in failures.values() if text.startswith("NonDeterminismError")]
    if expected is not ...:
        state = outcome.states[plan.instance_id]
        codec = outcome.codec
        text = codec.encode(expected, "result")
        if state.status.is_terminal and not failures[plan.instance_id]:
            yield Part(
                "result",
                state.output == text,
                f"it returned {short_repr(codec.shown(state.output or 'null'))}",
                () if state.output == text else (f"Expected {short_repr(expected)}.",),
            )
        else:
            problem = failures[plan.instance_id] or "it still waits"
            yield Part("result", False, problem, (f"Expected {short_repr(expected)}.",))
    if misfits:
        yield Part("replay", False, misfits[0], (CURES["not deterministic"],))
    else:
        yield Part("replay", True, "every replay makes the same requests")


def _crashes(plan: Plan, world: World) -> Part:
    try:
        report = crashed(plan, world)
    except ValueError as error:
        return Part("crashes", False, str(error))
    hints = tuple(f"{fault} {fault.cure}" for fault in report.faults)
    return Part(
        "crashes", bool(report), report.verdict, (*hints, *(f"Note: {note}" for note in report.notes))
    )
