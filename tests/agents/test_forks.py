"""Forks of agents: other answers, another prompt and another model."""

import pytest
from pydantic_ai import Agent, ModelRetry, ToolFailed
from pydantic_ai.messages import TextPart, ToolCallPart, UserPromptPart

import durablenb as df
from tests.agents.scripts import Script, agent_of, calls, says, settle


def last_answer_of_a_tool(messages, info):
    return says(f"It is {messages[-1].parts[0].content}.")


@pytest.fixture
def handle(hub):
    agent = agent_of(calls(("look", {"city": "Oslo"})), last_answer_of_a_tool, name="guide")

    @agent.tool_plain
    def look(city: str) -> str:
        return f"cold in {city}"

    durable = hub.agent(agent, models={"terse": Script(says("Cold.")).model})
    handle = hub.start(durable, "Oslo?", instance_id="a")
    assert handle.result() == "It is cold in Oslo."
    return handle


@pytest.mark.parametrize(
    ("variant", "answer", "requests"),
    [
        ({"answers": {"#1": "hot"}}, "It is hot.", 1),
        ({"answers": {"#0": "No idea."}}, "No idea.", 0),
        ({"answers": {"#0": [TextPart("A guess.")]}}, "A guess.", 0),
        ({"answers": {"#0": [ToolCallPart("look", {"city": "Rome"})]}}, "It is cold in Rome.", 1),
        ({"answers": {"#0": calls(("look", {"city": "Bonn"}))}}, "It is cold in Bonn.", 1),
        ({"input": "Rome?"}, "It is cold in Oslo.", 2),
        ({"input": {"prompt": "Oslo?", "model": "terse"}}, "Cold.", 1),
    ],
)
def test_a_fork_of_an_agent_has_other_answers_or_another_input(handle, variant, answer, requests):
    fork = handle.fork(**variant)
    assert fork.result() == answer
    assert fork.replay().fits
    made = handle.hub.sql("select count(input_tokens) from llm_calls where instance_id <> 'a'")
    assert made.fetchall() == [(requests,)]


@pytest.mark.parametrize("raised", [ToolFailed("closed"), ModelRetry("Ask for a city.")], ids=str)
def test_a_tool_that_reported_a_failure_has_a_result_in_the_fork(hub, raised):
    agent = agent_of(calls(("look", {})), last_answer_of_a_tool, name="guide")

    @agent.tool_plain
    def look() -> str:
        raise raised

    handle = hub.start(hub.agent(agent), "Oslo?")
    assert str(raised) in handle.result()
    fork = handle.fork(answers={"#1": "hot"})
    assert fork.result() == "It is hot."
    assert fork.replay().fits


def prompts(script, number):
    """The user's prompts of a request."""
    parts = [part for message in script.requests[number] for part in message.parts]
    return [part.content for part in parts if isinstance(part, UserPromptPart)]


def test_a_prompt_in_the_middle_is_edited_by_the_event_that_brought_it(hub):
    script = Script(says("one"), says("two"), says("three"))
    durable = hub.agent(Agent(script.model, name="chat"))

    @hub.orchestrator
    async def chat(context):
        messages = []
        for _ in range(3):
            prompt = await context.wait_for_external_event("Say")
            messages = (await durable.run(prompt, message_history=messages)).all_messages()
        return messages[-1].parts[0].content

    handle = hub.start(chat)
    for prompt in ("a", "b", "c"):
        handle.raise_event("Say", prompt)
        settle(hub)  # the answer comes before the next prompt
    assert handle.result() == "three"
    said = [event for event in handle.history() if type(event).__name__ == "EventRaised"]
    fork = handle.fork(results={said[1].event_id: "B"})
    fork.raise_event("Say", "C")
    assert fork.result() == "three"
    assert [prompts(script, number) for number in (3, 4)] == [["a", "B"], ["a", "B", "C"]]
    assert len(script.requests) == 5


def test_a_prompt_in_the_code_is_edited_there_and_the_turns_before_are_shared(hub):
    script = Script(says("one"), says("two"))
    durable = hub.agent(Agent(script.model, name="chat"))

    def register(prompt):
        @hub.orchestrator
        async def talk(context):
            first = await durable.run("a")
            return (await durable.run(prompt, message_history=first.all_messages())).output

        return talk

    handle = hub.start(register("b"))
    assert handle.result() == "two"
    register("B")
    with pytest.raises(df.NonDeterminismError):
        handle.fork()
    assert handle.fork(answers={"#0": "one"}).result() == "two"
    assert [prompts(script, number) for number in range(3)] == [["a"], ["a", "b"], ["a", "B"]]
    assert len(script.requests) == 3
