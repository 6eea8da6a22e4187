"""The operations of an agent as activities: their names, their functions, and their calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeGuard, TypeVar, cast

from pydantic_ai.durable_exec import (
    BoundDurableOperation,
    CapabilityOperationId,
    DurableOperation,
    DurableOperationId,
    EventStreamHandlerId,
    ModelCancelSuspendedResponseId,
    ModelCompactMessagesId,
    ModelRequestId,
    ModelRequestParams,
    RegisteredOperationBackend,
    RoleBasedOperationConfig,
    ToolsetCallToolId,
    ToolsetGetInstructionsId,
    ToolsetGetToolsId,
    ToolsetValidateToolArgumentsId,
    durable_unit_scope,
)
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ModelResponse

from durablenb.agents.conversations import Plain, compact
from durablenb.agents.options import ActivityOptions, merged
from durablenb.agents.tracebacks import own_part
from durablenb.model.errors import NonRetriableError

if TYPE_CHECKING:
    from durablenb.agents.durability import AgentDurability

ParamsT = TypeVar("ParamsT")
WireT = TypeVar("WireT")
ResultT = TypeVar("ResultT")

OWN_TOOLS = "<agent>"
"""pydantic-ai's id of the tool set with an agent's own tools."""


class AgentActivity(NamedTuple):
    """An activity of an agent, to be registered with a hub."""

    name: str
    function: Callable[..., Awaitable[Any]]
    options: ActivityOptions


class OperationNames:
    """The names of an agent's activities."""

    def __init__(self, agent: str) -> None:
        self._agent = agent

    def operation_name(self, operation_id: DurableOperationId) -> str:
        """Return the name of an operation; for function tools without the tool's own."""
        parts = [type(operation_id).__name__]  # of a kind that a later pydantic-ai has
        match operation_id:
            case ModelRequestId():
                parts = ["model"]
            case ModelCompactMessagesId():
                parts = ["model", "compact"]
            case ModelCancelSuspendedResponseId():
                parts = ["model", "cancel"]
            case EventStreamHandlerId():
                parts = ["event"]
            case ToolsetGetToolsId(toolset_id=toolset):
                parts = [toolset, "list"]
            case ToolsetGetInstructionsId(toolset_id=toolset):
                parts = [toolset, "instructions"]
            case ToolsetValidateToolArgumentsId(toolset_id=toolset):
                parts = [toolset, "check"]
            case ToolsetCallToolId(toolset_id=toolset):
                parts = [toolset]
            case CapabilityOperationId(capability_id=capability, operation=operation):
                parts = [capability, operation]
        return ".".join([self._agent, *(str(part) for part in parts if part != OWN_TOOLS)])

    def invocation_name(self, operation_id: DurableOperationId, *, label: str | None) -> Any:
        """Refuse: names of invocations are those of operations."""
        raise NotImplementedError


class AgentOperation(BoundDurableOperation[ParamsT, WireT, ResultT], Generic[ParamsT, WireT, ResultT]):
    """An operation that is called as an activity."""

    def __init__(
        self,
        operation: DurableOperation[ParamsT, WireT, ResultT],
        name: str,
        options: ActivityOptions,
        durability: AgentDurability,
    ) -> None:
        self._operation = operation
        self._name = name
        self._options = options
        self._durability = durability

    @property
    def operation(self) -> DurableOperation[ParamsT, WireT, ResultT]:
        """The operation that it calls."""
        return self._operation

    async def __call__(self, params: ParamsT, *, config: object | None = None) -> ResultT:
        """Call the activity, and return its result."""
        operation_id = self._operation.operation_id
        request = cast(Plain, self._operation.parameter_transport.dump(params))
        options = {**self._options, **cast(dict[str, Any], config or {})}
        load, name = self._operation.result_codec.load, self._name
        if isinstance(operation_id, ModelRequestId):
            if operation_id.streaming:
                request["stream"] = True
            messages = cast(ModelRequestParams, params).messages
            return cast(ResultT, await self._durability.ask_model(name, messages, request, options, load))
        if _is_function_call(operation_id):
            name = f"{name}.{request.pop('tool')}"
        return load(await self._durability.call(name, request, options))


class AgentOperations(RegisteredOperationBackend[ActivityOptions]):
    """The operations of an agent, each bound to an activity.

    Parameters
    ----------
    durability
        The agent's capability.
    """

    def __init__(self, durability: AgentDurability) -> None:
        super().__init__(
            namer=cast(Any, OperationNames(durability.name)),
            config=RoleBasedOperationConfig(
                model=durability.model_options,
                event=ActivityOptions(),
                capability=ActivityOptions(),
                tool=durability.tool_options,
                resolve_tool=durability.options_of_tool,
            ),
            parameter_transports=durability.transports,
        )
        self._durability = durability
        self.activities: list[AgentActivity] = []
        """The activities of the operations that are bound."""
        self._models: dict[bool, Callable[[Plain], Awaitable[Any]]] = {}

    def register(
        self, operation: DurableOperation[ParamsT, WireT, ResultT], *, name: str, config: ActivityOptions
    ) -> tuple[BoundDurableOperation[ParamsT, WireT, ResultT], Sequence[Callable[..., object]]]:
        """Bind an operation to an activity; to one for each tool, if it calls function tools."""
        options, kind = config or ActivityOptions(), operation.operation_id
        if _is_function_call(kind):
            for tool, chosen in self._durability.activity_tools(kind.toolset_id):
                function = _activity(operation, partial(_of_tool, tool))
                self._add(f"{name}.{tool}", function, merged(options, chosen))
        elif isinstance(kind, ModelRequestId):
            self._models[kind.streaming] = _activity(operation, self._durability.completed_request)
            if len(self._models) == 2:
                self._add(name, self._ask_model, options)
        elif not isinstance(kind, ToolsetValidateToolArgumentsId) or self._durability.validates(
            kind.toolset_id
        ):
            self._add(name, _activity(operation), options)
        return AgentOperation(operation, name, options, self._durability), ()

    def _add(self, name: str, function: Callable[..., Awaitable[Any]], options: ActivityOptions) -> None:
        if any(name == activity.name for activity in self.activities):
            raise ValueError(
                f"Two activities of the agent would have the name {name!r}: tools can't have the names "
                "'model' and 'check', nor the id of a tool set. Rename the tool."
            )
        self.activities.append(AgentActivity(name, function, options))

    async def _ask_model(self, request: Plain) -> Any:
        """Request an answer of a model, streamed or as a whole."""
        return await self._models["stream" in request](request)


def _is_function_call(operation_id: DurableOperationId) -> TypeGuard[ToolsetCallToolId]:
    return isinstance(operation_id, ToolsetCallToolId) and operation_id.toolset_kind == "function"


async def _of_tool(tool: str, request: Plain) -> Plain:
    return {"tool": tool, **request}


def _activity(
    operation: DurableOperation[Any, Any, Any],
    completed: Callable[[Plain], Awaitable[Plain]] | None = None,
) -> Callable[[Plain], Awaitable[Any]]:
    """Return the function of an activity; `completed` adds to its input what the journal leaves out."""

    async def activity(request: Plain) -> Any:
        full = request if completed is None else await completed(request)
        params = operation.parameter_transport.load(full, runtime=None)
        try:
            with durable_unit_scope():
                result = await operation.handler(params)
            payload = operation.result_codec.dump(result)
            return compact(cast(Plain, payload)) if isinstance(result, ModelResponse) else payload
        except UserError as error:
            raise NonRetriableError(str(error)) from error
        except Exception as error:
            error.__traceback__ = own_part(error.__traceback__) or error.__traceback__
            raise

    return activity
