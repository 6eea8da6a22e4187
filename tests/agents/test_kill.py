"""A kernel that is killed while an agent's tool runs."""

import asyncio
import os
import signal
import subprocess
import sys

from pydantic_ai import Agent
from pydantic_ai.models.function import FunctionModel

import durablenb as df
from tests.agents.scripts import Script, calls, says

PROGRAM = """
import os, sys, time
import durablenb as df
from pydantic_ai import Agent
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

hub = df.TaskHub(sys.argv[1])
hub.start(hub.agent(agent), "go", instance_id="x").result()
"""


def test_after_a_kill_inside_the_second_tool_no_answer_is_requested_again(tmp_path):
    path, program = tmp_path / "agents.duckdb", tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, str(program), str(path)], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(2)]
        os.kill(process.pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
    assert lines == ["first", "second 2"]

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
        assert hub.handle("x").result(20) == "done"
        assert hub.handle("x").replay().fits
    assert ran == ["second"]
    assert script.turns == [2]
    assert [part.content for part in script.requests[0][2].parts] == ["one"]


STREAMING = """
import asyncio, os, sys
import durablenb as df
from pydantic_ai import Agent
from pydantic_ai.models.function import FunctionModel

async def answer(messages, info):
    yield "It is "
    await asyncio.sleep(600)

async def main():
    hub = df.TaskHub(sys.argv[1])
    agent = Agent(FunctionModel(stream_function=answer), name="a")
    handle = hub.start(hub.agent(agent, stream=True), "?", instance_id="x")
    async for piece in handle.stream():
        os.write(1, f"{piece}\\n".encode())

asyncio.run(main())
"""


def test_after_a_kill_within_a_stream_a_new_one_has_the_whole_answer(tmp_path):
    path, program = tmp_path / "agents.duckdb", tmp_path / "program.py"
    program.write_text(STREAMING)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, str(program), str(path)], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "It is \n"
        os.kill(process.pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)

    async def answer(messages, info):
        yield "It is "
        yield "21."

    async def read(handle):
        return "".join([piece async for piece in handle.stream(timeout=20)])

    async def main():
        with df.TaskHub(path) as hub:
            reading = asyncio.create_task(read(hub.handle("x")))
            await asyncio.sleep(0)
            hub.agent(Agent(FunctionModel(stream_function=answer), name="a"), stream=True)
            return await reading, await hub.handle("x")

    assert asyncio.run(main()) == ("It is 21.", "It is 21.")
