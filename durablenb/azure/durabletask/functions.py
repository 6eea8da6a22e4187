"""A hub's functions as a durabletask worker calls them: with its contexts, and JSON in and out."""

from __future__ import annotations

import dataclasses
import dis
import inspect
import itertools
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from durabletask import task
from durabletask.entities import EntityContext, EntityInstanceId

from durablenb.azure.durabletask.failures import exception_from
from durablenb.azure.durabletask.orchestrations import OrchestrationRun
from durablenb.azure.durabletask.payloads import MARK, Packer, codec_for_wire, is_envelope, unpack
from durablenb.core.activity_context import ActivityContext, current_activity, current_context
from durablenb.core.entity import NONE, NOTHING, OperationRequest, Start
from durablenb.core.registry import Activity, Code, Registry, entity_activity
from durablenb.engine.entity_batch import BatchFunction, OperationBatch
from durablenb.engine.invocation import call, run_coroutine
from durablenb.model.entities import EntityId
from durablenb.model.failures import FailureDetails
from durablenb.model.names import folded
from durablenb.model.times import naive
from durablenb.values.codec import ValueCodec


class HubFunctions:
    """A hub's functions as a worker calls them.

    Parameters
    ----------
    registry
        The hub's functions.
    codec
        The hub's codec.
    pack
        Makes JSON trees of encoded values.
    """

    def __init__(self, registry: Registry, codec: ValueCodec, pack: Packer) -> None:
        self.registry = registry
        self._pack = pack
        self._codec = codec_for_wire(codec)
        self._spelt = {
            "activity": {folded(name): name for name in registry.activities},
            "orchestrator": {folded(name): name for name in registry.orchestrator_names},
        }

    def orchestrator(self, name: str) -> Callable[..., Any]:
        """Return an orchestrator for a worker."""

        def orchestrate(context: task.OrchestrationContext, tree: Any) -> Any:
            code = self.registry.code(name, context.version)
            if code is None:
                raise self.registry.no_code(name, context.version)
            return OrchestrationRun(context, tree, name, code, self._codec, self._pack, self._spell).run()

        return orchestrate

    def activity(self, name: str) -> Callable[..., Any]:
        """Return an activity for a worker."""

        def act(context: task.ActivityContext, tree: Any) -> Any:
            return self._call(self.registry.activities[name], context, tree)

        return act

    def entity(self, name: str) -> Callable[..., Any]:
        """Return an entity's function for a worker."""

        def operate(context: EntityContext, tree: Any) -> Any:
            function = self.registry.activities[entity_activity(name)].function
            return _operate(function, self._codec, self._pack, context, unpack(tree))

        return operate

    def not_portable(self) -> Iterator[tuple[str, str]]:
        """Yield the names that can't go to a worker, with the reasons."""
        for name in self.registry.orchestrator_names:
            for code in self._codes(name):
                if _grows(code.function):
                    version = "" if code.version is None else f", version {code.version},"
                    yield name, f"its code{version} waits for more code: `yield ...`. Finish it first."

    def differences(self) -> Iterator[tuple[str, str]]:
        """Yield the names of functions with options that have no effect on a worker, and the options."""
        for activity in self.registry.activities.values():
            unused = [
                f"{field.name}={getattr(activity, field.name)!r}"
                for field in dataclasses.fields(activity)
                if field.name not in ("name", "function") and getattr(activity, field.name) != field.default
            ]
            if unused:
                yield (
                    activity.name.removeprefix("@"),
                    f"runs in the worker's threads, without {', '.join(unused)}.",
                )

    def _codes(self, name: str) -> list[Code]:
        plain = self.registry.registered(name, None)
        versions = self.registry.versions.get(name, {})
        return [*([] if plain is None else [plain]), *versions.values()]

    def _spell(self, kind: str, name: str) -> str | None:
        """Return a name in its registered spelling, or None if only another worker has it."""
        return self._spelt[kind].get(folded(name))

    def _call(self, activity: Activity, context: task.ActivityContext, tree: Any) -> Any:
        codec = self._codec
        token = current_context.set(_activity_context(activity.name, context, tree))
        try:
            value = call(activity.function, unpack(tree), activity.takes_input, codec, current_activity())
            return self._pack(
                codec.encode(run_coroutine(value) if inspect.iscoroutine(value) else value, "result")
            )
        except BaseException as error:
            failure = codec.failure(error)
            trace = error.__traceback__ if codec.redact is None else None
        finally:
            current_context.reset(token)
        raise exception_from(failure, trace)


def _activity_context(name: str, context: task.ActivityContext, tree: Any) -> ActivityContext:
    """Return what a call knows of itself. What it reports is dropped: durabletask has no place for it."""
    instance_id = context.orchestration_id
    if not is_envelope(tree) or "call" not in tree:  # from an orchestrator that isn't the hub's
        return ActivityContext(instance_id=instance_id, name=name, task_id=context.task_id)
    execution_id, task_id, attempt, first = tree["call"]
    return ActivityContext(
        instance_id=instance_id,
        execution_id=execution_id,
        name=name,
        task_id=task_id,
        attempt=attempt,
        key=f"{instance_id}:{execution_id}:{first}",
    )


def _operate(
    function: Callable[..., Any], codec: ValueCodec, pack: Packer, context: EntityContext, text: str
) -> Any:
    """Run an entity's operation; its state and messages take effect if it returns."""
    entity_id = EntityId(context.entity_id.entity, context.entity_id.key)
    request = OperationRequest(0, context.operation, text)
    batch = OperationBatch(entity_id, uuid.uuid4().hex, _state_text(context.get_state()), (request,))
    outcomes = BatchFunction(function, codec, time.perf_counter)(batch)
    outcome = (run_coroutine(outcomes) if inspect.iscoroutine(outcomes) else outcomes)[0]
    if isinstance(outcome.outcome, FailureDetails):
        raise exception_from(outcome.outcome)
    for message in outcome.sent:
        if not isinstance(message, Start):
            target = EntityInstanceId.parse(message.entity_id)
            context.signal_entity(
                target, message.name, pack(message.input), message.deliver_at and naive(message.deliver_at)
            )
        elif message.version is None:
            context.schedule_new_orchestration(message.name, pack(message.input), message.instance_id)
        else:
            raise NotImplementedError(
                f"start_new({message.name!r}, version={message.version!r}): an entity on a durabletask "
                "worker starts orchestrations without a version. Start it from an orchestration or a client."
            )
    context.set_state(_packed_state(outcome.state, pack))
    return pack(outcome.outcome)


def _state_text(tree: Any) -> str:
    """Return the text of an entity's state; durabletask has None for an entity without one."""
    if tree is None:
        return NOTHING
    text = unpack(tree)
    return NONE if text == NOTHING else text


def _packed_state(state: str, pack: Packer) -> Any:
    if state == NOTHING:
        return None
    return {MARK: 1, "value": None} if state == NONE else pack(state)


def _grows(function: Callable[..., Any]) -> bool:
    """Tell whether an orchestrator's own code waits for more code."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return False
    steps = list(dis.get_instructions(code))
    return "to_be_continued" in code.co_names or any(
        first.argval is ... and second.opname == "YIELD_VALUE" for first, second in itertools.pairwise(steps)
    )
