"""Tool sets whose tools are known only when the run begins: MCP servers, dynamic ones."""

from mcp.server.mcpserver import MCPServer
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.toolsets import DynamicToolset, FunctionToolset

from tests.agents.scripts import Script, calls, says
from tests.agents.test_runs import activities


def test_listing_and_calling_an_mcp_server_are_activities(hub):
    server, served = MCPServer("files"), []

    @server.tool()
    def size(path: str) -> int:
        served.append(path)
        return len(path)

    script = Script(calls(("size", {"path": "a.txt"})), says("5"))
    agent = Agent(script.model, name="librarian", toolsets=[MCPToolset(server, id="files")])
    handle = hub.start(hub.agent(agent), "How large?")
    assert handle.result() == "5"
    assert activities(hub, handle)[:3] == ["librarian.files.list", "librarian.model", "librarian.files"]
    assert served == ["a.txt"]
    assert script.requests[1][-1].parts[0].content == 5
    assert handle.replay().fits
    assert served == ["a.txt"]


def test_a_dynamic_tool_set_is_listed_and_called_by_activities(hub):
    def tools(ctx):
        found = FunctionToolset(id="inner")

        @found.tool_plain
        def shout(text: str) -> str:
            return text.upper()

        return found

    script = Script(calls(("shout", {"text": "hey"})), says("done"))
    agent = Agent(script.model, name="loud", toolsets=[DynamicToolset(tools, id="voice")])
    handle = hub.start(hub.agent(agent), "go")
    assert handle.result() == "done"
    assert set(activities(hub, handle)) == {"loud.voice.list", "loud.model", "loud.voice"}
    assert script.requests[1][-1].parts[0].content == "HEY"
    assert handle.replay().fits


def test_a_tools_own_check_of_its_arguments_is_an_activity(hub):
    from pydantic_ai import ModelRetry

    def even(ctx, n: int):
        if n % 2:
            raise ModelRetry("Only even numbers.")

    script = Script(calls(("half", {"n": 3})), calls(("half", {"n": 4})), says("2"))
    agent = Agent(script.model, name="halves")

    @agent.tool_plain(args_validator=even)
    def half(n: int) -> int:
        return n // 2

    handle = hub.start(hub.agent(agent), "go")
    assert handle.result() == "2"
    names = activities(hub, handle)
    assert (names.count("halves.check"), names.count("halves.half")) == (2, 1)
    assert handle.replay().fits
