"""Retries, limits and queues of an agent's requests and tools, and what inputs have in place of chance."""

import dataclasses
import time
from typing import Any

import pytest
from pydantic_ai import RunContext

import durablenb as df
from durablenb.agents.stable_json import stable_json
from tests.agents.scripts import agent_of, calls, says


def test_a_tool_is_retried_by_its_own_policy_or_by_that_of_all_tools():
    attempts = {"own": 0, "common": 0}

    def tries(name):
        attempts[name] += 1
        raise ConnectionError(name)

    agent = agent_of(lambda messages, info: calls((messages[0].parts[0].content, {})))
    metadata: dict[str, Any] = {"durablenb": {"retry_options": df.RetryOptions(1, 3)}}
    agent.tool_plain(lambda: tries("own"), name="own", metadata=metadata)
    agent.tool_plain(lambda: tries("common"), name="common")
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        durable = hub.agent(agent, tools={"retry_options": df.RetryOptions(1, 2)})
        for name in attempts:
            with pytest.raises(df.TaskFailedError, match=name):
                hub.run(durable, name)
    assert attempts == {"own": 3, "common": 2}


def test_a_tool_has_a_time_out():
    agent = agent_of(calls(("slow", {})))
    agent.tool_plain(lambda: time.sleep(0.2), name="slow")
    with df.TaskHub(":memory:") as hub, pytest.raises(TimeoutError):
        hub.run(hub.agent(agent, tools={"timeout": 0.02}), "go")


def test_requests_and_tools_have_the_queues_of_their_options(hub):
    agent = agent_of(calls(("look", {})), says("done"))
    metadata: dict[str, Any] = {"durablenb": {"queue": "own"}}
    agent.tool_plain(lambda: 1, name="look", metadata=metadata)
    agent.tool_plain(lambda: 1, name="other")
    hub.add_queue(df.Queue("own", concurrency=1))
    durable = hub.agent(
        agent, model={"queue": df.Queue("provider", concurrency=4)}, tools={"max_concurrency": 2}
    )
    assert {queue.name for queue in hub.queues} >= {"own", "provider"}
    assert hub.run(durable, "go") == "done"


def test_dependencies_of_a_run_reach_the_orchestrator_only(hub):
    seen = []
    agent = agent_of(calls(("look", {})), says("done"), deps_type=str)
    agent.instructions(lambda ctx: f"You are in {ctx.deps}.")

    @agent.tool
    def look(ctx: RunContext[str]) -> str:
        seen.append(ctx.deps)
        return "nothing"

    durable = hub.agent(agent)

    @hub.orchestrator
    async def main(context):
        result = await durable.run("go", deps="Delft")
        return result.all_messages()[0].instructions

    assert hub.run(main) == "You are in Delft."
    assert seen == [None]


@dataclasses.dataclass
class Basket:
    fruits: set[str]


def test_sets_in_inputs_are_sorted_wherever_they_are():
    fruits = {"pear", "apple", "fig", "kiwi"}
    expected = sorted(fruits)
    assert stable_json(fruits) == stable_json(frozenset(fruits)) == expected
    assert stable_json({"a": [fruits, (1, fruits)]}) == {"a": [expected, [1, expected]]}
    assert stable_json(Basket(fruits)) == {"fruits": expected}
