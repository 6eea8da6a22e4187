"""A kernel that is killed while an agent's tool runs."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys

import pytest
from pydantic_ai import Agent
from pydantic_ai.models.function import FunctionModel

import durablenb as df
from tests.agents.scripts import Script, calls, says

PROGRAM = """
import asyncio, os, sys, time
import durablenb as df
from pydantic_ai import Agent
from pydantic_ai.models.function import FunctionModel
from tests.agents.scripts import Script, calls, says

script = Script(calls(("first", {})), calls(("second", {})), says("done"))
agent = Agent(script.model, name="worker")

@agent.tool_plain
def first() -> str:
    os.write(1, b"first\\n")
    return "one"

@agent.tool_plain
def second() -> str:
    os.write(1, f"second {len(script.requests)}\\n".encode())
    time.sleep(600)

async def answer(messages, info):
    yield "It is "
    await asyncio.sleep(600)

async def main():
    hub = df.TaskHub(sys.argv[1])
    hub.start(hub.agent(agent), "go", instance_id="tools")
    streaming = hub.agent(Agent(FunctionModel(stream_function=answer), name="a"), stream=True)
    async for piece in hub.start(streaming, "?", instance_id="stream").stream():
        os.write(1, f"{piece}\\n".encode())

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A hub that was killed inside a second tool of one agent, and within a stream of another."""
    folder = tmp_path_factory.mktemp("killed")
    program = folder / "program.py"
    program.write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, str(program), str(folder / "agents.duckdb")],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        lines = {process.stdout.readline() for _ in range(3)}
        os.kill(process.pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
    assert lines == {"first\n", "second 2\n", "It is \n"}
    return folder


@pytest.fixture
def path(killed, tmp_path):
    shutil.copytree(killed, tmp_path / "copy")
    return tmp_path / "copy" / "agents.duckdb"


def test_after_a_kill_inside_the_second_tool_no_answer_is_requested_again(path):
    script, ran = Script(calls(("first", {})), calls(("second", {})), says("done")), []
    agent = Agent(script.model, name="worker")

    @agent.tool_plain
    def first() -> str:
        ran.append("first")
        return "one"

    @agent.tool_plain
    def second() -> str:
        ran.append("second")
        return "two"

    with df.TaskHub(path) as hub:
        hub.agent(agent)
        handle = hub.handle("tools")
        assert handle.result(20) == "done"
        assert handle.replay().fits
    assert ran == ["second"]
    assert script.turns == [2]
    assert [part.content for part in script.requests[0][2].parts] == ["one"]


def test_after_a_kill_within_a_stream_a_new_one_has_the_whole_answer(path):
    async def answer(messages, info):
        yield "It is "
        yield "21."

    async def read(handle):
        return "".join([piece async for piece in handle.stream(timeout=20)])

    async def main():
        with df.TaskHub(path) as hub:
            handle = hub.handle("stream")
            reading = asyncio.create_task(read(handle))
            await asyncio.sleep(0)
            hub.agent(Agent(FunctionModel(stream_function=answer), name="a"), stream=True)
            return await reading, await handle

    assert asyncio.run(main()) == ("It is 21.", "It is 21.")
