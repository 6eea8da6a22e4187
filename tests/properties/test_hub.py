"""A hub on a real file against a model of a few lines, whatever clients ask and however often it reopens."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import durablenb as df
from durablenb.core.fold import fold_history
from durablenb.core.ports.store import InstanceQuery

IDS = ("a", "b", "c")
ORCHESTRATORS = ("chain", "sleeper", "waiter", "failing")
ids = st.sampled_from(IDS)


def inc(n):
    return n + 1


def refuse(n):
    raise ValueError("on purpose")


def chain(context):
    one = yield context.call_activity("inc", 0)
    return (yield context.call_activity("inc", one))


def sleeper(context):
    yield context.create_timer(context.current_utc_datetime.replace(year=2030))
    return "slept"


def waiter(context):
    context.set_custom_status("waiting")
    first = yield context.wait_for_external_event("Go")
    return [first, (yield context.wait_for_external_event("go"))]


def failing(context):
    yield context.call_activity("inc", 0)
    yield context.call_activity("refuse", 0)


class AnyHub(RuleBasedStateMachine):
    """A model that has, of each instance, the orchestrator, the status, and the events that were sent."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = df.VirtualClock(autojump=False)
        self.model: dict[str, dict] = {}
        self.count = 0
        self.open()

    def open(self) -> None:
        self.hub = df.TaskHub(Path(self.folder.name) / "hub.duckdb", mode="kernel", clock=self.clock)
        for activity in (inc, refuse):
            self.hub.add_activity(activity)
        for orchestrator in (chain, sleeper, waiter, failing):
            self.hub.add_orchestrator(orchestrator)

    def teardown(self) -> None:
        self.hub.close()
        self.folder.cleanup()

    def is_open(self, instance_id: str) -> bool:
        found = self.model.get(instance_id)
        return found is not None and found["status"] in ("open", "Suspended")

    # -- what happens ----------------------------------------------------------------------------

    @rule(instance_id=ids, name=st.sampled_from(ORCHESTRATORS))
    def start(self, instance_id, name):
        if self.is_open(instance_id):
            with pytest.raises(df.InstanceExistsError):
                self.hub.start(name, instance_id=instance_id)
        else:
            self.hub.start(name, instance_id=instance_id)
            self.model[instance_id] = {"name": name, "status": "open", "sent": []}

    @rule(instance_id=ids)
    def raise_event(self, instance_id):
        self.count += 1
        if self.is_open(instance_id):
            self.hub.handle(instance_id).raise_event("GO", self.count)
            self.model[instance_id]["sent"].append(self.count)
        else:
            kind = df.InstanceStateError if instance_id in self.model else df.InstanceNotFoundError
            with pytest.raises(kind):
                self.hub.client.raise_event(instance_id, "GO", self.count)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def terminate(self, data):
        instance_id = data.draw(st.sampled_from(sorted(self.model)))
        self.hub.client.terminate(instance_id, "enough")
        if self.is_open(instance_id):
            self.model[instance_id]["status"] = "Terminated"

    @precondition(lambda self: self.model)
    @rule(data=st.data(), asked=st.sampled_from(("suspend", "resume")))
    def suspend_or_resume(self, data, asked):
        instance_id = data.draw(st.sampled_from(sorted(self.model)))
        getattr(self.hub.client, asked)(instance_id)
        if self.is_open(instance_id):
            self.model[instance_id]["status"] = "Suspended" if asked == "suspend" else "open"

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def purge(self, data):
        instance_id = data.draw(st.sampled_from(sorted(self.model)))
        if self.is_open(instance_id):
            with pytest.raises(df.InstanceStateError):
                self.hub.client.purge_instance_history(instance_id)
        else:
            assert self.hub.client.purge_instance_history(instance_id).instances_deleted == 1
            del self.model[instance_id]

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def rewind(self, data):
        instance_id = data.draw(st.sampled_from(sorted(self.model)))
        found = self.model[instance_id]
        if found["status"] == "Failed":
            self.hub.client.rewind(instance_id)
            found["status"] = "open"
        else:
            with pytest.raises(df.InstanceStateError):
                self.hub.client.rewind(instance_id)

    @rule(count=st.integers(1, 8))
    def work(self, count):
        for _ in range(count):
            self.hub.step()
        self.note_ends()

    @rule(years=st.integers(-1, 2))
    def let_time_pass(self, years):
        self.clock.advance(days=365 * years)

    @rule()
    def reopen(self):
        self.hub.close()
        self.open()

    # -- what must hold --------------------------------------------------------------------------

    def note_ends(self) -> None:
        """Open instances may have ended; a suspended one may not."""
        for instance_id, found in self.model.items():
            status = self.hub.client.get_status(instance_id)
            if found["status"] == "open" and status.runtime_status.is_terminal:
                found["status"] = str(status.runtime_status)
                self.check_end(found, status)

    def check_end(self, found: dict, status: df.DurableOrchestrationStatus) -> None:
        if found["name"] == "failing":
            assert found["status"] == "Failed"
            assert "on purpose" in status.output
        else:
            assert found["status"] == "Completed"
            expected = {"chain": 2, "sleeper": "slept", "waiter": found["sent"][:2]}
            assert status.output == expected[found["name"]]

    @invariant()
    def the_hub_agrees_with_the_model_and_with_its_histories(self):
        states = self.hub._store.states(InstanceQuery())
        assert {state.instance_id for state in states} == self.model.keys()
        for state in states:
            modelled = self.model[state.instance_id]["status"]
            found = str(state.status)
            assert found == modelled or (modelled == "open" and found in ("Running", "Pending"))
            records = self.hub._store.records(state.instance_id)
            assert state == fold_history(state.instance_id, [(r.execution_id, r.event) for r in records])


TestAnyHub = AnyHub.TestCase
TestAnyHub.settings = settings(max_examples=5, stateful_step_count=25)
