"""Runs of agents: inside an orchestrator, and as orchestrations."""

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry, RunContext
from pydantic_ai.messages import ModelResponse
from pydantic_ai.models.test import TestModel
from pydantic_ai.toolsets import FunctionToolset

import durablenb as df
from tests.agents.scripts import Script, agent_of, calls, says, says_the_result


def activities(hub, handle):
    """The names of an instance's activities, in the order of their requests."""
    found = hub.sql(f"select name from activities where instance_id = '{handle.id}' order by task_id")
    return [name for (name,) in found.fetchall()]


def calculator(*answers):
    script = Script(*answers)
    agent = Agent(script.model, name="calc")

    @agent.tool_plain
    async def add(a: int, b: int) -> int:
        return a + b

    @agent.tool_plain
    def multiply(a: int, b: int) -> int:
        return a * b

    return agent, script


def test_requests_and_tools_are_activities_named_after_the_agent(hub):
    agent, script = calculator(
        calls(("add", {"a": 1, "b": 2}), ("multiply", {"a": 3, "b": 4})), says("3 and 12")
    )
    durable = hub.agent(agent)
    handle = hub.start(durable, "compute")
    assert handle.result() == "3 and 12"
    assert activities(hub, handle) == ["calc.model", "calc.add", "calc.multiply", "calc.model"]
    assert script.turns == [0, 1]
    assert handle.status().name == "calc"


def test_a_run_is_part_of_an_orchestrator(hub):
    agent, script = calculator(says("one"), says("two"))
    durable = hub.agent(agent)

    @hub.orchestrator
    async def main(context):
        first = await durable.run("a")
        second = await durable.run("b", message_history=first.all_messages())
        return first.output, second.output, second.usage.requests

    handle = hub.start(main)
    assert handle.result() == ("one", "two", 1)
    assert handle.replay().fits
    assert [len(request) for request in script.requests] == [1, 3]


def test_tools_of_one_turn_run_at_the_same_time():
    import threading

    both = threading.Barrier(2, timeout=5)
    agent = agent_of(calls(("left", {}), ("right", {})), says("met"), name="meeting")

    @agent.tool_plain
    def left() -> str:
        both.wait()
        return "left"

    @agent.tool_plain
    def right() -> str:
        both.wait()
        return "right"

    with df.TaskHub(":memory:") as hub:
        assert hub.run(hub.agent(agent), "meet") == "met"


def test_outside_an_orchestrator_it_runs_as_pydantic_ai_does(hub):
    agent, _ = calculator(says("plain"))
    durable = hub.agent(agent)
    import asyncio

    assert asyncio.run(durable.run("a")).output == "plain"
    assert hub.instances() == []


def test_an_output_has_its_type_in_the_orchestrator_and_is_rebuilt_outside(hub):
    @hub.register_type
    class City(BaseModel):
        name: str
        people: int

    agent = Agent(
        TestModel(custom_output_args={"name": "Delft", "people": 100_000}), output_type=City, name="cities"
    )
    durable = hub.agent(agent)

    @hub.orchestrator
    async def main(context):
        return (await durable.run("one")).output.people

    assert hub.run(main) == 100_000
    assert hub.run(durable, "one") == City(name="Delft", people=100_000)


def test_an_invalid_output_is_asked_for_again_and_the_replay_is_the_same(hub):
    script = Script(says("no"), says("yes"))
    agent = Agent(script.model, name="strict", retries={"output": 2})

    @agent.output_validator
    def is_yes(output: str) -> str:
        if output != "yes":
            raise ModelRetry("Say yes.")
        return output

    handle = hub.start(hub.agent(agent), "go")
    assert handle.result() == "yes"
    assert "Say yes." in script.requests[1][-1].parts[0].content
    assert handle.replay().fits


def test_a_tool_that_asks_for_another_try_gets_one(hub):
    script = Script(calls(("half", {"n": 3})), calls(("half", {"n": 4})), says("2"))
    agent = Agent(script.model, name="halves")

    @agent.tool_plain
    def half(n: int) -> int:
        if n % 2:
            raise ModelRetry("Only even numbers.")
        return n // 2

    handle = hub.start(hub.agent(agent), "go")
    assert handle.result() == "2"
    assert script.requests[1][-1].parts[0].content == "Only even numbers."
    assert handle.replay().fits


@pytest.mark.parametrize(("returned", "read"), [(None, None), (float("nan"), None), ([None], [None])])
def test_a_tool_may_return_nothing(hub, returned, read):
    script = Script(calls(("look", {})), says_the_result)
    agent = Agent(script.model, name="a")

    @agent.tool_plain
    def look():
        return returned

    handle = hub.start(hub.agent(agent), "go")
    assert handle.result() == str(read)
    assert handle.replay().fits


def test_dependencies_are_made_anew_for_each_activity(hub):
    made = []

    class Shop:
        def __init__(self):
            made.append(self)

        def price(self, article):
            return {"tea": 3}[article]

    script = Script(calls(("price", {"article": "tea"})), says("3"))
    agent = Agent(script.model, deps_type=Shop, name="shop", instructions="Be kind.")

    @agent.tool
    def price(ctx: RunContext[Shop], article: str) -> int:
        return ctx.deps.price(article)

    handle = hub.start(hub.agent(agent, deps=Shop), "tea?")
    assert handle.result() == "3"
    assert len(made) == 4  # of the run, of two requests and of the tool
    assert script.requests[0][0].instructions == "Be kind."


def test_settings_and_tools_of_the_run_reach_the_model(hub):
    seen = []

    def answer(messages, info):
        seen.append((info.model_settings, [tool.name for tool in info.function_tools]))
        return says("done") if len(seen) > 1 else calls(("add", {"a": 1, "b": 1}))

    agent, _ = calculator(answer)
    durable = hub.agent(agent)

    @hub.orchestrator
    async def main(context):
        return (await durable.run("a", model_settings={"temperature": 0.5})).output

    assert hub.run(main) == "done"
    assert seen == [({"temperature": 0.5}, ["add", "multiply"])] * 2


def test_another_model_is_selected_by_its_id(hub):
    agent, first = calculator(says("first"))
    second = Script(says("second"))
    durable = hub.agent(agent, models={"other": second.model})
    handle = hub.start(durable, {"prompt": "a", "model": "other"})
    assert handle.result() == "second"
    assert not first.requests


def test_a_conversation_continues_in_another_orchestration(hub):
    agent, script = calculator(says("one"), says("two"))
    durable = hub.agent(agent)

    @hub.orchestrator
    async def first(context):
        from pydantic_ai.messages import ModelMessagesTypeAdapter

        result = await durable.run("a")
        return ModelMessagesTypeAdapter.dump_python(result.all_messages(), mode="json")

    messages = hub.run(first)
    assert hub.run(durable, {"prompt": "b", "message_history": messages}) == "two"
    assert script.turns == [0, 1]


def test_another_agent_is_asked_in_a_sub_orchestration(hub):
    facts = hub.agent(agent_of(says("4810 m"), name="facts", description="Knows heights."))
    script = Script(
        calls(("facts", {"prompt": "Mont Blanc"})), lambda messages, info: says(messages[-1].parts[0].content)
    )
    guide = hub.agent(Agent(script.model, name="guide", tools=[facts.as_tool()]))
    handle = hub.start(guide, "How high?")
    assert handle.result() == "4810 m"
    assert activities(hub, handle) == ["guide.model", "guide.model"]
    (child,) = [other for other in hub.instances() if other.instance_id != handle.id]
    assert child.name == "facts"
    assert child.input_ == "Mont Blanc"
    assert handle.replay().fits


def test_tools_of_tool_sets_have_the_tool_sets_name(hub):
    tools = FunctionToolset(id="geo")

    @tools.tool_plain
    def height(mountain: str) -> int:
        return 4810

    agent = Agent(
        Script(calls(("alps_height", {"mountain": "a"})), says("ok")).model,
        name="guide",
        toolsets=[tools.prefixed("alps")],
    )
    handle = hub.start(hub.agent(agent), "go")
    assert handle.result() == "ok"
    assert activities(hub, handle) == ["guide.model", "guide.geo.height", "guide.model"]


def test_a_tool_may_run_in_the_orchestrator_and_call_it(hub):
    agent = agent_of(calls(("nap", {})), says("rested"), name="sleepy")

    @agent.tool_plain(metadata={"durablenb": False})
    async def nap() -> str:
        import asyncio

        await asyncio.sleep(0.01)
        return "slept"

    handle = hub.start(hub.agent(agent), "go")
    assert handle.result() == "rested"
    assert activities(hub, handle) == ["sleepy.model", "sleepy.model"]
    assert "TimerFired" in [type(event).__name__ for event in hub.client.history(handle.id)]


def test_run_ids_are_the_same_in_a_replay_and_differ_between_runs(hub):
    agent, _ = calculator(says("x"))
    durable = hub.agent(agent)
    ids = []

    @hub.orchestrator
    async def main(context):
        ids.append([(await durable.run("a")).run_id, (await durable.run("b")).run_id])

    handle = hub.start(main)
    handle.result()
    assert handle.replay().fits
    assert len(set(ids[0])) == 2
    assert all(each == ids[0] for each in ids)


def test_models_see_the_answers_that_they_gave(hub):
    agent, script = calculator(calls(("add", {"a": 1, "b": 2})), says("3"))
    hub.run(hub.agent(agent), "go")
    kinds = [type(message).__name__ for message in script.requests[1]]
    assert kinds == ["ModelRequest", "ModelResponse", "ModelRequest"]
    assert isinstance(script.requests[1][1], ModelResponse)
    assert script.requests[1][1].parts == script.answers[0].parts
    assert script.requests[1][2].parts[0].content == 3


@pytest.mark.parametrize("given", [None, "other"])
def test_the_name_is_the_agents_or_the_given_one(hub, given):
    agent, _ = calculator(says("x"))
    durable = hub.agent(agent, name=given)
    handle = hub.start(durable, "go")
    handle.result()
    assert activities(hub, handle) == [f"{given or 'calc'}.model"]
