"""Durable agents: what `TaskHub.agent` returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic_ai import Tool
from pydantic_ai._utils import disable_threads
from pydantic_ai.agent.abstract import AbstractAgent
from pydantic_ai.durable_exec import replay_scope
from pydantic_ai.messages import ModelMessagesTypeAdapter
from pydantic_ai.models import Model
from pydantic_ai.run import AgentRunResult
from pydantic_ai.tools import RunContext
from pydantic_ai.usage import UsageLimits

from durablenb.agents.durability import AgentDurability, Deps
from durablenb.agents.operations import AgentActivity
from durablenb.agents.options import METADATA_KEY
from durablenb.agents.running import running_context
from durablenb.agents.tracebacks import own_part
from durablenb.core.context import DurableOrchestrationContext
from durablenb.model.errors import TaskFailedError
from durablenb.values.codec import ValueCodec


class DurableAgent:
    """An agent whose model requests and tool calls are activities; `TaskHub.agent` makes it.

    A run is part of an ``async def`` orchestrator, ``await durable.run(prompt)``, or an orchestration of its
    own, ``hub.start(durable, prompt)``. In the journal, `name` is the orchestrator's name, and the first part
    of the activities' names.
    """

    def __init__(
        self,
        agent: AbstractAgent[Any, Any],
        codec: ValueCodec,
        *,
        name: str | None,
        deps: Deps | None,
        models: Mapping[str, Model] | None,
        model: Mapping[str, Any] | None,
        tools: Mapping[str, Any] | None,
        stream: bool,
    ) -> None:
        chosen = name or agent.name
        if not chosen:
            raise ValueError(
                "The agent has no name, which its activities need. Give it one: Agent(..., name='support'), "
                "or hub.agent(agent, name='support')."
            )
        self.agent = agent
        """The agent of pydantic-ai."""
        self.name = self.__name__ = chosen
        """The name in the journal."""
        durability = AgentDurability(
            codec,
            name=chosen,
            deps=deps,
            models=models,
            model_options=model,
            tool_options=tools,
            stream=stream,
        )
        self._capability = durability.for_agent(agent)
        self._durability = AgentDurability.of(self._capability)

    @property
    def activities(self) -> list[AgentActivity]:
        """The activities of the agent, to be registered."""
        return self._durability.operations.activities

    async def run(self, prompt: Any = None, **options: Any) -> AgentRunResult[Any]:
        """Run the agent inside an ``async def`` orchestrator; elsewhere, as pydantic-ai does.

        Parameters
        ----------
        prompt
            The user's prompt: text, or a list of texts and other content.
        **options
            Further arguments of pydantic-ai's ``Agent.run``, such as ``message_history``, ``output_type``,
            ``model`` or ``usage_limits``. The dependencies are those of `TaskHub.agent`, or else ``deps``,
            which then must have the same value in a replay, and which activities don't get.

        Returns
        -------
        pydantic_ai.run.AgentRunResult
            The result, with ``output``, ``all_messages()`` and ``usage``.

        Raises
        ------
        TaskFailedError
            If a model request or a tool has failed, after the retries of its options.
        """
        context = running_context()
        if context is None:
            return await self.agent.run(prompt, **options)
        capabilities = [*options.pop("capabilities", ()), self._capability]
        options.setdefault("deps", self._durability.deps())
        execution = context._execution
        with disable_threads(), replay_scope(is_replaying=lambda: execution.is_replaying):
            try:
                return await self.agent.run(prompt, capabilities=capabilities, **options)
            except TaskFailedError as error:  # its details say where the task failed
                error.__traceback__ = own_part(error.__traceback__)
                raise

    def as_tool(self, name: str | None = None, description: str | None = None) -> Tool[Any]:
        """Return a tool with which another agent delegates to this one, as a sub-orchestration.

        Parameters
        ----------
        name
            The tool's name; by default, that of this agent.
        description
            What the other agent's model reads about the tool; by default, the description of this agent.

        Examples
        --------
        >>> import durablenb as df
        >>> from pydantic_ai import Agent
        >>> from pydantic_ai.models.test import TestModel
        >>> hub = df.TaskHub(":memory:")
        >>> facts = hub.agent(Agent(TestModel(custom_output_text="It is 4810 m high."), name="facts"))
        >>> guide = Agent(TestModel(), name="guide", tools=[facts.as_tool(description="Look up a fact.")])
        >>> hub.run(hub.agent(guide), "How high is Mont Blanc?")
        '{"facts":"It is 4810 m high."}'
        >>> hub.close()
        """

        async def delegate(ctx: RunContext[Any], prompt: str) -> Any:
            context = running_context()
            if context is None:
                return (await self.agent.run(prompt)).output
            return await context.call_sub_orchestrator(self, prompt)

        about = description or getattr(self.agent, "description", None) or f"Ask the agent {self.name}."
        return Tool(delegate, name=name or self.name, description=about, metadata={METADATA_KEY: False})

    @property
    def orchestrator(self) -> Callable[[DurableOrchestrationContext], Any]:
        """The orchestrator that runs the agent with its input as the prompt, or as the arguments of `run`."""

        async def run_agent(context: DurableOrchestrationContext) -> Any:
            given = context.get_input()
            options = dict(given) if isinstance(given, dict) else {"prompt": given}
            if options.get("message_history") is not None:
                history = ModelMessagesTypeAdapter.validate_python(options["message_history"])
                options["message_history"] = history
            if isinstance(options.get("usage_limits"), dict):
                options["usage_limits"] = UsageLimits(**options["usage_limits"])
            return (await self.run(**options)).output

        return run_agent

    def __call__(self, context: DurableOrchestrationContext) -> Any:
        """Run the agent as an orchestration."""
        return self.orchestrator(context)

    def __repr__(self) -> str:
        return f"<DurableAgent {self.name!r}>"
