"""Tool calls that need approval, and tools whose results come from outside: external events."""

import pytest
from pydantic_ai import Agent, ApprovalRequired, CallDeferred, RunContext

import durablenb as df
from tests.agents.scripts import Script, agent_of, calls, says_the_result, settle

REFUND = calls(("refund", {"order": "A-17", "amount": 40}))


def clerk(answer=REFUND):
    agent = agent_of(answer, says_the_result, name="clerk")

    @agent.tool_plain(requires_approval=True)
    def refund(order: str, amount: int) -> str:
        return f"{amount} for {order}"

    return agent


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        (True, "40 for A-17"),
        ({"approve": True}, "40 for A-17"),
        ({"approve": True, "args": {"order": "A-17", "amount": 20}}, "20 for A-17"),
        (False, "The tool call was denied."),
        ({"approve": False, "message": "Not without a receipt."}, "Not without a receipt."),
    ],
)
def test_a_call_waits_for_approval(hub, payload, answer):
    handle = hub.start(hub.agent(clerk()), "refund")
    settle(hub)
    assert str(handle.status().runtime_status) == "Running"
    handle.raise_event("approval.refund-0", payload)
    assert handle.result() == answer
    assert handle.replay().fits


def test_a_payload_that_decides_nothing_is_logged_and_the_wait_goes_on(hub):
    handle = hub.start(hub.agent(clerk()), "refund")
    handle.raise_event("approval.refund-0", "yes")
    settle(hub)
    assert "approval.refund-0" in handle.logs()[0].message
    handle.raise_event("approval.refund-0", True)
    assert handle.result() == "40 for A-17"


def test_each_of_two_calls_has_its_own_decision(hub):
    two = calls(("refund", {"order": "a", "amount": 1}), ("refund", {"order": "b", "amount": 2}))
    handle = hub.start(hub.agent(clerk(two)), "refund")
    handle.raise_event("approval.refund-1", False)
    handle.raise_event("approval.refund-0", True)
    assert handle.result() == "1 for a"


def test_a_tool_may_ask_for_approval_itself(hub):
    agent = agent_of(REFUND, says_the_result, name="clerk")

    @agent.tool
    def refund(ctx: RunContext, order: str, amount: int) -> str:
        if amount > 30 and not ctx.tool_call_approved:
            raise ApprovalRequired
        return f"{amount} for {order}"

    handle = hub.start(hub.agent(agent), "refund")
    handle.raise_event("approval.refund-0", True)
    assert handle.result() == "40 for A-17"


def test_the_result_of_an_external_tool_is_an_event(hub):
    agent = agent_of(calls(("scan", {"page": 1})), says_the_result, name="clerk")

    @agent.tool_plain
    def scan(page: int) -> str:
        raise CallDeferred

    handle = hub.start(hub.agent(agent), "scan")
    handle.raise_event("result.scan-0", "a letter")
    assert handle.result() == "a letter"


def test_a_crash_while_it_waits_changes_nothing(hub):
    durable = hub.agent(clerk())
    report = df.lab.crash_everywhere(durable, "refund", hub=hub, events=[("approval.refund-0", True)])
    report.check()


def test_what_waits_is_listed_with_its_arguments_and_decided(hub):
    two = calls(("refund", {"order": "a", "amount": 1}), ("refund", {"order": "b", "amount": 2}))
    handle = hub.start(hub.agent(clerk(two)), "refund")
    settle(hub)
    first, second = handle.approvals()
    assert (first.tool, first.agent, first.args) == ("refund", "clerk", {"order": "a", "amount": 1})
    second.deny("Not b.")
    settle(hub)
    assert [waiting.call_id for waiting in handle.approvals()] == ["refund-0"]
    first.approve({"order": "a", "amount": 5})
    assert handle.result() == "5 for a"
    assert handle.approvals() == []


def test_a_replay_shows_the_awaits_of_the_orchestrator_not_those_of_the_library(hub):
    durable = hub.agent(clerk())

    @hub.orchestrator
    async def main(context):
        print("before")
        result = await durable.run("refund")
        return result.output

    handle = hub.start(main)
    settle(hub)
    handle.approvals()[0].approve()
    assert handle.result() == "40 for A-17"
    trace = handle.replay().trace
    kinds = [[type(event).__name__ for event in reached.requests] for reached in trace.awaits]
    assert kinds == [["TaskScheduled"], ["EventSubscribed", "TaskScheduled"], ["TaskScheduled"]]
    assert trace.awaits[0].printed == ("before",)
    assert {reached.line for reached in trace.awaits} == {main.__code__.co_firstlineno + 3}
    assert [reached.calls for reached in trace.awaits] == [()] * 3
    assert "messages" not in trace.awaits[0].names  # which the library has


def test_what_waits_in_another_agent_is_listed_too(hub):
    asked = hub.agent(clerk())
    script = Script(calls(("clerk", {"prompt": "refund"})), says_the_result)
    handle = hub.start(hub.agent(Agent(script.model, name="boss", tools=[asked.as_tool()])), "go")
    settle(hub)
    (waiting,) = handle.approvals()
    assert waiting.instance_id != handle.id
    waiting.approve()
    assert handle.result() == "40 for A-17"


def test_an_agents_approvals_are_decided_from_elsewhere(tmp_path):
    path = tmp_path / "a.duckdb"
    with df.TaskHub(path) as hub, hub.serve(port=0) as server:
        handle = hub.start(hub.agent(clerk()), "refund", instance_id="x")
        elsewhere = df.TaskHub.connect(server.url, key=server.key).handle("x")
        while not elsewhere.approvals():
            elsewhere.hub._journal.refresh("x", 0.1)
        elsewhere.approvals()[0].approve()
        assert handle.result(10) == "40 for A-17"
