"""Properties of comparisons and replays, for any histories."""

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

few = settings(max_examples=25)


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
def test_code_fits_its_own_history_wherever_that_was_and_nothing_differs_from_itself(steps):
    ((execution_id, history),) = histories_of(steps)
    for prefix in prefixes(list(history)):
        assert find_mismatch(program, ("0", execution_id), prefix, codec, target_name) is None
    comparison = df.compare(history, history)
    assert comparison.first_difference is None
    assert all(pair.a == pair.b for pair in comparison)


@few
@given(programs, programs)
def test_two_histories_are_compared_in_full_either_way_and_left_alone(steps, others):
    (execution_id, one), (_, other) = histories_of(steps, others)
    before = deepcopy((list(one), list(other)))
    there, back = df.compare(one, other), df.compare(other, one)
    assert (there.first_difference is None) == (back.first_difference is None)
    assert (there.first_decision is None) == (back.first_decision is None)

    assert [pair.a for pair in there if pair.a] == there.a.calls, "each step once and in its order"
    assert [pair.b for pair in there if pair.b] == there.b.calls
    assert [pair.number for pair in there] == list(range(1, len(there) + 1))
    for pair in there:
        if pair.a and pair.b:
            assert (pair.a.kind, pair.a.name) == (pair.b.kind, pair.b.name)

    given_the_others = [replace(one[0], input=other[0].input), *one[1:]]
    misfit = find_mismatch(program, ("0", execution_id), given_the_others, codec, target_name)
    if there.first_decision is not None:
        assert misfit is not None, "code that did something else does not fit"
    if steps == others:
        assert misfit is None

    assert str(there)
    assert (list(one), list(other)) == before
