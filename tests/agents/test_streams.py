"""The text of answers while it comes."""

import asyncio
from threading import Event

from pydantic_ai import Agent
from pydantic_ai.models.function import DeltaToolCall, FunctionModel

import durablenb as df


def test_the_text_of_an_answer_is_read_while_it_comes_and_the_journal_has_it_whole():
    asked, is_read = [], Event()

    async def answer(messages, info):
        asked.append(len(messages))
        if len(messages) == 1:
            yield {0: DeltaToolCall("measure", "{}", tool_call_id="m")}
            return
        yield "It is "
        assert await asyncio.to_thread(is_read.wait, 10)
        yield "21."

    agent = Agent(FunctionModel(stream_function=answer), name="weather")

    @agent.tool_plain
    def measure() -> int:
        return 21

    with df.TaskHub(":memory:") as hub:
        handle = hub.start(hub.agent(agent, stream=True), "How warm?")
        text = ""
        for piece in handle.stream(timeout=20):
            assert piece.name == "weather.model"
            text += piece
            is_read.set()
        assert text == handle.result() == "It is 21."
        assert asked == [1, 3]
        assert handle.replay().fits
        names = hub.sql("select name from activities order by task_id").fetchall()
        assert names == [("weather.model",), ("weather.measure",), ("weather.model",)]
