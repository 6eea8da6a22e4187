"""DuckDB's answers and the reference's are the same after any plausible sequence of calls."""

from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from durablenb.core.fold import fold_history
from durablenb.core.ports.store import InstanceQuery
from durablenb.lab.memory_store import MemoryStore
from durablenb.model.events import (
    CustomStatusSet,
    EventRaised,
    ExecutionCanceled,
    ExecutionFailed,
    ExecutionResumed,
    ExecutionSuspended,
    ExecutionTerminated,
    OrchestratorStarted,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskCanceled,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCanceled,
    TimerCreated,
    TimerFired,
)
from durablenb.model.status import OrchestrationRuntimeStatus as Status
from durablenb.store.duckdb_store import DuckStore
from tests.store.scribe import BEGINNING, ENDS, Scribe
from tests.strategies import origins, payloads, texts

IDS = ("a", "ab", "a%", "it's", "雪😀", "b")
ENDINGS = {
    TaskScheduled: (TaskCompleted, TaskFailed, TaskCanceled),
    TimerCreated: (TimerFired, TimerCanceled),
    SubOrchestrationInstanceCreated: (SubOrchestrationInstanceCompleted, SubOrchestrationInstanceFailed),
}
_some_ids = st.lists(st.sampled_from([*IDS, "unknown"]), max_size=4)
_moments = st.none() | st.integers(-5, 60).map(lambda seconds: BEGINNING + timedelta(seconds=seconds))
queries = st.builds(
    InstanceQuery,
    instance_ids=st.none() | _some_ids.map(tuple),
    prefix=st.none() | st.sampled_from(["", "a", "a%", "雪", "_"]),
    name=st.none() | st.sampled_from(["Pay", "Ship", ""]),
    statuses=st.none() | st.lists(st.sampled_from(Status), max_size=4).map(tuple),
    created_from=_moments,
    created_to=_moments,
    limit=st.none() | st.integers(0, 5),
    offset=st.integers(0, 3),
)


class Agreement(RuleBasedStateMachine):
    """Two stores are told the same story."""

    def __init__(self):
        super().__init__()
        self.memory = MemoryStore()
        self.duck = DuckStore(None)
        self.scribe = Scribe()

    def teardown(self):
        self.duck.close()

    def tell(self):
        records = self.scribe.take()
        self.memory.append(records)
        self.duck.append(records)

    def both(self, ask):
        answer = ask(self.memory)
        assert ask(self.duck) == answer
        return answer

    # -- what happens ----------------------------------------------------------------------------

    def known(self, condition):
        return sorted(name for name, history in self.scribe.history.items() if condition(history))

    def is_open(self, history):
        return not isinstance(history[-1], ENDS)

    def is_awake(self, history):
        marks = [e for e in history if isinstance(e, (ExecutionSuspended, ExecutionResumed))]
        return self.is_open(history) and not (marks and isinstance(marks[-1], ExecutionSuspended))

    def pick(self, data, condition):
        return data.draw(st.sampled_from(self.known(condition)))

    def any_open(self):
        return bool(self.known(self.is_open))

    def any_awake(self):
        return bool(self.known(self.is_awake))

    @rule(data=st.data(), name=st.sampled_from(["Pay", "Ship"]), text=payloads, version=st.none() | texts)
    def start(self, data, name, text, version):
        free = sorted(set(IDS) - set(self.known(self.is_open)))
        if free:
            start_at = data.draw(_moments)
            tags = data.draw(st.dictionaries(texts, texts, max_size=2))
            forked_from = tuple(data.draw(st.lists(origins, max_size=2)))
            values = {"version": version, "tags": tags, "scheduled_start_time": start_at}
            values["forked_from"] = forked_from
            self.scribe.start(data.draw(st.sampled_from(free)), name=name, input=text, **values)
            self.tell()

    @precondition(any_awake)
    @rule(data=st.data(), kinds=st.lists(st.sampled_from([*ENDINGS, CustomStatusSet]), max_size=4))
    def episode(self, data, kinds):
        instance_id = self.pick(data, self.is_awake)
        self.scribe.add(instance_id, OrchestratorStarted)
        for kind in kinds:
            task_id = len(self.scribe.history[instance_id])
            if kind is CustomStatusSet:
                self.scribe.add(instance_id, kind, status=data.draw(payloads))
            elif kind is not SubOrchestrationInstanceCreated:
                self.scribe.add(instance_id, kind, task_id=task_id)
            else:
                child = data.draw(st.sampled_from(IDS))
                self.scribe.add(instance_id, kind, task_id=task_id, instance_id=child)
                if child not in self.known(self.is_open):
                    self.scribe.start_child(instance_id, child, task_id)
        self.tell()

    @precondition(any_open)
    @rule(data=st.data(), which=st.integers(0, 1), late=st.integers(0, 3))
    def arrive(self, data, which, late):
        instance_id = self.pick(data, self.is_open)
        asked = [event for event in self.scribe.history[instance_id] if type(event) in ENDINGS]
        moment = self.scribe.now - timedelta(seconds=late)
        if asked:
            event = data.draw(st.sampled_from(asked))
            ending = ENDINGS[type(event)][which]
            self.scribe.add(instance_id, ending, task_id=event.task_id, timestamp=moment)
        else:
            self.scribe.add(instance_id, EventRaised, timestamp=moment)
        self.tell()

    @precondition(any_open)
    @rule(data=st.data(), kind=st.sampled_from([ExecutionSuspended, ExecutionResumed]))
    def suspend_or_resume(self, data, kind):
        self.scribe.add(self.pick(data, self.is_open), kind)
        self.tell()

    @precondition(any_awake)
    @rule(data=st.data(), kind=st.sampled_from(ENDS), text=texts)
    def end(self, data, kind, text):
        values = {"reason": text} if kind in (ExecutionCanceled, ExecutionTerminated) else {}
        self.scribe.add(self.pick(data, self.is_awake), kind, **values)
        self.tell()

    @precondition(any_awake)
    @rule(data=st.data(), text=payloads)
    def continue_as_new(self, data, text):
        self.scribe.continue_as_new(self.pick(data, self.is_awake), text)
        self.tell()

    @rule(data=st.data())
    def rewind(self, data):
        failed = self.known(lambda history: isinstance(history[-1], ExecutionFailed))
        if failed:
            self.scribe.rewind(data.draw(st.sampled_from(failed)))
            self.tell()

    @rule(instance_ids=_some_ids)
    def purge(self, instance_ids):
        ended = [name for name in instance_ids if name not in self.known(self.is_open)]
        self.memory.purge(ended)
        self.duck.purge(ended)
        for name in ended:
            self.scribe.forget(name)

    # -- what is asked ---------------------------------------------------------------------------

    @rule(query=queries)
    def states(self, query):
        self.both(lambda store: store.states(query))
        self.both(lambda store: store.ids(query))

    @rule(instance_ids=_some_ids)
    def families(self, instance_ids):
        self.both(lambda store: store.descendants(instance_ids))
        self.both(lambda store: store.links(instance_ids))

    @rule(instance_ids=_some_ids)
    def histories(self, instance_ids):
        self.both(lambda store: store.load(instance_ids))
        for name in instance_ids:
            self.both(lambda store, name=name: store.records(name))

    @invariant()
    def nothing_differs(self):
        last = self.both(lambda store: store.last_seq())
        self.both(lambda store: store.restarted(last // 2))
        self.both(lambda store: store.open_instances())
        for state in self.both(lambda store: store.states(InstanceQuery())):
            assert self.duck.states(InstanceQuery(instance_ids=(state.instance_id,))) == [state]
            pairs = [(r.execution_id, r.event) for r in self.duck.records(state.instance_id)]
            assert state == fold_history(state.instance_id, pairs)
        assert self.duck.load(IDS) == {name: self.scribe.history[name] for name in self.scribe.history}


Agreement.TestCase.settings = settings(max_examples=4, stateful_step_count=30)
TestAgreement = Agreement.TestCase
