"""Properties of forks, at any place in any program's history."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durablenb.core.fork import Past, shared_past
from durablenb.core.registry import Activity
from durablenb.engine import messages
from durablenb.model import events as ev
from tests.properties.drivers import ByEngine, codec
from tests.properties.programs import ACTIVITIES, expected, programs, registry, tame_programs

few = settings(max_examples=15)


class Counting:
    """Runs programs, and counts what is called."""

    def __init__(self, **options):
        self.called = Counter()
        code = registry()
        for name, function in ACTIVITIES.items():
            code.add_activity(Activity(name, self._counted(name, function)))
        self.by = ByEngine(code, verify_replay=True, **options)

    def _counted(self, name, function):
        def counted(n):
            self.called[name] += 1
            return function(n)

        return counted

    def run(self, steps):
        self.by.start([steps])
        self.by.run()
        return self.history("0")

    def history(self, instance_id):
        return [record.event for record in self.by.store.records(instance_id)]

    def execution_id(self, instance_id):
        return self.by.store.records(instance_id)[0].execution_id

    def fork(self, origin, at, name):
        history = self.history(origin)
        past = Past(origin, self.execution_id(origin), tuple(shared_past(history, at)))
        reply = self.by.engine.ask(messages.Fork(name, past)).result
        self.by.engine.committer.commit()
        assert reply(1) == name
        return past


def places(history):
    """The events at which it can be forked: those before the episode in which it ended."""
    last = max(event.event_id for event in history if isinstance(event, ev.OrchestratorStarted))
    return [event.event_id for event in history if event.event_id < last]


@few
@given(tame_programs)
def test_a_fork_at_any_event_comes_to_the_same_result(steps):
    runs = Counting()
    history = runs.run(steps)
    for at in places(history):
        runs.fork("0", at, f"at {at}")
    runs.by.run()
    for at in places(history):
        last = runs.history(f"at {at}")[-1]
        assert isinstance(last, ev.ExecutionCompleted)
        assert codec.decode(last.result) == expected(steps)


@few
@given(programs)
def test_a_fork_at_any_event_ends_leaves_its_origin_as_it_was_and_shares_no_child(steps):
    runs = Counting()
    history = runs.run(steps)
    before = list(runs.by.store.records("0"))
    for at in places(history):
        runs.fork("0", at, f"at {at}")
    runs.by.run()
    assert runs.by.engine.open_count == 0
    assert list(runs.by.store.records("0")) == before
    started = [one.instance_id for one in runs.by.store.journal if isinstance(one.event, ev.ExecutionStarted)]
    assert len(set(started)) == len(started)
    for event in history:
        if event.event_id not in places(history):  # in the episode in which it ended
            with pytest.raises(ValueError, match="nothing would be left to do"):
                shared_past(history, event.event_id)


@few
@given(programs)
def test_what_was_done_by_then_is_not_done_again(steps):
    runs = Counting()
    history = runs.run(steps)
    for at in places(history):
        runs.called.clear()
        past = runs.fork("0", at, f"at {at}")
        runs.by.run()
        own = runs.history(f"at {at}")
        shared = len(past.events)
        assert [type(event) for event in own[:shared]] == [type(event) for event in past.events]
        ended = Counter(
            event.task_id for event in own if isinstance(event, (ev.TaskCompleted, ev.TaskFailed))
        )
        assert set(ended.values()) <= {1}
        names = {event.task_id: event.name for event in own if isinstance(event, ev.TaskScheduled)}
        new = Counter(
            names[event.task_id]
            for event in own[shared:]
            if isinstance(event, (ev.TaskCompleted, ev.TaskFailed))
        )
        children = [e for e in own[shared:] if isinstance(e, ev.SubOrchestrationInstanceCreated)]
        again = own[0].forked_from[0].again
        if not children and not again:
            assert runs.called >= new
            assert runs.called - new <= Counter(
                names[task] for task in names if task not in ended
            )  # left open where there was a race


@few
@given(tame_programs, st.data())
def test_a_fork_of_a_fork_comes_to_the_same_result(steps, data):
    runs = Counting()
    origin = "0"
    history = runs.run(steps)
    for generation in range(3):
        at = data.draw(st.sampled_from(places(history)))
        name = f"{origin}.{generation}"
        runs.fork(origin, at, name)
        runs.by.run()
        origin, history = name, runs.history(name)
        assert codec.decode(history[-1].result) == expected(steps)
        assert len(history[0].forked_from) == generation + 1


@few
@given(tame_programs, st.data())
def test_a_death_between_any_two_steps_of_a_fork_changes_no_result(steps, data):
    runs = Counting()
    history = runs.run(steps)
    at = data.draw(st.sampled_from(places(history)))
    runs.fork("0", at, "fork")
    for steps_of_a_life in data.draw(st.lists(st.integers(0, 12), max_size=4)):
        for _ in range(steps_of_a_life):
            runs.by.step()
        runs.by.reopen()
    runs.by.run()
    assert codec.decode(runs.history("fork")[-1].result) == expected(steps)
