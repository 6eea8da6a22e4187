"""Behaviours that pydantic-ai's own tests require of a durable engine, unless they are tested elsewhere."""

import asyncio
from datetime import timedelta

import pytest
from pydantic_ai import Agent, RunContext, ToolFailed, UsageLimits
from pydantic_ai.exceptions import UsageLimitExceeded, UserError
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.toolsets import FunctionToolset

import durablenb as df
from tests.agents.scripts import Script, agent_of, calls, says, says_the_result


def run_in(hub, durable, *args, **options):
    """Run an agent in an orchestrator; return what comes of it, once it has also been replayed."""

    @hub.orchestrator
    async def main(context):
        return (await durable.run(*args, **options)).output

    handle = hub.start(main)
    try:
        return handle.result()
    finally:
        assert handle.replay().fits


def test_an_agent_needs_a_model(hub):
    with pytest.raises(UserError, match="needs to have a `model`"):
        hub.agent(Agent(name="a"))


def test_two_tool_sets_cannot_have_the_same_id(hub):
    with pytest.raises(UserError, match="Two toolsets have the same `id`"):
        hub.agent(agent_of(says("x"), toolsets=[FunctionToolset(id="t"), FunctionToolset(id="t")]))


def test_a_model_that_is_not_registered_is_refused(hub):
    durable = hub.agent(agent_of(says("x")))
    with pytest.raises(Exception, match="was not registered with"):
        run_in(hub, durable, "go", model=Script(says("y")).model)


def test_a_registered_model_is_selected_by_instance(hub):
    other = Script(says("other")).model
    assert run_in(hub, hub.agent(agent_of(says("x")), models={"other": other}), "go", model=other) == "other"


def test_a_fallback_model_falls_back_inside_the_activity(hub):
    from pydantic_ai.exceptions import ModelHTTPError

    model = FallbackModel(Script(ModelHTTPError(503, "first")).model, Script(says("second")).model)
    handle = hub.start(hub.agent(Agent(model, name="a")), "go")
    assert handle.result() == "second"
    assert hub.sql("select count(*) from activities").fetchall() == [(1,)]


def test_a_limit_on_requests_holds(hub):
    agent = agent_of(calls(("again", {})))
    agent.tool_plain(lambda: 1, name="again")

    @hub.orchestrator
    async def main(context):
        try:
            await durable.run("go", usage_limits=UsageLimits(request_limit=2))
        except UsageLimitExceeded:
            return "enough"

    durable = hub.agent(agent)
    handle = hub.start(main)
    assert handle.result() == "enough"
    assert handle.replay().fits


def test_a_tool_that_reports_its_failure_tells_the_model(hub):
    agent = agent_of(calls(("fail", {})), says_the_result)

    @agent.tool_plain
    def fail() -> str:
        raise ToolFailed("The printer is out of paper.")

    assert "out of paper" in run_in(hub, hub.agent(agent), "go")


def test_a_tools_context_has_the_run_but_not_the_conversation(hub):
    agent = agent_of(calls(("look", {})), lambda messages, info: says(messages[-1].parts[0].content))

    @agent.tool
    def look(ctx: RunContext) -> str:
        with pytest.raises(UserError, match="isn't available in an activity"):
            ctx.messages
        with pytest.raises(UserError, match="enqueue"):
            ctx.enqueue("more")
        return f"{ctx.tool_name} {ctx.tool_call_id} {ctx.run_step} {ctx.usage.requests} {ctx.agent.name}"

    assert run_in(hub, hub.agent(agent), "go") == "look look-0 1 1 a"


def test_two_agents_run_at_the_same_time(hub):
    first = hub.agent(agent_of(says("1"), name="first"))
    second = hub.agent(agent_of(says("2"), name="second"))

    @hub.orchestrator
    async def main(context):
        both = await asyncio.gather(first.run("a"), second.run("b"), first.run("c"))
        return [one.output for one in both]

    handle = hub.start(main)
    assert handle.result() == ["1", "2", "1"]
    assert handle.replay().fits


def test_the_cell_of_an_agent_can_run_again(hub):
    hub.agent(agent_of(says("old")))
    assert hub.run(hub.agent(agent_of(says("new"))), "go") == "new"


class Never:
    """Answers only when the request is cancelled."""

    def __init__(self):
        self.is_cancelled = False

    async def __call__(self, messages, info):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.is_cancelled = True
            raise


def test_a_run_that_takes_too_long_is_stopped_and_so_is_its_request():
    from pydantic_ai.models.function import FunctionModel

    never = Never()
    with df.TaskHub(":memory:") as hub:
        durable = hub.agent(Agent(FunctionModel(never.__call__), name="a"))

        @hub.orchestrator
        async def main(context):
            try:
                async with asyncio.timeout(0.2):
                    await durable.run("go")
            except TimeoutError:
                return "too long"

        handle = hub.start(main)
        assert handle.result(10) == "too long"
        assert handle.replay().fits
    assert never.is_cancelled


def test_a_canceled_orchestration_stops_its_request():
    from pydantic_ai.models.function import FunctionModel

    never = Never()
    with df.TaskHub(":memory:") as hub:
        handle = hub.start(hub.agent(Agent(FunctionModel(never.__call__), name="a")), "go")
        while not hub.sql("select 1 from activities").fetchall():
            handle.status()
        handle.cancel("no longer needed")
        with pytest.raises(df.OrchestrationCanceledError):
            handle.result(10)
    assert never.is_cancelled


def test_a_request_has_a_time_out(hub):
    from pydantic_ai.models.function import FunctionModel

    durable = hub.agent(
        Agent(FunctionModel(Never().__call__), name="a"), model={"timeout": timedelta(seconds=0.1)}
    )
    with pytest.raises(TimeoutError):
        hub.run(durable, "go")


def test_an_orchestrations_input_may_have_limits(hub):
    agent = agent_of(calls(("again", {})))
    agent.tool_plain(lambda: 1, name="again")
    with pytest.raises(Exception, match="request_limit of 3"):
        hub.run(hub.agent(agent), {"prompt": "go", "usage_limits": {"request_limit": 3}})
    assert hub.sql("select count(*) from activities where name = 'a.model'").fetchall() == [(3,)]


def test_what_is_redacted_reaches_neither_the_journal_nor_the_model():
    import json

    def redact(kind, tree):
        return json.loads(json.dumps(tree).replace("sesame", "####"))

    script = Script(calls(("look", {})), says("done"))
    agent = Agent(script.model, name="a")
    agent.tool_plain(lambda: "door sesame", name="look")
    with df.TaskHub(":memory:", mode="kernel", redact=redact) as hub:
        assert hub.run(hub.agent(agent), "the code is sesame") == "done"
        assert hub.sql("select 1 from journal where payload like '%sesame%'").fetchall() == []
    assert [message.parts[0].content for message in script.requests[1][::2]] == [
        "the code is ####",
        "door ####",
    ]
