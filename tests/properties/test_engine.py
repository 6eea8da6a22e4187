"""Properties of the engine, for any programs."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from durablenb.core.execution import Execution
from durablenb.core.fold import fold_history
from durablenb.core.ports.store import InstanceQuery
from durablenb.core.registry import target_name
from durablenb.model.status import OrchestrationRuntimeStatus as Status
from tests.properties.drivers import ByEngine, codec
from tests.properties.programs import expected, program, programs, tame_programs

few = settings(max_examples=20)
several = st.lists(programs, min_size=1, max_size=3)
several_tame = st.lists(tame_programs, min_size=1, max_size=3)


def run(all_steps: list[Any], **options: Any) -> ByEngine:
    engine = ByEngine(**options)
    engine.start(all_steps)
    engine.run()
    return engine


@few
@given(several)
def test_a_second_run_and_a_verified_one_leave_the_same_journal_and_a_dropped_one_ends(all_steps):
    plain = run(all_steps).store.journal
    assert run(all_steps).store.journal == plain
    assert run(all_steps, verify_replay=True).store.journal == plain
    dropped = run(all_steps, max_cached_events=1, verify_replay=True)
    assert dropped.engine.open_count == 0
    assert dropped.results().keys() == {str(number) for number in range(len(all_steps))}


@few
@given(several_tame)
def test_every_program_returns_what_it_should_also_dropped_from_memory_and_pipelined(all_steps):
    results = {str(number): expected(steps) for number, steps in enumerate(all_steps)}
    assert run(all_steps).results() == results
    assert run(all_steps, max_cached_events=1).results() == results
    assert run(all_steps, is_strict=False).results() == results


@few
@given(several_tame, st.lists(st.integers(0, 12), max_size=6))
def test_a_death_between_any_two_steps_changes_no_result(all_steps, lives):
    engine = ByEngine()
    engine.start(all_steps)
    engine.engine.committer.commit()
    for steps_of_a_life in lives:
        for _ in range(steps_of_a_life):
            engine.step()
        engine.reopen()
    engine.run()
    assert engine.results() == {str(number): expected(steps) for number, steps in enumerate(all_steps)}


@few
@given(several, st.integers(0, 60))
def test_the_status_is_the_fold_of_the_history(all_steps, count):
    engine = ByEngine()
    engine.start(all_steps)
    for _ in range(count):
        engine.step()
    engine.engine.committer.commit()
    for state in engine.store.states(InstanceQuery()):
        records = engine.store.records(state.instance_id)
        assert state == fold_history(state.instance_id, [(r.execution_id, r.event) for r in records])
        is_open = state.instance_id in engine.engine.completions
        assert is_open == (state.status in (Status.Running, Status.Pending))


@few
@given(several_tame, st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=4))
def test_programs_that_are_written_while_they_run_come_to_the_same(all_steps, cuts):
    engine = ByEngine(verify_replay=True)
    for number, (cut, dies) in enumerate(sorted(cuts)):
        engine.write(cut)
        if number == 0:
            engine.start(all_steps)
        engine.run_to_pauses()
        if dies:
            engine.reopen()
    engine.write(None)
    if not cuts:
        engine.start(all_steps)
    engine.run()
    assert engine.results() == {str(number): expected(steps) for number, steps in enumerate(all_steps)}


@few
@given(several, st.lists(st.integers(0, 4), min_size=1, max_size=4))
def test_what_was_written_while_it_ran_fits_its_history_afterwards(all_steps, cuts):
    engine = ByEngine()
    engine.write(min(cuts))
    engine.start(all_steps)
    for cut in sorted(cuts):
        engine.write(cut)
        engine.run_to_pauses()
    engine.write(None)
    engine.run()
    for number in range(len(all_steps)):
        records = engine.store.records(str(number))
        history = [record.event for record in records]
        execution = Execution(program, str(number), records[0].execution_id, codec, target_name)
        execution.replay(history)
        assert execution.is_finished
        assert execution.history == history
