"""The capability that makes an agent durable, by pydantic-ai's interface for engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, cast

from pydantic_ai.agent.abstract import AbstractAgent
from pydantic_ai.capabilities.abstract import AbstractCapability, leaf_capabilities
from pydantic_ai.durable_exec import (
    JSON_CODEC,
    BaseDurabilityCapability,
    DurabilityEngineSpec,
    DurableOperationBackend,
    DurableOperationId,
    conversation_id_from_run_id,
)
from pydantic_ai.messages import (
    AgentStreamEvent,
    ModelMessage,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
)
from pydantic_ai.models import Model
from pydantic_ai.tools import DeferredToolRequests, DeferredToolResults, RunContext
from pydantic_ai.toolsets import FunctionToolset

from durablenb.agents.approvals import wait_for_decisions
from durablenb.agents.conversations import OpenConversations, Plain, completed
from durablenb.agents.operations import AgentOperations
from durablenb.agents.options import METADATA_KEY, ActivityOptions, checked_options, of_call
from durablenb.agents.run_contexts import AgentRunContext, dumped, loaded
from durablenb.agents.running import running_context
from durablenb.agents.transports import JsonTransports
from durablenb.core.activity_context import ActivityContext, current_activity
from durablenb.core.context import DurableOrchestrationContext
from durablenb.core.routine import RetryTask
from durablenb.model.errors import NonRetriableError
from durablenb.model.events import TaskCompleted, TaskScheduled
from durablenb.values.codec import ValueCodec

Deps = Callable[[], Any]
"""Creates an agent's dependencies in each process."""


def _cannot_be_kept(error: Exception) -> NonRetriableError:
    return NonRetriableError(
        f"The result can't be kept in the journal: {error}. Expected what JSON can represent: let the tool "
        "return text, numbers, lists, dicts, or pydantic's models and dataclasses of these."
    )


SPEC = DurabilityEngineSpec(
    engine_name="durablenb",
    durable_unit_noun="activity",
    durable_unit_plural="activities",
    durable_container_noun="orchestration",
    codec=JSON_CODEC,
    serialization_failure=_cannot_be_kept,
    unsupported_runtime_toolset_kinds=frozenset({"function", "mcp", "dynamic"}),
    toolset_lifecycles={
        "function": "enter-outside-durable",
        "mcp": "enter-outside-durable",
        "dynamic": "enter-never",
    },
    tool_config_key=METADATA_KEY,
    accepts_cancellation_token=True,
)
"""durablenb, as pydantic-ai knows engines."""


class AgentDurability(BaseDurabilityCapability[Any]):
    """Calls model requests and tools as activities, inside an ``async def`` orchestrator.

    Parameters
    ----------
    codec
        The codec of the hub that the agent belongs to.
    name
        The first part of the names of its activities.
    deps
        Makes the agent's dependencies.
    models
        Further models by their ids.
    model_options, tool_options
        The options of model requests, and of tool calls.
    stream
        Stream the models' answers.
    """

    engine_spec = SPEC

    def __init__(
        self,
        codec: ValueCodec,
        *,
        name: str,
        deps: Deps | None,
        models: Mapping[str, Model] | None,
        model_options: Mapping[str, Any] | None,
        tool_options: Mapping[str, Any] | None,
        stream: bool,
    ) -> None:
        super().__init__(models=models, name=name, event_stream_handler=_pass_on_text if stream else None)
        self._codec = codec
        self._deps = deps
        self._conversations = OpenConversations()
        self.model_options = checked_options(model_options, "model")
        self.tool_options = checked_options(tool_options, "tools")
        self.operations: AgentOperations
        """The operations of the agent, when it is bound."""

    # -- binding -----------------------------------------------------------------------------------

    def for_agent(self, agent: AbstractAgent[Any, Any]) -> AbstractCapability[Any]:
        """Return this capability, bound once to its agent."""
        return self if self._agent is agent else super().for_agent(agent)

    @staticmethod
    def of(capability: AbstractCapability[Any]) -> AgentDurability:
        """Return the capability that `for_agent` has bound, which may have others around it."""
        return next(leaf for leaf in leaf_capabilities(capability) if isinstance(leaf, AgentDurability))

    def _bind_to_agent(self, agent: AbstractAgent[Any, Any]) -> None:
        self.transports = JsonTransports(self.dump_run, self.load_run, SPEC)
        self.operations = AgentOperations(self)
        super()._bind_to_agent(agent)

    def get_durable_operation_backend(self) -> DurableOperationBackend[Any]:
        """Return the operations."""
        return self.operations

    def activity_tools(self, toolset_id: str) -> Iterator[tuple[str, ActivityOptions]]:
        """Yield the function tools of a tool set that are called as activities, with their own options."""
        for name, tool in self._toolset(toolset_id).tools.items():
            own = (tool.metadata or {}).get(METADATA_KEY, {})
            if own is not False:
                yield name, checked_options(own, f"The metadata of the tool {name!r}")

    def validates(self, toolset_id: str) -> bool:
        """Tell whether a tool set may have tools that validate their arguments by a function."""
        toolset = self._toolset(toolset_id)
        return not isinstance(toolset, FunctionToolset) or any(
            tool.args_validator is not None for tool in toolset.tools.values()
        )

    def _toolset(self, toolset_id: str) -> Any:
        found: list[Any] = []
        assert self._agent is not None
        for toolset in self._agent.toolsets:
            toolset.apply(found.append)
        return next(leaf for leaf in found if leaf.id == toolset_id)

    def options_of_tool(
        self, operation_id: DurableOperationId, tool: object | None, tool_name: str
    ) -> ActivityOptions | Literal[False]:
        """Return the options of a tool's calls; False if it runs in the orchestrator."""
        resolve = self._build_resolve_tool_config(self.tool_options)
        return cast("ActivityOptions | Literal[False]", resolve(cast(Any, tool), tool_name))

    # -- in the orchestrator -----------------------------------------------------------------------

    @property
    def in_durable_context(self) -> bool:
        """True in the code of an ``async def`` orchestrator."""
        return running_context() is not None

    @property
    def context(self) -> DurableOrchestrationContext:
        """The context of the orchestrator that runs."""
        context = running_context()
        assert context is not None
        return context

    def get_default_run_id(self) -> str | None:
        """Return the id of a run, which is the same in a replay."""
        return self.context.new_uuid() if self.in_durable_context else None

    def get_default_conversation_id(self, run_id: str) -> str | None:
        """Return the id of a run's conversation."""
        return conversation_id_from_run_id(run_id) if self.in_durable_context else None

    def get_run_clock(self) -> Callable[[], datetime] | None:
        """Return the orchestration's clock."""
        if not self.in_durable_context:
            return None
        context = self.context
        return lambda: context.current_utc_datetime

    async def ask_model(
        self,
        name: str,
        messages: Sequence[ModelMessage],
        request: Plain,
        options: dict[str, Any],
        load: Callable[[Any], Any],
    ) -> Any:
        """Request an answer of a model to messages, and return it."""
        context = self.context
        conversations = self._conversations.of(context)
        short, tip = conversations.shortened(messages, request, context.current_utc_datetime.isoformat())
        task = self._start(name, short, options)
        task_id = first_attempt(task)
        conversations.requested(task_id, request, short, tip)
        answer = load(await task)
        conversations.answered(task_id, answer)
        return answer

    async def call(self, name: str, request: Plain, options: dict[str, Any]) -> Any:
        """Call an activity, and return its result."""
        return await self._start(name, request, options)

    def _start(self, name: str, request: Plain, options: dict[str, Any]) -> Any:
        retry, limits = options.get("retry_options"), of_call(options)
        if retry is None:
            return self.context.call_activity(name, request, **limits)
        return self.context.call_activity_with_retry(name, retry, request, **limits)

    async def handle_deferred_tool_calls(
        self, ctx: RunContext[Any], *, requests: DeferredToolRequests
    ) -> DeferredToolResults | None:
        """Wait for external events with the decisions on calls, and with the results of external tools."""
        context = running_context()
        return None if context is None else await wait_for_decisions(context, requests)

    async def _dispatch_event_stream_event(self, ctx: RunContext[Any], event: AgentStreamEvent) -> None:
        """Do nothing: only the text of answers is passed on, in the activity that gets it."""

    # -- run contexts, in the orchestrator and in activities ----------------------------------------

    def dump_run(self, ctx: RunContext[Any]) -> Plain:
        """Return a run context as JSON."""
        return dumped(ctx)

    def load_run(self, request: Plain, **given: Any) -> RunContext[Any]:
        """Return the run context of an activity."""
        fields = loaded(request["run"], **given)
        return AgentRunContext.restore(fields, deps=self.deps(), agent=self._agent, engine_spec=SPEC)

    def deps(self) -> Any:
        """Return new dependencies."""
        return None if self._deps is None else self._deps()

    # -- in activities -------------------------------------------------------------------------------

    async def _resolve_model_for_request(self, model_id: str | None, run_context: RunContext[Any]) -> Model:
        found = self._models_by_id.get(model_id or "default")
        return await super()._resolve_model_for_request(model_id, run_context) if found is None else found

    async def completed_request(self, request: Plain) -> Plain:
        """Return the input of a model request with what the journal has of its conversation."""
        after, activity = request.get("after"), current_activity()
        if after is not None and self._codec.redact is None:
            known = self._conversations.of_execution(activity.execution_id)
            if known is not None:
                with suppress(KeyError):
                    return completed(request, known.find)
        find = EarlierRequests(self._codec, activity).find
        if after is None:
            return completed(request, find)
        return await asyncio.to_thread(completed, request, find)


async def _pass_on_text(ctx: RunContext[Any], events: AsyncIterable[AgentStreamEvent]) -> None:
    """Pass the text of an answer on while it comes."""
    activity = current_activity()
    async for event in events:
        if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
            activity.stream(event.part.content)
        elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
            activity.stream(event.delta.content_delta)


class EarlierRequests:
    """The model requests of an execution in the journal, read when the first is needed."""

    def __init__(self, codec: ValueCodec, activity: ActivityContext) -> None:
        self._codec = codec
        self._activity = activity

    @cached_property
    def _events(self) -> tuple[dict[int, TaskScheduled], dict[int, str]]:
        requests: dict[int, TaskScheduled] = {}
        results: dict[int, str] = {}
        for event in self._activity._history():
            if isinstance(event, TaskScheduled):
                requests[event.task_id] = event
            elif isinstance(event, TaskCompleted):
                results[requests[event.task_id].call_id] = event.result
        return requests, results

    def find(self, task_id: int) -> tuple[Plain, Plain]:
        """Return the input of a request and its answer."""
        requests, results = self._events
        decode = self._codec.decode
        return decode(requests[task_id].input), decode(results[task_id])


def first_attempt(task: Any) -> int:
    """Return the task id of a call of an activity, which may be one with retries."""
    attempt: Any = task.current if isinstance(task, RetryTask) else task
    return int(attempt.id)
