"""Short plays of several clients with one hub, each with what must be true at its end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from durablenb.engine.transcript import current
from durablenb.model.errors import DurableError
from tests.schedules.bench import Bench, opened


def waits_over_generations(bench: Bench) -> None:
    """Whoever waits for an instance that continues as new gets its result."""

    @bench.orchestrator
    def can(context: Any) -> Any:
        left = context.get_input()
        return context.continue_as_new(left - 1) if left else "done"

    with opened(bench):
        for number in range(2):
            bench.client(lambda number=number: _is(bench.run("can", 3, f"can-{number}"), "done"))  # type: ignore[misc]


def races_against_timers(bench: Bench) -> None:
    """Timers that lost a race are cancelled while others fire: each wait ends, none is late."""

    @bench.activity
    def work(value: Any) -> Any:
        return value

    @bench.orchestrator
    def chain(context: Any) -> Any:
        for number in range(3):
            yield context.call_activity("work", number)
        return "chained"

    @bench.orchestrator
    def approval(context: Any) -> Any:
        begun = context.current_utc_datetime
        last = context.create_timer(begun + timedelta(seconds=0.5))
        for _ in range(3):
            limit = context.create_timer(begun + timedelta(seconds=0.1))
            winner = yield context.task_any([context.wait_for_external_event("go"), limit])
            if winner is not limit:
                limit.cancel()
        yield last
        return (context.current_utc_datetime - begun).total_seconds() < 5

    with opened(bench):
        instance_id = bench.start("approval")
        bench.client(lambda: _is(bench.result(instance_id), True))
        for _ in range(3):
            chained = bench.start("chain")
            bench.raise_event(instance_id, "go")
            _is(bench.result(chained), "chained")


def lines_of_a_long_activity(bench: Bench) -> None:
    """What an activity prints is on disk soon, though nothing else is written."""

    @bench.activity
    def talk() -> str:
        speaker = current.get()
        assert speaker is not None
        assert speaker.output is not None
        for number in range(4):
            speaker.output.write("stdout", f"line {number}\n")
            if number > 1:
                bench.scheduler.sleep(0.1)
        bench.scheduler.sleep(3.0)
        kept = [line.message for line in bench.store.lines("speaker")]
        assert kept == [f"line {number}" for number in range(4)], f"only {kept} are on disk"
        return "said"

    @bench.orchestrator
    def speak(context: Any) -> Any:
        return (yield context.call_activity("talk"))

    with opened(bench):
        bench.client(lambda: _is(bench.run("speak", None, "speaker"), "said"))


def asks_beside_a_defect(bench: Bench) -> None:
    """A mistake of the engine's own leaves nobody waiting for an answer."""

    @bench.orchestrator
    def echo(context: Any) -> Any:
        return context.get_input()

    with opened(bench):
        load, is_planted = bench.engine.machine.run_episodes, [True]

        def broken() -> None:
            if is_planted.pop() if is_planted else False:
                raise IndexError("planted")
            load()

        bench.engine.machine.run_episodes = broken  # type: ignore[method-assign]
        for number in range(3):
            bench.client(lambda number=number: _is(bench.run("echo", number), number), DurableError)  # type: ignore[misc]


def _is(found: object, expected: object) -> None:
    assert found in (expected, "ended"), f"{found!r} in the place of {expected!r}"


SCENARIOS = {
    one.__name__: one
    for one in (waits_over_generations, races_against_timers, lines_of_a_long_activity, asks_beside_a_defect)
}
