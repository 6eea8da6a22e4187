"""Generated orchestrators: a program is JSON, and one orchestrator does what the program says.

A program is a list of steps, awaited one after another. A step is a tree of tasks:

    ["call", n]      an activity that gives n + 1
    ["fail", n]      an activity that raises
    ["retry", n]     an activity that is retried: an even n comes through, an odd one never does
    ["timer", s]     a timer
    ["wait", name]   an external event
    ["child", p]     a sub-orchestration that does the program p
    ["all", steps]   all of them
    ["any", steps]   the first of them
    ["first", steps] the first of them, and the others are cancelled
    ["stop", n]      an activity that is cancelled at once
    ["leave", name]  a wait for an external event that loses against a timer, and is kept
    ["again", n]     one of the kept waits, awaited again
    ["drop", n]      one of them, cancelled

The last two stand at the top only: what is cancelled in one place must not be awaited in another.
A program that is canceled calls an activity, and goes on with the next step; the third time it ends.
"""

from contextlib import suppress
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from durablenb.core.registry import Activity, Registry
from durablenb.model.errors import OrchestrationCanceledError, TaskFailedError
from durablenb.model.retries import RetryOptions

EVENTS = ("A", "B")

_small = st.integers(0, 3)
_leaves = st.one_of(
    st.tuples(st.sampled_from(("call", "fail", "retry", "stop")), _small),
    st.tuples(st.just("timer"), st.sampled_from((0, 1, 5, 3_600))),
    st.tuples(st.just("wait"), st.sampled_from(EVENTS)),
)


def _grown(inner: st.SearchStrategy[Any], joints: tuple[str, ...]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=4)
    return st.one_of(
        st.tuples(st.sampled_from(joints), several),
        st.tuples(st.just("child"), st.lists(inner, max_size=2)),
    )


def _programs(
    joints: tuple[str, ...],
    leaves: st.SearchStrategy[Any] = _leaves,
    on_top: st.SearchStrategy[Any] | None = None,
) -> st.SearchStrategy[Any]:
    step = st.recursive(leaves, lambda inner: _grown(inner, joints), max_leaves=6)
    steps = step if on_top is None else st.one_of(step, step, on_top)
    return st.lists(steps, max_size=4 if on_top is None else 6).map(_plain)


def _plain(value: Any) -> Any:
    """Tuples as lists, as they come out of the journal."""
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


_left = st.tuples(st.just("leave"), st.sampled_from(EVENTS))
_kept = st.tuples(st.sampled_from(("again", "drop")), _small)

programs = _programs(("all", "any", "first"), st.one_of(_leaves, _left), st.one_of(_left, _kept))
"""Any program."""

tame_programs = _programs(("all",))
"""Programs that don't race: what comes out does not depend on what comes first."""


# -- the orchestrator ----------------------------------------------------------------------------

_RETRY = RetryOptions(1_000, 3, backoff_coefficient=2.0)


def program(context, cut=None):
    """Does what its input says; with a `cut`, code was written for that many steps as yet."""
    results, kept = [], []
    for number, step in enumerate(context.get_input()):
        if number == cut:
            yield ...
        context.set_custom_status(len(results))
        task = task_of(context, step, kept)
        try:
            results.append(outcome_of(step, task, (yield task)))
        except OrchestrationCanceledError:
            results.append((yield context.call_activity("call", len(results))))
            if len(results) % 3 == 0:
                raise
        except TaskFailedError:
            results.append("failed")
    return results


async def program_as_coroutine(context):
    results, kept = [], []
    for step in context.get_input():
        context.set_custom_status(len(results))
        task = task_of(context, step, kept)
        try:
            results.append(outcome_of(step, task, await task))
        except OrchestrationCanceledError:
            results.append(await context.call_activity("call", len(results)))
            if len(results) % 3 == 0:
                raise
        except TaskFailedError:
            results.append("failed")
    return results


def task_of(context, step, kept):
    kind, given = step
    if kind in ("again", "drop"):
        open_ = [wait for wait in kept if not wait.is_cancelled]
        wait = open_[given % len(open_)] if open_ else context.create_timer(context.current_utc_datetime)
        if kind == "again":
            return wait
        with suppress(ValueError):  # the code has its event already
            wait.cancel()
        return context.create_timer(context.current_utc_datetime)
    if kind == "call":
        return context.call_activity("call", given)
    if kind == "fail":
        return context.call_activity("fail", given)
    if kind == "retry":
        return context.call_activity_with_retry("retry", _RETRY, given)
    if kind == "timer":
        return context.create_timer(context.current_utc_datetime + timedelta(seconds=given))
    if kind == "leave":
        kept.append(context.wait_for_external_event(given))
        return context.task_any([context.create_timer(context.current_utc_datetime), kept[-1]])
    if kind == "wait":
        return context.wait_for_external_event(given)
    if kind == "child":
        return context.call_sub_orchestrator("program", given)
    if kind == "stop":
        task = context.call_activity("call", given, timeout=given + 1)
        task.cancel()
        return task
    tasks = [task_of(context, one, kept) for one in given]
    if kind == "all":
        return context.task_all(tasks)
    return context.task_any(tasks, cancel_losers=kind == "first")


def outcome_of(step, task, result):
    """A result that JSON can hold: the place of the winner, where there was a race."""
    kind, given = step
    if kind in ("any", "first", "leave"):
        return task.children.index(result)
    if kind == "all":
        return [outcome_of(*parts) for parts in zip(given, task.children, result, strict=True)]
    return result


# -- what comes out of it ------------------------------------------------------------------------


class Failed(Exception):
    """A step fails."""


def expected(steps: list[Any]) -> list[Any]:
    """Return the result of a tame program; in a race, the first task wins."""
    results: list[Any] = []
    for step in steps:
        try:
            results.append(_expected(step))
        except Failed:
            results.append("failed")
    return results


def _expected(step: list[Any]) -> Any:
    kind, given = step
    if kind in ("fail", "stop") or (kind == "retry" and given % 2):
        raise Failed
    if kind == "all":
        return [_expected(one) for one in given]
    if kind == "child":
        return expected(given)
    if kind == "call":
        return given + 1
    return {"any": 0, "first": 0, "leave": 0, "timer": None}.get(kind, given)


def call(n: int) -> int:
    return n + 1


def fail(n: int) -> int:
    raise ValueError(f"{n} is wrong")


def retry(n: int) -> int:
    if n % 2:
        raise ConnectionError(f"{n} is odd")
    return n


ACTIVITIES = {"call": call, "fail": fail, "retry": retry}


def registry() -> Registry:
    """The orchestrator and its activities."""
    made = Registry()
    for name, function in ACTIVITIES.items():
        made.add_activity(Activity(name, function))
    made.add_orchestrator(program, "program")
    return made
