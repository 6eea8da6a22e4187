"""An execution's steps as nodes and edges, and as a networkx graph."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from durablenb.model.events import SubOrchestrationInstanceCreated
from durablenb.queries.instance.steps import Call, Flow, Join, Place, Step

if TYPE_CHECKING:
    import networkx

Relation = Literal["awaits", "scheduled-by"]

_TO_ENTITIES: dict[str, str] = {"entity call": "calls", "signal": "signals", "lock": "locks"}


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


def graph_of(flow: Flow, instance_id: str = "") -> networkx.DiGraph[Any]:
    """Return a flow as a `networkx.DiGraph`; `DrawnInstance.graph` says what there is in it.

    Parameters
    ----------
    flow
        An execution.
    instance_id
        Whose it is.
    """
    import networkx  # takes a tenth of a second

    graph: networkx.DiGraph[Any] = networkx.DiGraph(
        name=flow.name, generation=flow.generation, instance_id=instance_id
    )
    own = {"instance_id": instance_id}
    keys: dict[Place | Join, str] = dict(_keys_of(flow.steps))
    graph.add_node("start", kind="start", name=flow.name, status="Completed", count=1, **own)
    for step in flow.steps:
        graph.add_node(keys[step.number], **_attributes(step), **own)
    for join in flow.joins:
        keys[join] = f"join #{join.stage}"
        status = "completed" if join.is_all else "open"
        came_of = {"came": join.came, "of": join.of}
        graph.add_node(keys[join], kind="join", name="join", status=status, count=1, **came_of, **own)
    if flow.end is not None:
        graph.add_node("end", kind="end", name=flow.name, status=flow.end, count=1, **own)
    for link in links_of(flow):
        source, target = keys.get(link.source, link.source), keys.get(link.target, link.target)
        seconds = graph.nodes[target].get("seconds", 0.0)
        graph.add_edge(
            source, target, relation=link.relation, count=link.count, is_back=link.is_back, seconds=seconds
        )
    for step in flow.steps:
        _add_partners(graph, keys[step.number], step)
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
        "started": min(span.started for span in spans),
        "ended": max(call.ended for call in step.calls),
        "seconds": _seconds_of(step.calls),
        "event_ids": tuple(sorted(ids)),
        **states,
    }


def _seconds_of(calls: Iterable[Call]) -> float:
    """Return how long at least one of the calls was under way, of those that nobody gave up waiting for."""
    total = timedelta()
    reached: datetime | None = None
    awaited = [call for call in calls if call.state not in ("canceled", "left open")]
    for call in sorted(awaited, key=lambda call: call.asked):
        begin = call.asked if reached is None else max(reached, call.asked)
        total += max(call.ended - begin, timedelta())
        reached = call.ended if reached is None else max(reached, call.ended)
    return total.total_seconds()


def _add_partners(graph: networkx.DiGraph[Any], key: str, step: Step) -> None:
    """Add the instances that a step starts, and the entities that it is about."""
    for call in step.calls:
        for span in call.attempts:
            request = span.request
            if isinstance(request, SubOrchestrationInstanceCreated):
                partner = request.instance_id
                node = _partner(graph, partner, "orchestration", request.name, call.state)
                _count_edge(graph, key, node, "starts")
            elif step.kind in _TO_ENTITIES:
                one = getattr(request, "entity_id", None)
                for partner in getattr(request, "entity_ids", () if one is None else (one,)):
                    node = _partner(graph, partner, "entity", partner, call.state)
                    _count_edge(graph, key, node, _TO_ENTITIES[step.kind])


def _partner(graph: networkx.DiGraph[Any], instance_id: str, kind: str, name: str, status: str) -> str:
    """Return the node of an instance or an entity, which is made if there is none."""
    key = instance_id
    while key in graph and graph.nodes[key]["kind"] != kind:
        key += " (instance)"  # a step has its name
    count = graph.nodes[key]["count"] + 1 if key in graph else 1
    graph.add_node(key, kind=kind, name=name, status=status, count=count, instance_id=instance_id)
    return key


def _count_edge(graph: networkx.DiGraph[Any], source: str, target: str, relation: str) -> None:
    before = graph.edges[source, target]["count"] if graph.has_edge(source, target) else 0
    graph.add_edge(source, target, relation=relation, count=before + 1, is_back=False, seconds=0.0)
