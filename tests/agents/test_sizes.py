"""The bytes and the work of a conversation grow with its turns, not with their square."""

from itertools import pairwise

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import UserPromptPart

import durablenb as df
from durablenb.agents import conversations
from tests.agents.scripts import Script, calls, says


def bytes_of(turns):
    """The bytes of inputs and results in the history of a conversation of so many turns."""
    script = Script(*[calls(("look", {"page": page})) for page in range(turns - 1)], says("done"))
    agent = Agent(script.model, name="reader", instructions="Read all pages.")

    @agent.tool_plain
    async def look(page: int) -> str:
        return f"page {page}: " + "lorem ipsum " * 20

    with df.TaskHub(":memory:", mode="kernel", executor="inline") as hub:
        handle = hub.start(hub.agent(agent), {"prompt": "Read.", "usage_limits": None})
        assert handle.result() == "done"
        assert len(script.requests) == turns
        assert len(script.requests[-1]) == 2 * turns - 1
        rows = hub.sql(f"select sum(length(payload)) from journal where instance_id = '{handle.id}'")
        return rows.fetchall()[0][0]


def test_a_conversation_of_n_turns_takes_n_times_the_bytes_of_one():
    few, more, many = bytes_of(3), bytes_of(6), bytes_of(12)
    assert many - more < 2.1 * (more - few)


def reader(turns):
    script = Script(*[calls(("look", {"page": page})) for page in range(turns - 1)], says("done"))
    agent = Agent(script.model, name="reader", instructions="Read all pages.")
    agent.tool_plain(lambda page: f"page {page}", name="look")
    return script, agent


@pytest.mark.parametrize("is_replayed", [False, True])
def test_each_message_is_hashed_once_in_the_orchestrator(hub, monkeypatch, is_replayed):
    hashed = []
    original = conversations._hash

    def hash_(before, message):
        hashed.append(message)
        return original(before, message)

    _, agent = reader(6)
    durable = hub.agent(agent)
    if is_replayed:
        handle = hub.start(durable, "Read.")
        assert handle.result() == "done"
        monkeypatch.setattr(conversations, "_hash", hash_)
        assert handle.replay().fits
    else:
        monkeypatch.setattr(conversations, "_hash", hash_)
        assert hub.run(durable, "Read.") == "done"
    requests, answers = 6, 6
    assert len(hashed) <= requests + 2 * answers  # an answer as it came, and as the run passes it on


def test_each_message_becomes_an_object_once_for_all_requests(hub):
    script, agent = reader(6)
    assert hub.run(hub.agent(agent), "Read.") == "done"
    for before, after in pairwise(script.requests):
        known = before[:-1]  # without the new one
        assert [id(one.parts[0]) for one in known] == [id(one.parts[0]) for one in after[: len(known)]]


def test_a_model_that_changes_its_messages_changes_nothing_for_the_next_request(hub):
    seen = []

    def look(messages, info):
        seen.append([part.content for message in messages[:1] for part in message.parts])
        messages[0].parts[0].content = "changed"
        messages[0].parts.append(UserPromptPart("added"))
        return calls(("look", {"page": 1}))

    script = Script(look, look, says("done"))
    agent = Agent(script.model, name="reader")
    agent.tool_plain(lambda page: f"page {page}", name="look")
    handle = hub.start(hub.agent(agent), "Read.")
    assert handle.result() == "done"
    assert seen == [["Read."], ["Read."]]
    assert handle.replay().fits


def test_a_message_that_the_run_changes_is_a_new_one(hub):
    script, agent = reader(3)
    durable = hub.agent(agent)

    @hub.orchestrator
    async def main(context):
        first = await durable.run("Read.")
        history = first.all_messages()
        history[0].parts[0].content = "Read again."
        await durable.run("And now?", message_history=history)
        return script.requests[-1][0].parts[0].content

    handle = hub.start(main)
    assert handle.result() == "Read again."
    assert handle.replay().fits
