"""Agents that fail, or can't be durable, and what is said then."""

import subprocess
import sys
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import UserError
from pydantic_ai.toolsets import FunctionToolset

import durablenb as df
from durablenb.notebook.still.failure import failure_table
from tests.agents.scripts import Script, agent_of, calls, says, settle


def test_without_an_agent_pydantic_ai_is_not_imported():
    code = "import sys, durablenb as df; df.TaskHub(':memory:').close(); print('pydantic_ai' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_without_pydantic_ai_the_extra_is_named(hub, monkeypatch):
    monkeypatch.setitem(sys.modules, "durablenb.agents.durable_agent", None)
    with pytest.raises(ImportError, match=r"pip install 'durablenb\[agents\]'"):
        hub.agent(object())


def test_an_agent_needs_a_name(hub):
    with pytest.raises(ValueError, match=r"hub.agent\(agent, name='support'\)"):
        hub.agent(Agent(Script(says("x")).model))


def test_a_tool_set_needs_an_id(hub):
    with pytest.raises(UserError, match="need to have a unique `id`"):
        hub.agent(agent_of(says("x"), name="a", toolsets=[FunctionToolset()]))


def test_a_tool_cannot_be_named_model(hub):
    agent = agent_of(says("x"))
    agent.tool_plain(lambda: 1, name="model")
    with pytest.raises(ValueError, match=r"the name 'a.model'.*Rename the tool"):
        hub.agent(agent)


def test_an_unknown_option_is_refused(hub):
    with pytest.raises(
        TypeError, match="model has the unknown option 'retries'; expected some of retry_options"
    ):
        hub.agent(agent_of(says("x")), model={"retries": 3})


def test_a_model_that_fails_is_asked_again_as_its_policy_says():
    clock = df.VirtualClock()
    with df.TaskHub(":memory:", mode="kernel", clock=clock) as hub:
        fails = [RuntimeError("overloaded"), RuntimeError("overloaded")]

        def answer(messages, info):
            if fails:
                raise fails.pop()
            return says("at last")

        durable = hub.agent(agent_of(answer), model={"retry_options": df.RetryOptions(1_000, 3)})
        handle = hub.start(durable, "go")
        assert handle.result() == "at last"
        assert handle.replay().fits


def test_the_conversation_after_a_retry_is_whole(tmp_path):
    fails = [RuntimeError("overloaded")]

    def answer(messages, info):
        if fails:
            raise fails.pop()
        return calls(("noop", {}))

    script = Script(answer, says("done"))
    agent = Agent(script.model, name="a")
    agent.tool_plain(lambda: 1, name="noop")
    path = tmp_path / "a.duckdb"
    options: dict[str, Any] = {"retry_options": df.RetryOptions(1, 3)}
    with df.TaskHub(path, mode="kernel") as hub:
        hub.start(hub.agent(agent, model=options), "go", instance_id="x")
        while len(script.requests) < 2:
            hub.step()
    script.requests.clear()
    with df.TaskHub(path, mode="kernel") as hub:
        hub.agent(agent, model=options)
        while hub.handle("x").status().runtime_status == "Running" and hub.step():
            pass
        assert hub.handle("x").result() == "done"
    assert [len(messages) for messages in script.requests] == [3]


def test_a_model_that_fails_for_good_fails_the_run(hub):
    durable = hub.agent(agent_of(RuntimeError("no such model")))

    @hub.orchestrator
    async def main(context):
        try:
            await durable.run("go")
        except df.TaskFailedError as error:
            return str(error)

    assert "no such model" in hub.run(main)


def test_a_result_that_cannot_be_kept_is_named_and_not_retried(hub):
    agent = agent_of(calls(("connect", {})), says("x"))
    tries = []

    @agent.tool_plain(metadata={"durablenb": {"retry_options": df.RetryOptions(1, 5)}})
    def connect() -> Any:
        tries.append(1)
        return object()

    with pytest.raises(Exception, match=r"The result can't be kept in the journal: .*object"):
        hub.run(hub.agent(agent), "go")
    assert len(tries) == 1


def test_a_tool_that_is_not_registered_here_waits_for_its_code(tmp_path):
    path = tmp_path / "a.duckdb"
    agent = agent_of(calls(("work", {})), says("done"))
    agent.tool_plain(lambda: "worked", name="work")
    with df.TaskHub(path, mode="kernel") as hub:
        hub.start(hub.agent(agent), "go", instance_id="x")
        while hub.sql("select 1 from activities where name = 'a.work'").fetchall() == []:
            hub.step()
    with df.TaskHub(path, mode="kernel") as hub:
        hub.agent(agent_of(says("x")))
        settle(hub)
        assert str(hub.handle("x").status().runtime_status) == "Running"
        hub.agent(agent)
        assert hub.handle("x").result() == "done"


def test_a_tool_set_of_one_run_is_refused(hub):
    durable = hub.agent(agent_of(says("x")))

    @hub.orchestrator
    async def main(context):
        await durable.run("go", toolsets=[FunctionToolset(id="late")])

    with pytest.raises(Exception, match="durablenb"):
        hub.run(main)


def slow_reader(instructions="Read all pages.", description="Look at a page of the book."):
    def look(page: int) -> str:
        return f"page {page}"

    look.__doc__ = description
    agent = agent_of(calls(("look", {"page": 1})), says("done"), name="reader")
    agent.instructions(lambda: instructions)
    agent.tool_plain(look, requires_approval=True)
    return agent


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"instructions": "Read no pages."},
            r"input\.messages\[0\]\.instructions: recorded 'Read all pages\.', requested 'Read no pages\.'",
        ),
        (
            {"description": "Look at one page of the book."},
            r"input\.parameters\.function_tools\[0\]\.description: recorded 'Look at a page of the book\.', "
            r"requested 'Look at one page of the book\.'",
        ),
    ],
    ids=["instructions", "description"],
)
def test_a_changed_agent_is_told_by_what_changed_and_the_advice_works(tmp_path, changed, words):
    with df.TaskHub(tmp_path / "a.duckdb", mode="kernel") as hub:
        hub.start(hub.agent(slow_reader()), "go", instance_id="x")
        settle(hub)
    with df.TaskHub(tmp_path / "a.duckdb", mode="kernel") as hub:
        hub.agent(slow_reader(**changed))
        handle = hub.handle("x")
        handle.approvals()[0].approve()
        with pytest.raises(df.NonDeterminismError, match=words) as caught:
            handle.result()
        assert "hub.agent(agent, name=...)" in str(caught.value)
        assert "handle.restart()" in str(caught.value)
        again = handle.restart()
        settle(hub)
        again.approvals()[0].approve()
        assert again.result() == "done"
        hub.agent(slow_reader())
        assert handle.result() == "done"


@pytest.mark.parametrize("is_direct", [True, False])
def test_a_failing_tool_is_shown_by_its_name_and_its_line_without_pydantic_ai(hub, is_direct):
    agent = agent_of(calls(("look", {})), says("done"), name="reader")

    @agent.tool_plain
    def look() -> str:
        raise KeyError("missing")

    durable = hub.agent(agent)

    @hub.orchestrator
    async def main(context):
        return (await durable.run("go")).output

    handle = hub.start(durable if is_direct else main, "go")
    with pytest.raises(
        df.TaskFailedError, match=r"Activity function 'reader.look' failed: 'missing'"
    ) as caught:
        handle.result()
    assert 'raise KeyError("missing")' in str(caught.value)
    assert "pydantic_ai" not in str(caught.value)
    failure = handle.status().failure_details
    assert failure is not None
    shown = failure_table(failure)
    assert "look, line" in shown
    assert "pydantic" not in shown
    assert ("main, line" in shown) is not is_direct


def test_an_error_of_pydantic_ai_itself_keeps_its_traceback(hub):
    durable = hub.agent(agent_of(calls(("nothing", {})), name="reader"))
    handle = hub.start(durable, "go")
    with pytest.raises(df.TaskFailedError):
        handle.result()
    failure = handle.status().failure_details
    assert failure is not None
    assert "pydantic_ai" in failure.stack_trace
