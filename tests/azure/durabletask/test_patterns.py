"""The patterns of the overview of Durable Functions run on a durabletask worker as they stand."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from durabletask.entities import EntityInstanceId

import durablenb as df
from tests.test_seed import AGGREGATOR, CHAINING, FAN_OUT_FAN_IN, HUMAN_INTERACTION, MONITOR, main_of
from tests.test_seed import azure_functions as azure_functions


def test_function_chaining(bridge):
    for name in ("F1", "F2", "F3", "F4"):
        bridge.hub.add_activity(lambda value, name=name: f"{value or ''}{name}", name=name)
    bridge.hub.add_orchestrator(main_of(CHAINING), name="Chaining")
    bridge.serve()
    assert bridge.run("Chaining") == "F1F2F3F4"


@pytest.mark.parametrize("batch", [[1, 2, 3, 4], []], ids=len)
def test_fan_out_fan_in(bridge, batch):
    totals = []
    bridge.hub.add_activity(lambda _: batch, name="F1")
    bridge.hub.add_activity(lambda item: item * 10, name="F2")
    bridge.hub.add_activity(totals.append, name="F3")
    bridge.hub.add_orchestrator(main_of(FAN_OUT_FAN_IN), name="FanOutFanIn")
    bridge.serve()
    assert bridge.run("FanOutFanIn") is None
    assert totals == [sum(batch) * 10]


def test_monitor(bridge):
    polls, alerts = [], []

    def get_job_status(job_id):
        polls.append(job_id)
        return "Completed" if len(polls) == 4 else "Running"

    bridge.hub.add_activity(get_job_status, name="GetJobStatus")
    bridge.hub.add_activity(alerts.append, name="SendAlert")
    bridge.hub.add_orchestrator(main_of(MONITOR), name="Monitor")
    bridge.serve()
    expires = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    bridge.run("Monitor", json.dumps({"jobId": "J-1", "pollingInterval": 30, "expiryTime": expires}))
    assert (polls, alerts) == (["J-1"] * 4, ["J-1"])


@pytest.fixture
def approval(bridge):
    done = []
    for name in ("RequestApproval", "ProcessApproval", "Escalate"):
        bridge.hub.add_activity(lambda value, name=name: done.append((name, value)), name=name)
    bridge.hub.add_orchestrator(main_of(HUMAN_INTERACTION), name="ApprovalWorkflow")
    bridge.serve()
    return done


def test_human_interaction_takes_the_approval(bridge, approval):
    instance_id = bridge.start("ApprovalWorkflow")
    bridge.raise_event(instance_id, "ApprovalEvent", True)
    assert bridge.result(instance_id) is None
    assert approval == [("RequestApproval", None), ("ProcessApproval", True)]


def test_human_interaction_escalates_after_72_hours(bridge, approval):
    instance_id = bridge.start("ApprovalWorkflow")
    bridge.let_time_pass()
    assert bridge.result(instance_id) is None
    assert approval == [("RequestApproval", None), ("Escalate", None)]


def test_aggregator(bridge, azure_functions):
    def ask(context):
        results = []
        for operation, given in context.get_input():
            results.append((yield context.call_entity(df.EntityId("Counter", "a"), operation, given)))
        return results

    bridge.hub.add_entity(main_of(AGGREGATOR), name="Counter")
    bridge.hub.add_orchestrator(ask)
    bridge.serve()
    asked = [("get", None), ("add", 5), ("add", -2), ("get", None), ("reset", None), ("get", None)]
    assert bridge.run("ask", asked) == [0, 5, 3, 3, None, 0]
    assert bridge.client.get_entity(EntityInstanceId("Counter", "a")).get_typed_state() == 0


def test_transfer_between_two_locked_accounts(bridge):
    """The lesson on transfers: two entities change together, whoever else wants them."""

    @bridge.hub.entity
    class Account:
        def __init__(self):
            self.balance = 0

        def add(self, amount: int, context: df.DurableEntityContext):
            if self.balance + amount < 0:
                raise ValueError(f"{context.entity_key} has only {self.balance}")
            self.balance += amount
            return self.balance

    @bridge.hub.orchestrator
    def transfer(context: df.DurableOrchestrationContext):
        order = context.get_input()
        payer, payee = (df.EntityId("Account", order[key]) for key in ("from", "to"))
        with (yield context.lock([payer, payee])):
            yield context.call_entity(payer, "add", -order["amount"])
            return (yield context.call_entity(payee, "add", order["amount"]))

    bridge.serve()
    for key in ("ada", "grace"):
        bridge.client.signal_entity(EntityInstanceId("Account", key), "add", 100)
    there = [bridge.start("transfer", {"from": "ada", "to": "grace", "amount": 10}) for _ in range(5)]
    back = [bridge.start("transfer", {"from": "grace", "to": "ada", "amount": 10}) for _ in range(5)]
    for instance_id in there + back:
        bridge.result(instance_id)
    assert bridge.run("transfer", {"from": "ada", "to": "grace", "amount": 100}) == 200
    failure = bridge.failure("transfer", {"from": "ada", "to": "grace", "amount": 1})
    assert failure.message == "ada has only 0"
    assert bridge.run("transfer", {"from": "grace", "to": "ada", "amount": 1}) == 1  # the locks are free
