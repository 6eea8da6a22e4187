"""The parameters of an agent's operations as the JSON inputs of activities, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from pydantic import TypeAdapter
from pydantic_ai.durable_exec import (
    JSON_CODEC,
    CapabilityMethodDeclaration,
    CapabilityOperationParams,
    DurabilityEngineSpec,
    DynamicToolsetCallToolParams,
    EventStreamHandlerParams,
    ModelCancelSuspendedResponseParams,
    ModelCompactMessagesParams,
    ModelRequestParams,
    ParameterTransport,
    ParameterTransports,
    ToolsetCallToolParams,
    ToolsetGetToolsParams,
    WorkspaceCall,
    WorkspaceCallParams,
    revalidate_function_call,
)
from pydantic_ai.messages import AgentStreamEvent, ModelMessagesTypeAdapter, ModelResponse
from pydantic_ai.models import ModelRequestContext, ModelRequestParameters
from pydantic_ai.tools import RunContext, ToolDefinition
from pydantic_ai.toolsets import AbstractToolset, FunctionToolset
from pydantic_ai.toolsets.function import FunctionToolsetTool
from pydantic_ai.workspaces import WorkspaceRef

from durablenb.agents.conversations import Plain
from durablenb.agents.stable_json import stable_json

if TYPE_CHECKING:
    from pydantic_ai.toolsets import DynamicToolset

ParamsT = TypeVar("ParamsT")

_parameters: TypeAdapter[ModelRequestParameters] = TypeAdapter(ModelRequestParameters)
_definition: TypeAdapter[ToolDefinition] = TypeAdapter(ToolDefinition)


class JsonTransport(ParameterTransport[ParamsT, Plain], Generic[ParamsT]):
    """Writes parameters as JSON by one function, and reads them by another one."""

    def __init__(self, dump: Callable[[ParamsT], Plain], load: Callable[[Plain], ParamsT]) -> None:
        self._dump = dump
        self._load = load

    def dump(self, params: ParamsT) -> Plain:
        """Return parameters as JSON."""
        return self._dump(params)

    def load(self, payload: Plain, *, runtime: object = None) -> ParamsT:
        """Return the parameters of a JSON object."""
        return self._load(payload)


class JsonTransports(ParameterTransports):
    """The transports of an agent's operations.

    Parameters
    ----------
    dump_run, load_run
        Writes a run context, and reads one.
    engine_spec
        The agent's engine, as pydantic-ai's messages name it.
    """

    def __init__(
        self,
        dump_run: Callable[[RunContext[Any]], Plain],
        load_run: Callable[..., RunContext[Any]],
        engine_spec: DurabilityEngineSpec,
    ) -> None:
        self._run = dump_run
        self._ctx = load_run
        self._spec = engine_spec

    # -- models ------------------------------------------------------------------------------------

    def model_request(self, result_type: object) -> JsonTransport[ModelRequestParams]:
        """Return the transport of model requests; their messages go by way of `Conversations`."""

        def dump(params: ModelRequestParams) -> Plain:
            request = {
                "settings": stable_json(params.model_settings),
                "parameters": _plain_parameters(params.model_request_parameters),
            }
            return _with_model(params.model_id, request) | {"run": self._run(params.run_context)}

        def load(request: Plain) -> ModelRequestParams:
            return ModelRequestParams(
                request.get("model"),
                messages=ModelMessagesTypeAdapter.validate_python(request["messages"]),
                model_settings=request["settings"],
                model_request_parameters=_parameters.validate_python(request["parameters"]),
                run_context=self._ctx(request),
            )

        return JsonTransport(dump, load)

    def compact_messages(self) -> JsonTransport[ModelCompactMessagesParams]:
        """Return the transport of compactions of messages."""

        def dump(params: ModelCompactMessagesParams) -> Plain:
            given = params.request_context
            fields = {
                "messages": ModelMessagesTypeAdapter.dump_python(given.messages, mode="json"),
                "settings": stable_json(given.model_settings),
                "parameters": _plain_parameters(given.model_request_parameters),
                "streaming": given.streaming,
                "instructions": params.instructions,
            }
            return _with_model(params.model_id, fields) | {"run": self._run(params.run_context)}

        def load(request: Plain) -> ModelCompactMessagesParams:
            given = ModelRequestContext(
                model=cast(Any, None),  # the operation sets it
                messages=ModelMessagesTypeAdapter.validate_python(request["messages"]),
                model_settings=request["settings"],
                model_request_parameters=_parameters.validate_python(request["parameters"]),
            )
            given.model_id, given.streaming = request.get("model"), request["streaming"]
            return ModelCompactMessagesParams(
                request.get("model"),
                request_context=given,
                instructions=request["instructions"],
                run_context=self._ctx(request),
            )

        return JsonTransport(dump, load)

    def cancel_suspended_response(self) -> JsonTransport[ModelCancelSuspendedResponseParams]:
        """Return the transport of cancellations of suspended answers."""

        def dump(params: ModelCancelSuspendedResponseParams) -> Plain:
            fields = {"response": JSON_CODEC.dump(ModelResponse, params.response)}
            if params.run_context is not None:
                fields["run"] = self._run(params.run_context)
            return _with_model(params.model_id, fields)

        def load(request: Plain) -> ModelCancelSuspendedResponseParams:
            return ModelCancelSuspendedResponseParams(
                request.get("model"),
                response=JSON_CODEC.load(ModelResponse, request["response"]),
                run_context=self._ctx(request) if "run" in request else None,
            )

        return JsonTransport(dump, load)

    # -- tools -------------------------------------------------------------------------------------

    def function_call(self, toolset: FunctionToolset[Any]) -> JsonTransport[ToolsetCallToolParams]:
        """Return the transport of calls of function tools."""

        def dump(params: ToolsetCallToolParams) -> Plain:
            tool = params.tool
            original = tool.original_name if isinstance(tool, FunctionToolsetTool) else None
            fields: Plain = {"tool": original or params.name, **self._call(params.tool_args, params.ctx)}
            if original not in (None, params.name):
                fields["called"] = params.name
            return fields

        def load(request: Plain) -> ToolsetCallToolParams:
            original: str = request["tool"]
            name: str = request.get("called", original)
            ctx = self._ctx(request, tool_call_id=request["call_id"], tool_name=name)
            tool = toolset.tool_for_tool_def(
                toolset.tools[original].tool_def, ctx=ctx, original_name=original
            )
            return ToolsetCallToolParams(name, tool_args=request["args"], ctx=ctx, tool=tool)

        return JsonTransport(dump, load)

    async def prepare_function_call(
        self, toolset: FunctionToolset[Any], params: ToolsetCallToolParams
    ) -> ToolsetCallToolParams:
        """Validate the arguments of a call, so that the tool gets its own types."""
        return await revalidate_function_call(toolset, params, engine_spec=self._spec)

    def mcp_call(self, toolset: AbstractToolset[Any]) -> JsonTransport[ToolsetCallToolParams]:
        """Return the transport of calls of an MCP server's tools."""

        def dump(params: ToolsetCallToolParams) -> Plain:
            assert params.tool is not None
            definition = _definition.dump_python(params.tool.tool_def, mode="json", exclude_defaults=True)
            return {"tool": params.name, **self._call(params.tool_args, params.ctx), "definition": definition}

        def load(request: Plain) -> ToolsetCallToolParams:
            ctx = self._ctx(request, tool_call_id=request["call_id"], tool_name=request["tool"])
            definition = _definition.validate_python(request["definition"])
            tool = cast(Any, toolset).tool_for_tool_def(definition, ctx=ctx)
            return ToolsetCallToolParams(request["tool"], tool_args=request["args"], ctx=ctx, tool=tool)

        return JsonTransport(dump, load)

    def dynamic_call(self, toolset: DynamicToolset[Any]) -> JsonTransport[DynamicToolsetCallToolParams]:
        """Return the transport of calls of a dynamic tool set's tools."""

        def dump(params: DynamicToolsetCallToolParams) -> Plain:
            fields: Plain = {"tool": params.name, **self._call(params.tool_args, params.ctx)}
            if params.tool_def is not None:
                definition = _definition.dump_python(params.tool_def, mode="json", exclude_defaults=True)
                fields["definition"] = definition
            return fields

        def load(request: Plain) -> DynamicToolsetCallToolParams:
            return DynamicToolsetCallToolParams(
                request["tool"],
                tool_args=request["args"],
                ctx=self._ctx(request, tool_call_id=request["call_id"], tool_name=request["tool"]),
                tool_def=_definition.validate_python(request["definition"])
                if "definition" in request
                else None,
            )

        return JsonTransport(dump, load)

    def get_tools(self, toolset: AbstractToolset[Any]) -> JsonTransport[ToolsetGetToolsParams]:
        """Return the transport of lists of an MCP server's tools."""
        return JsonTransport(
            lambda params: {"run": self._run(params.ctx)},
            lambda request: ToolsetGetToolsParams(self._ctx(request)),
        )

    get_instructions = get_tools
    dynamic_get_tools = get_tools

    def _call(self, args: Plain, ctx: RunContext[Any]) -> Plain:
        return {"args": stable_json(args), "call_id": ctx.tool_call_id, "run": self._run(ctx)}

    # -- capabilities ------------------------------------------------------------------------------

    def event_stream_handler(self) -> JsonTransport[EventStreamHandlerParams]:
        """Return the transport of events for the handler of the run's events."""
        return JsonTransport(
            lambda params: {
                "event": JSON_CODEC.dump(AgentStreamEvent, params.event),
                "run": self._run(params.run_context),
            },
            lambda request: EventStreamHandlerParams(
                JSON_CODEC.load(AgentStreamEvent, request["event"]), run_context=self._ctx(request)
            ),
        )

    def capability_operation(
        self, declaration: CapabilityMethodDeclaration
    ) -> JsonTransport[CapabilityOperationParams]:
        """Return the transport of a capability's durable operation."""
        return JsonTransport(
            lambda params: _with_model(
                params.model_id,
                {"arguments": stable_json(params.arguments), "run": self._run(params.run_context)},
            ),
            lambda request: CapabilityOperationParams(
                self._ctx(request), arguments=request["arguments"], model_id=request.get("model")
            ),
        )

    def workspace_call(self) -> JsonTransport[WorkspaceCallParams]:
        """Return the transport of calls of a workspace."""
        return JsonTransport(
            lambda params: {
                "call": JSON_CODEC.dump(WorkspaceCall, params.call),
                "ref": JSON_CODEC.dump(WorkspaceRef | None, params.ref),
                "run": self._run(params.run_context),
            },
            lambda request: WorkspaceCallParams(
                run_context=self._ctx(request),
                ref=JSON_CODEC.load(WorkspaceRef | None, request["ref"]),
                call=JSON_CODEC.load(WorkspaceCall, request["call"]),
            ),
        )


def _plain_parameters(parameters: ModelRequestParameters) -> Any:
    return _parameters.dump_python(parameters, mode="json", exclude_defaults=True)


def _with_model(model_id: str | None, fields: Plain) -> Plain:
    return fields if model_id is None else {**fields, "model": model_id}
