"""Models that answer from a script, and count their requests."""

from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import FunctionModel


def says(text):
    return ModelResponse(parts=[TextPart(text)])


def says_the_result(messages, info):
    """An answer that is the result of the last tool."""
    return says(str(messages[-1].parts[0].content))


def calls(*tools):
    """An answer that calls tools: ("name", {arguments}), with ids of the name and its place."""
    return ModelResponse(
        parts=[ToolCallPart(name, args, f"{name}-{place}") for place, (name, args) in enumerate(tools)]
    )


def agent_of(*answers, name="a", **options):
    """An agent whose model answers from a script."""
    return Agent(Script(*answers).model, name=name, **options)


def settle(hub):
    """Let the hub do all that it can."""
    while hub.step():
        pass


class Script:
    """Answers each request by its turn: the number of answers that are in the conversation already."""

    def __init__(self, *answers):
        self.answers = answers
        self.requests = []
        """The conversations of all requests."""
        self.model = FunctionModel(self.answer)

    async def answer(self, messages, info):
        self.requests.append(list(messages))
        turn = sum(isinstance(message, ModelResponse) for message in messages)
        answer = self.answers[min(turn, len(self.answers) - 1)]
        if isinstance(answer, Exception):
            raise answer
        return answer(messages, info) if callable(answer) else answer

    @property
    def turns(self):
        """How many answers each request had before it."""
        return [sum(isinstance(m, ModelResponse) for m in messages) for messages in self.requests]
