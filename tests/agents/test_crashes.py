"""Agents after crashes: answers that have come aren't requested again, and conversations are whole."""

from pydantic_ai import Agent

import durablenb as df
from tests.agents.scripts import Script, calls, says

TURNS = (
    calls(("add", {"a": 1, "b": 2}), ("double", {"n": 5})),
    calls(("add", {"a": 3, "b": 10})),
    says("13"),
)


def calculator(script, tools=None):
    tools = [] if tools is None else tools
    agent = Agent(script.model, name="calc")

    @agent.tool_plain
    async def add(a: int, b: int) -> int:
        tools.append("add")
        return a + b

    @agent.tool_plain
    async def double(n: int) -> int:
        tools.append("double")
        return 2 * n

    return agent


def test_a_crash_at_every_event_changes_nothing(hub):
    script = Script(*TURNS)
    durable = hub.agent(calculator(script))
    report = df.lab.crash_everywhere(durable, "go", hub=hub)
    report.check()
    assert len(report.crashes) >= 7


def test_each_crash_repeats_at_most_the_call_that_it_interrupted(hub):
    script, tools = Script(*TURNS), []
    durable = hub.agent(calculator(script, tools))
    plan = df.lab.crashing.plan_runs(durable, "go", hub, (), "crashed")
    commits = df.lab.crashing.run(plan).commits
    assert (script.turns, len(tools)) == ([0, 1, 2], 3)
    for crash in range(1, commits + 1):
        script.requests.clear()
        tools.clear()
        lost = df.lab.crashing.run(plan, crash_before=crash).lost
        assert lost is not None
        interrupted = lost.functions[0] if lost.functions else ""
        assert len(lost.functions) <= 1
        assert len(script.turns) == 3 + (interrupted == "calc.model")
        assert len(tools) == 3 if interrupted in ("", "calc.model") else len(tools) <= 5  # two run together
        assert [len(messages) for messages in script.requests] == [2 * turn + 1 for turn in script.turns]


def test_a_conversation_is_read_from_the_journal_after_a_crash(tmp_path):
    path = tmp_path / "agents.duckdb"
    script = Script(*TURNS)
    with df.TaskHub(path, mode="kernel", executor="inline") as hub:
        handle = hub.start(hub.agent(calculator(script)), "go", instance_id="a")
        while len(script.requests) < 2:
            hub.step()
    model = Script(*TURNS)
    with df.TaskHub(path, mode="kernel", executor="inline") as hub:
        hub.agent(calculator(model))
        handle = hub.handle("a")
        assert handle.result() == "13"
        assert handle.replay().fits
    assert [len(messages) for messages in model.requests] == [5]
    contents = [
        part.content for message in model.requests[0] for part in message.parts if hasattr(part, "content")
    ]
    assert contents == ["go", 3, 10, 13]


def test_an_agent_is_graded_as_orchestrators_are(hub):
    grade = df.lab.grade(hub.agent(calculator(Script(*TURNS))), "go", hub=hub, expected="13")
    grade.check()
    assert "the code of a library, which isn't checked" in str(grade)
