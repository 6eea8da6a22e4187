"""`to_durabletask`: registers a hub's functions on a durabletask worker, and reports what can't go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from durabletask.worker import TaskHubGrpcWorker

from durablenb.azure.durabletask.functions import HubFunctions
from durablenb.azure.durabletask.payloads import HubConverter, Packer
from durablenb.core.context import HTTP_ACTIVITY
from durablenb.hub.task_hub import TaskHub
from durablenb.model.errors import DurableError


@dataclass(frozen=True, repr=False)
class DurableTaskRegistration:
    """The result of `to_durabletask`: what a worker has now, and what it lacks.

    Parameters
    ----------
    orchestrators, activities, entities
        The names of the registered functions.
    left_out
        Functions that can't go to a worker, by name, with the reason.
    differences
        Options of registered functions that have no effect on a worker, by name.
    converter
        The converter of the hub's values, for clients: ``TaskHubGrpcClient(data_converter=...)``.
    """

    orchestrators: tuple[str, ...]
    activities: tuple[str, ...]
    entities: tuple[str, ...]
    left_out: dict[str, str]
    differences: dict[str, str]
    converter: HubConverter

    def __repr__(self) -> str:
        lines = ["Registered on the durabletask worker:"]
        for kind in ("orchestrators", "activities", "entities"):
            lines.append(f"  {kind}: {', '.join(getattr(self, kind)) or 'none'}")
        for title, found in (("Left out", self.left_out), ("Different there", self.differences)):
            lines += [f"{title}:"] if found else []
            lines += [f"  {name}: {reason}" for name, reason in found.items()]
        return "\n".join(lines)


def to_durabletask(
    worker: TaskHubGrpcWorker,
    hub: TaskHub,
    *,
    strict: bool = False,
    payload_limit: int | None = 1_000_000,
) -> DurableTaskRegistration:
    """Register a hub's orchestrators, activities and entities, unchanged, on a durabletask worker.

    The worker takes its work from Azure's Durable Task Scheduler or another durabletask sidecar, which keeps
    the histories. The hub only lends its functions and its codec: its own instances stay where they are.

    Parameters
    ----------
    worker
        A ``durabletask.worker.TaskHubGrpcWorker``, or Azure's ``DurableTaskSchedulerWorker``, that isn't
        running yet.
    hub
        The hub; it may be in memory. If you register a function again in the hub, the worker runs the new
        one. Names that are new in the hub are not added to the worker.
    strict
        Raise instead of leaving functions out.
    payload_limit
        The largest input, result, event or state, in bytes of its JSON. A larger one raises an error, where
        the backend would refuse the message and the orchestration would wait for ever. The default suits
        the Durable Task Scheduler; None for no limit.

    Returns
    -------
    DurableTaskRegistration
        The registered names, what was left out and why, and a converter for clients.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type, or `payload_limit` is less than 1.
    DurableError
        If the worker has a function of one of the names already; or, if `strict` is set, if something can't
        go to the worker. Functions that come before the name are registered then.
    RuntimeError
        If the worker is running.

    Examples
    --------
    >>> import durablenb as df
    >>> from durabletask.worker import TaskHubGrpcWorker
    >>> with df.TaskHub(":memory:", mode="kernel") as hub:
    ...     @hub.activity
    ...     def double(number: int) -> int:
    ...         return 2 * number
    ...     @hub.orchestrator
    ...     def twice(context):
    ...         once = yield context.call_activity(double, context.get_input())
    ...         return (yield context.call_activity(double, once))
    ...     df.to_durabletask(TaskHubGrpcWorker(), hub)
    Registered on the durabletask worker:
      orchestrators: twice
      activities: double
      entities: none
    """
    if not isinstance(worker, TaskHubGrpcWorker):
        raise TypeError(f"worker is a {type(worker).__name__}; expected a durabletask TaskHubGrpcWorker.")
    if not isinstance(hub, TaskHub):
        raise TypeError(f"hub is a {type(hub).__name__}; expected a TaskHub, open in this process.")
    pack = Packer(payload_limit)
    functions = HubFunctions(hub._registry, hub._codec, pack)
    left_out = dict(functions.not_portable())
    if strict and left_out:
        listed = "\n".join(f"  {name}: {reason}" for name, reason in left_out.items())
        raise DurableError(f"Not all of the hub's functions can go to a durabletask worker:\n{listed}")
    orchestrators = [name for name in functions.registry.orchestrator_names if name not in left_out]
    activities = [name for name in functions.registry.activities if not name.startswith("@")]
    for name in orchestrators:
        _add(worker.add_orchestrator, "orchestrator", name, functions.orchestrator(name))
    for name in activities:
        _add(worker.add_activity, "activity", name, functions.activity(name))
    for name in functions.registry.entities:
        _add(worker.add_entity, "entity", name, functions.entity(name))
    return DurableTaskRegistration(
        tuple(orchestrators),
        tuple(name for name in activities if name != HTTP_ACTIVITY),
        tuple(functions.registry.entities),
        left_out,
        dict(functions.differences()),
        HubConverter(hub._codec, pack),
    )


def _add(add: Callable[[Any], object], kind: str, name: str, function: Callable[..., Any]) -> None:
    """Register a function under a name, which durabletask takes from the function."""
    function.__name__ = name
    try:
        add(function)
    except ValueError as error:
        if name == HTTP_ACTIVITY:  # another hub's, which does the same
            return
        raise DurableError(
            f"The worker refuses the {kind} {name!r}: {error} Register each name once on a worker, or use a "
            "worker for each hub."
        ) from error
