"""Answers that a model gives in parts, and compactions of a conversation."""

import json

import pytest
from pydantic_ai import Agent, RunContext
from pydantic_ai.durable_exec import ModelCompactMessagesParams
from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, UserPromptPart
from pydantic_ai.models import ModelRequestContext, ModelRequestParameters
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.usage import RunUsage

from durablenb.analysis.conversation import read_conversation


def suspended(text):
    return ModelResponse(parts=[TextPart(text)], state="suspended", provider_response_id=text)


class Pausing(FunctionModel):
    """Answers by a list, and notes what it got and which suspended answers were cancelled."""

    def __init__(self, *answers):
        super().__init__(self.answer)
        self.answers = list(answers)
        self.got = []
        self.cancelled = []

    async def answer(self, messages, info):
        self.got.append([str(message.parts[0].content) for message in messages])
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def cancel_suspended_response(self, response):
        self.cancelled.append(response.parts[0].content)


def test_an_answer_that_pauses_is_continued_by_further_requests(hub):
    model = Pausing(suspended("one "), suspended("two "), ModelResponse(parts=[TextPart("three")]))
    handle = hub.start(hub.agent(Agent(model, name="a")), "go")
    assert handle.result() == "one two three"
    assert model.got == [["go"], ["go", "one "], ["go", "one "]]
    assert handle.replay().fits
    sent = hub.sql(
        "select input ->> 'after', json_array_length(input -> 'messages') from activities order by seq"
    )
    assert sent.fetchall() == [(None, 1), ("0", 0), (None, 2)]  # the model gets both parts as one answer
    assert len(read_conversation(handle.history())) == 3


def test_a_suspended_answer_that_is_not_continued_is_cancelled_once(hub):
    model = Pausing(suspended("one "), RuntimeError("down"))
    handle = hub.start(hub.agent(Agent(model, name="a")), "go")
    with pytest.raises(Exception, match="down"):
        handle.result()
    assert handle.replay().fits
    assert model.cancelled == ["one "]
    names = hub.sql("select name from activities order by task_id").fetchall()
    assert names == [("a.model",), ("a.model",), ("a.model.cancel",)]


def test_the_input_of_a_compaction_is_read_as_it_was_written(hub):
    model = Pausing()
    durability = hub.agent(Agent(model, name="a"))._durability
    transport = durability.transports.compact_messages()
    given = ModelRequestContext(
        model=model,
        messages=[ModelRequest([UserPromptPart("go")])],
        model_settings={"temperature": 0.5},
        model_request_parameters=ModelRequestParameters(allow_text_output=False),
    )
    params = ModelCompactMessagesParams(
        None,
        request_context=given,
        instructions="Be brief.",
        run_context=RunContext(deps=None, model=model, usage=RunUsage()),
    )
    written = transport.dump(params)
    read = transport.load(json.loads(json.dumps(written)))
    assert transport.dump(read) == written
    assert read.request_context.messages == given.messages
    assert (read.instructions, read.request_context.model_settings) == ("Be brief.", {"temperature": 0.5})
