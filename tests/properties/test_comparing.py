"""What holds for comparing and for replaying, whichever histories there are."""

from copy import deepcopy
from dataclasses import replace

from hypothesis import given, settings

import durablenb as df
from durablenb.analysis.history import History
from durablenb.core.mismatch import find_mismatch
from durablenb.core.registry import target_name
from tests.histories.replaying import prefixes
from tests.properties.drivers import ByEngine, codec
from tests.properties.programs import program, programs

few = settings(max_examples=60)


def histories_of(*all_steps):
    """The histories of instances that did these programs, with the ids of their executions."""
    by = ByEngine()
    by.start(list(all_steps))
    by.run()
    found = []
    for number in range(len(all_steps)):
        records = by.store.records(str(number))
        found.append((records[0].execution_id, History(str(number), [record.event for record in records])))
    return found


@few
@given(programs)
def test_code_fits_its_own_history_wherever_that_was_on_its_way(steps):
    ((execution_id, history),) = histories_of(steps)
    for prefix in prefixes(list(history)):
        assert find_mismatch(program, ("0", execution_id), prefix, codec, target_name) is None


@few
@given(programs, programs)
def test_code_that_did_something_else_does_not_fit(steps, others):
    (execution_id, history), (_, other) = histories_of(steps, others)
    given_the_others = [replace(history[0], input=other[0].input), *history[1:]]
    misfit = find_mismatch(program, ("0", execution_id), given_the_others, codec, target_name)
    if df.compare(history, other).first_decision is not None:
        assert misfit is not None
    if steps == others:
        assert misfit is None


@few
@given(programs)
def test_nothing_differs_from_itself(steps):
    ((_, history),) = histories_of(steps)
    comparison = df.compare(history, history)
    assert comparison.first_difference is None
    assert all(pair.a == pair.b for pair in comparison)


@few
@given(programs, programs)
def test_each_step_of_both_is_there_once_and_in_its_order(steps, others):
    (_, one), (_, other) = histories_of(steps, others)
    comparison = df.compare(one, other)
    assert [pair.a for pair in comparison if pair.a] == comparison.a.calls
    assert [pair.b for pair in comparison if pair.b] == comparison.b.calls
    assert [pair.number for pair in comparison] == list(range(1, len(comparison) + 1))
    for pair in comparison:
        if pair.a and pair.b:
            assert (pair.a.kind, pair.a.name) == (pair.b.kind, pair.b.name)


@few
@given(programs, programs)
def test_the_other_way_round_the_same_differs(steps, others):
    (_, one), (_, other) = histories_of(steps, others)
    there, back = df.compare(one, other), df.compare(other, one)
    assert (there.first_difference is None) == (back.first_difference is None)
    assert (there.first_decision is None) == (back.first_decision is None)


@few
@given(programs, programs)
def test_looking_changes_no_event(steps, others):
    (execution_id, one), (_, other) = histories_of(steps, others)
    before = deepcopy((list(one), list(other)))
    str(df.compare(one, other))
    find_mismatch(program, ("0", execution_id), one, codec, target_name)
    assert (list(one), list(other)) == before
