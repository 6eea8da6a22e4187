"""An execution's steps as nodes and edges, and as a networkx graph."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from durablenb.queries.steps import Flow, Join, Place, Step

if TYPE_CHECKING:
    import networkx

Relation = Literal["awaits", "scheduled-by"]


@dataclass(frozen=True, slots=True)
class Link:
    """An edge: `target` awaits, or was scheduled by, `source`; `is_back` begins another round of a loop."""

    source: Place | Join
    target: Place | Join
    relation: Relation
    count: int
    is_back: bool


def links_of(flow: Flow) -> list[Link]:
    """Return the edges of a flow, those into a join gathered there."""
    stage = {step.number: step.stage for step in flow.steps} | {"start": -1, "end": flow.stages}
    joins = {join.stage: join for join in flow.joins}
    links: dict[tuple[Place | Join, Place | Join], Link] = {}

    def add(source: Place | Join, target: Place | Join, relation: Relation, count: int, back: bool) -> None:
        before = links.get((source, target))
        count = max(count, before.count) if before else count
        links[source, target] = Link(source, target, relation, count, back)

    for edge in flow.edges:
        is_back = stage[edge.source] >= stage[edge.target]
        join = joins.get(stage[edge.target])
        onward: Relation = "awaits" if edge.target == "end" else "scheduled-by"
        if join is None or is_back or edge.source == "start":
            add(edge.source, edge.target, onward, edge.count, is_back)
        else:
            add(edge.source, join, "awaits", edge.count, False)
            add(join, edge.target, onward, edge.count, False)
    return list(links.values())


def graph_of(flow: Flow) -> networkx.DiGraph[Any]:
    """Return a flow as a `networkx.DiGraph`.

    Parameters
    ----------
    flow
        An execution.

    Notes
    -----
    Nodes are named for what was called (``"charge"``, ``"charge #4"`` where several steps are), beside
    ``"start"``, ``"end"`` and ``"join #2"``. All have ``kind``, ``name``, ``status`` and ``count``; steps
    also ``stage``, ``attempts``, ``asked``, ``ended``, ``event_ids`` and a number for each state that a
    call can be in; joins ``came`` and ``of``. Edges have ``relation`` (the target is ``"scheduled-by"``
    the source, or ``"awaits"`` it), ``count`` and ``is_back``.
    """
    import networkx  # takes a tenth of a second

    graph: networkx.DiGraph[Any] = networkx.DiGraph(name=flow.name, generation=flow.generation)
    keys: dict[Place | Join, str] = dict(_keys_of(flow.steps))
    graph.add_node("start", kind="start", name=flow.name, status="Completed", count=1)
    for step in flow.steps:
        graph.add_node(keys[step.number], **_attributes(step))
    for join in flow.joins:
        keys[join] = f"join #{join.stage}"
        status = "completed" if join.is_all else "open"
        came_of = {"came": join.came, "of": join.of}
        graph.add_node(keys[join], kind="join", name="join", status=status, count=1, **came_of)
    if flow.end is not None:
        graph.add_node("end", kind="end", name=flow.name, status=flow.end, count=1)
    for link in links_of(flow):
        source, target = keys.get(link.source, link.source), keys.get(link.target, link.target)
        graph.add_edge(source, target, relation=link.relation, count=link.count, is_back=link.is_back)
    return graph


def _keys_of(steps: Iterable[Step]) -> Iterable[tuple[int, str]]:
    """Return a name for each step; its number is added where the bare name is taken."""
    taken = {"start", "end"}
    for step in steps:
        key = step.name if step.name not in taken else f"{step.name} #{step.number}"
        taken.add(key)
        yield step.number, key


def _attributes(step: Step) -> dict[str, Any]:
    spans = [span for call in step.calls for span in call.attempts]
    ids = [event.event_id for span in spans for event in (span.request, span.answer) if event is not None]
    states = {state.replace(" ", "_"): count for state, count in step.states.items()}
    return {
        "kind": step.kind,
        "name": step.name,
        "status": next(iter(step.states)),
        "count": len(step.calls),
        "stage": step.stage,
        "attempts": step.attempts,
        "asked": min(call.asked for call in step.calls),
        "ended": max(call.ended for call in step.calls),
        "event_ids": tuple(sorted(ids)),
        **states,
    }
