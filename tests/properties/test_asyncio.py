"""Properties of orchestrators that use asyncio, for any program and any order of arrival."""

import asyncio
import itertools
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from durablenb.model.events import (
    ExecutionCanceled,
    ExecutionCompleted,
    ExecutionStarted,
    OrchestratorStarted,
    Request,
    TaskCompleted,
    TimerCanceled,
    TimerCreated,
    TimerFired,
)
from tests.properties.asyncio_programs import (
    Interpreter,
    asyncio_program,
    asyncio_programs,
    asyncio_registry,
    pure_programs,
)
from tests.properties.drivers import START, ByEngine, ByHand, codec, fresh
from tests.replay.counting import replay_of

_ANSWERS = (TaskCompleted, TimerFired)
seeds = st.integers(0, 2**32)
cancels = st.sampled_from((0, 0, 0, 20))
several = st.lists(asyncio_programs, min_size=1, max_size=2)


def lived(steps, seed, cancels=0):
    return ByHand(steps, Random(seed), function=asyncio_program, cancels=cancels).run()


@settings(max_examples=40)
@given(asyncio_programs, seeds, cancels)
def test_a_replay_asks_for_the_same_and_comes_to_the_same(steps, seed, cancels):
    history = lived(steps, seed, cancels).history
    assert isinstance(history[-1], (ExecutionCompleted, ExecutionCanceled))
    assert lived(steps, seed, cancels).history == history
    replayed = fresh(asyncio_program)
    replayed.replay(history)
    assert replayed.is_finished
    assert replayed.history == history


@settings(max_examples=30)
@given(asyncio_programs, seeds, cancels)
def test_killed_after_any_event_it_goes_on_as_if_it_had_never_stopped(steps, seed, cancels):
    history = lived(steps, seed, cancels).history
    for stop in [place for place, event in enumerate(history) if not isinstance(event, Request)]:
        execution = fresh(asyncio_program)
        execution.replay(history[:stop])
        for event in history[stop:]:
            if isinstance(event, OrchestratorStarted):
                assert execution.is_ready
                execution.resume(event.timestamp, event.event_id)
            elif not isinstance(event, Request):
                execution.deliver(event)
        assert execution.history == history
        execution.unload()


@settings(max_examples=25)
@given(several, st.lists(st.integers(0, 12), max_size=4))
def test_the_engine_runs_them_through_any_deaths_and_verifies_every_episode(all_steps, lives):
    engine = ByEngine(asyncio_registry(), max_cached_events=1, verify_replay=True)
    engine.start(all_steps)
    engine.engine.committer.commit()
    for steps_of_a_life in lives:
        for _ in range(steps_of_a_life):
            engine.step()
        engine.reopen()
    engine.run()
    assert engine.results().keys() == {str(number) for number in range(len(all_steps))}


@settings(max_examples=25)
@given(asyncio_programs, seeds, cancels)
def test_a_replay_can_be_walked_through_and_its_places_are_open_tasks(steps, seed, cancels):
    history = lived(steps, seed, cancels).history
    replay = replay_of(asyncio_program, ("instance", "execution"), history)
    assert replay.fits
    assert len(replay) == sum(isinstance(event, OrchestratorStarted) for event in history)
    settled = {event.task_id: event.event_id for event in history if isinstance(event, _ANSWERS)}
    for reached in replay.trace.awaits:
        for number, places in reached.places.items():
            end = replay.trace.episodes[number - 1].event_id
            for task_ids in filter(None, [place.task_ids for place in places]):
                assert set(task_ids) <= set(replay.requests)
                # of a group, some may be settled, as long as it waits for another one
                assert any(settled.get(task_id, end) >= end for task_id in task_ids)
    for number in range(1, len(replay) + 1):
        for step in replay.steps(number):
            replay.counts_at(step)
            replay.events_at(step)


@settings(max_examples=40)
@given(pure_programs)
def test_without_durable_tasks_it_does_what_asyncio_does_on_a_virtual_clock(steps):
    loop = VirtualLoop()
    try:
        expected = loop.run_until_complete(_outcomes(steps))
    finally:
        loop.close()
    assert _run_by_timers(steps) == expected


async def _outcomes(steps):
    interpreter = Interpreter()
    outcomes = await interpreter.run(steps)
    result = [outcomes, list(interpreter.notes)]
    while rest := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in rest:
            task.cancel()
        await asyncio.wait(rest)
    return result


class NumberedTask(asyncio.Task):
    """A task whose hash is its number, as in an orchestrator: asyncio keeps tasks in sets."""

    def __init__(self, coroutine, *, loop, **given):
        self._number = next(loop.numbers)
        super().__init__(coroutine, loop=loop, **given)

    def __hash__(self):
        return self._number


class VirtualLoop(asyncio.SelectorEventLoop):
    """Real asyncio, on a clock that jumps to the next timer."""

    def __init__(self):
        super().__init__()
        self.numbers = itertools.count()
        self.set_task_factory(lambda loop, coroutine, **given: NumberedTask(coroutine, loop=loop, **given))
        self._now = START.timestamp()
        self.set_exception_handler(lambda loop, context: None)
        self._clock_resolution = 1e-5  # of sums of floats
        self._selector.select = self._jump

    def time(self):
        return self._now

    def _jump(self, timeout):
        if timeout != 0:
            self._now = max(self._now, self._scheduled[0].when())
        return []


def _run_by_timers(steps):
    """Return the result of an orchestrator whose timers fire in the order of their times."""
    execution = fresh(asyncio_program)
    now, timers = START, {}
    execution.deliver(ExecutionStarted(1, now, "program", codec.encode(steps)))
    while True:
        for event in execution.resume(now, len(execution.history) + 1):
            if isinstance(event, TimerCreated):
                timers[event.task_id] = event.fire_at
            elif isinstance(event, TimerCanceled):
                del timers[event.task_id]
        if execution.is_finished:
            return codec.decode(execution.history[-1].result)
        task_id = min(timers, key=timers.__getitem__)
        now = max(now, timers.pop(task_id))
        execution.deliver(TimerFired(len(execution.history) + 1, now, task_id))
