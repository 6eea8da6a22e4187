"""The journal of a conversation grows with its turns, not with their square."""

from pydantic_ai import Agent

import durablenb as df
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
    few, more, many = bytes_of(4), bytes_of(8), bytes_of(16)
    assert many - more < 2.1 * (more - few)
