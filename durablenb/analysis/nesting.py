"""Sub-orchestrations opened in the graph of the instance that started them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from durablenb.analysis.calls import Call
from durablenb.analysis.graph import ExecutionGraph, GraphStep, execution_graph
from durablenb.model.events import Event, SubOrchestrationInstanceCreated

NestedGraphs = Mapping[str, ExecutionGraph]
"""The sub-orchestrations that are opened in a graph, at any depth, by their ids."""

NOTHING_OPENED: NestedGraphs = {}
"""No sub-orchestration is opened."""


def child_id(call: Call) -> str | None:
    """Return the id of the instance that runs a sub-orchestration's last attempt."""
    request = call.attempts[-1].request
    return request.instance_id if isinstance(request, SubOrchestrationInstanceCreated) else None


def opened_call(step: GraphStep, opened: Collection[str]) -> tuple[int, str] | None:
    """Return the position of a step's opened call, and the id of its instance; None if no call is opened."""
    if not opened or step.kind != "sub-orchestration":
        return None
    children = enumerate(map(child_id, step.calls))
    return next(
        ((position, child) for position, child in children if child is not None and child in opened), None
    )


LoadHistories = Callable[[Sequence[str]], Mapping[str, Sequence[Event]]]
"""Reads the current executions of instances, by their ids; those that don't exist are left out."""


def read_nested_graphs(load: LoadHistories, flow: ExecutionGraph, depth: int) -> dict[str, ExecutionGraph]:
    """Return the sub-orchestrations of an execution, and their own, down to a depth.

    Parameters
    ----------
    load
        Reads the histories of the sub-orchestrations.
    flow
        The execution.
    depth
        The number of levels; 0 for none.
    """
    nest: dict[str, ExecutionGraph] = {}
    level = [flow]
    for _ in range(depth):
        children = {child: None for graph in level for child in _child_ids(graph) if child not in nest}
        if not children:
            break
        histories = load([*children])
        below = {child: execution_graph(histories[child]) for child in children if child in histories}
        nest |= below
        level = list(below.values())
    return nest


def _child_ids(flow: ExecutionGraph) -> Iterator[str]:
    for step in flow.steps:
        if step.kind == "sub-orchestration":
            for call in step.calls:
                child = child_id(call)
                if child is not None:
                    yield child
