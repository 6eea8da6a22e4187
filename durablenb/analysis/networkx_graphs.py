"""Graphs for networkx: the steps of an instance, and the relations between the instances of a hub."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import duckdb

from durablenb.analysis.calls import Call
from durablenb.analysis.graph import ExecutionGraph, GraphStep, Join, NodeKey
from durablenb.analysis.nesting import NOTHING_OPENED, NestedGraphs
from durablenb.analysis.timeline import entity_ids_in
from durablenb.journal.related import has_entities
from durablenb.model.display import views
from durablenb.model.events import SubOrchestrationInstanceCreated

if TYPE_CHECKING:
    import networkx

LinkRelation = Literal["awaits", "scheduled-by"]

_TO_ENTITIES: dict[str, str] = {"entity call": "calls", "signal": "signals", "lock": "locks"}


@dataclass(frozen=True, slots=True)
class GraphLink:
    """An edge: `target` awaits `source` or was scheduled after it. `is_back`: it begins a round of a loop."""

    source: NodeKey | Join
    target: NodeKey | Join
    relation: LinkRelation
    count: int
    is_back: bool


def graph_links(flow: ExecutionGraph) -> list[GraphLink]:
    """Return the edges of a graph. Edges into a join end at the join."""
    stage = {step.number: step.stage for step in flow.steps} | {"start": -1, "end": flow.stages}
    joins = {join.stage: join for join in flow.joins}
    links: dict[tuple[NodeKey | Join, NodeKey | Join], GraphLink] = {}

    def add(
        source: NodeKey | Join, target: NodeKey | Join, relation: LinkRelation, count: int, back: bool
    ) -> None:
        before = links.get((source, target))
        count = max(count, before.count) if before else count
        links[source, target] = GraphLink(source, target, relation, count, back)

    for edge in flow.edges:
        is_back = stage[edge.source] >= stage[edge.target]
        join = joins.get(stage[edge.target])
        onward: LinkRelation = "awaits" if edge.target == "end" else "scheduled-by"
        if join is None or is_back or edge.source == "start":
            add(edge.source, edge.target, onward, edge.count, is_back)
        else:
            add(edge.source, join, "awaits", edge.count, False)
            add(join, edge.target, onward, edge.count, False)
    return list(links.values())


def networkx_graph(
    flow: ExecutionGraph, instance_id: str = "", nest: NestedGraphs = NOTHING_OPENED, depth: int = 0
) -> networkx.DiGraph[Any]:
    """Return an execution as a `networkx.DiGraph`; see `InstanceFigures.graph` for its nodes and edges.

    Parameters
    ----------
    flow
        An execution.
    instance_id
        The instance's id.
    nest
        The sub-orchestrations that are shown with their own steps.
    depth
        The number of levels of sub-orchestrations that are nodes.
    """
    from durablenb.analysis.shown_graph import ShownGraph  # imports networkx, which is slow

    graph: networkx.DiGraph[Any] = ShownGraph(
        name=flow.name, generation=flow.generation, instance_id=instance_id
    )
    graph.add_node(
        "start", kind="start", name=flow.name, status="Completed", count=1, instance_id=instance_id
    )
    begun = {instance_id}
    waiting = deque([("start", "", flow, 0)])
    top = 0.0
    while waiting:
        start, prefix, graph_of_steps, level = waiting.popleft()
        children, high = _add_flow(graph, start, prefix, graph_of_steps, top, has_children=level < depth)
        top -= high
        for child, node in children.items():
            if child in nest and child not in begun:
                begun.add(child)
                waiting.append((node, f"{child}: ", nest[child], level + 1))
    rest = (node for node in graph if "pos" not in graph.nodes[node])
    for node, position in grid(rest, ACROSS / 2, top - DOWN / 2).items():
        graph.nodes[node]["pos"] = position
    return graph


def _add_flow(
    graph: networkx.DiGraph[Any],
    start: str,
    prefix: str,
    flow: ExecutionGraph,
    top: float,
    *,
    has_children: bool,
) -> tuple[dict[str, str], float]:
    """Add the steps of an execution that begins at a node; return its children's nodes, and its height."""
    own = {"instance_id": graph.nodes[start]["instance_id"]}
    keys: dict[NodeKey | Join, str] = {"start": start, "end": f"{prefix}end"}
    keys |= _step_keys(flow.steps, prefix, {*graph, *keys.values()})
    for step in flow.steps:
        graph.add_node(keys[step.number], **_attributes(step), **own)
    for join in flow.joins:
        keys[join] = f"{prefix}join #{join.stage}"
        status = "completed" if join.is_all else "open"
        came_of = {"came": join.came, "of": join.of}
        graph.add_node(keys[join], kind="join", name="join", status=status, count=1, **came_of, **own)
    if flow.end is not None:
        graph.add_node(keys["end"], kind="end", name=flow.name, status=flow.end, count=1, **own)
    for link in graph_links(flow):
        source, target = keys[link.source], keys[link.target]
        seconds = graph.nodes[target].get("seconds", 0.0)
        graph.add_edge(
            source, target, relation=link.relation, count=link.count, is_back=link.is_back, seconds=seconds
        )
    started: dict[str, str] = {}
    for step in flow.steps:
        if has_children or step.kind in _TO_ENTITIES:
            started |= _add_partners(graph, keys[step.number], step)
    positions, high = views().positions(flow)
    for key, node in keys.items():
        if node in graph and key in positions:
            x, y = positions[key]
            graph.nodes[node]["pos"] = (x, top - y)
    return started, high


def _step_keys(steps: Iterable[GraphStep], prefix: str, taken: set[str]) -> dict[NodeKey | Join, str]:
    """Return a key for each step: its name, and its number if the name is taken."""
    keys: dict[NodeKey | Join, str] = {}
    for step in steps:
        key = f"{prefix}{step.name}"
        keys[step.number] = key if key not in taken else f"{key} #{step.number}"
        taken.add(keys[step.number])
    return keys


def _attributes(step: GraphStep) -> dict[str, Any]:
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
        "asked": min(call.scheduled for call in step.calls),
        "started": min(span.started for span in spans),
        "ended": max(call.ended for call in step.calls),
        "seconds": _busy_seconds(step.calls),
        "event_ids": tuple(sorted(ids)),
        **states,
    }


def _busy_seconds(calls: Iterable[Call]) -> float:
    """Return for how many seconds at least one of the calls was running, without abandoned calls."""
    total = timedelta()
    reached: datetime | None = None
    awaited = [call for call in calls if call.state not in ("canceled", "left open")]
    for call in sorted(awaited, key=lambda call: call.scheduled):
        begin = call.scheduled if reached is None else max(reached, call.scheduled)
        total += max(call.ended - begin, timedelta())
        reached = call.ended if reached is None else max(reached, call.ended)
    return total.total_seconds()


def _add_partners(graph: networkx.DiGraph[Any], key: str, step: GraphStep) -> dict[str, str]:
    """Add the instances that a step starts and the entities that it calls; return the former by id."""
    started: dict[str, str] = {}
    for call in step.calls:
        for span in call.attempts:
            request = span.request
            if isinstance(request, SubOrchestrationInstanceCreated):
                partner = request.instance_id
                node = started[partner] = _partner(graph, partner, "orchestration", request.name, call.state)
                _count_edge(graph, key, node, "starts")
            elif step.kind in _TO_ENTITIES:
                for partner in entity_ids_in(request):
                    node = _partner(graph, partner, "entity", partner, call.state)
                    _count_edge(graph, key, node, _TO_ENTITIES[step.kind])
    return started


def _partner(graph: networkx.DiGraph[Any], instance_id: str, kind: str, name: str, status: str) -> str:
    """Return the node of an instance or an entity, and add it if there is none."""
    key = instance_id
    while key in graph and graph.nodes[key]["kind"] != kind:
        key += " (instance)"  # a step has this name
    count = graph.nodes[key]["count"] + 1 if key in graph else 1
    graph.add_node(key, kind=kind, name=name, status=status, count=count, instance_id=instance_id)
    return key


def _count_edge(graph: networkx.DiGraph[Any], source: str, target: str, relation: str) -> None:
    before = graph.edges[source, target]["count"] if graph.has_edge(source, target) else 0
    graph.add_edge(source, target, relation=relation, count=before + 1, is_back=False, seconds=0.0)


_INSTANCES = """
select instance_id, 'orchestration', name, status, created_time, last_updated_time from instance_states
where not starts_with(instance_id, '@') order by started_seq
"""
_ENTITIES = """
select instance_id, 'entity', name, if(entity_exists, 'exists', 'deleted'), created, last_modified
from entities order by created, instance_id
"""
_RELATIONS = """
with relations(event_type, relation) as (
    values ('SubOrchestrationInstanceCreated', 'starts'), ('OrchestrationStarted', 'starts'),
           ('EntityOperationCalled', 'calls'), ('EntityLockRequested', 'locks'),
           ('EntityOperationSignaled', 'signals'), ('SignalSent', 'signals')
),
requested as (
    select instance_id, relation, try_cast(attributes as json) as attributes from standing
    join relations using (event_type)
),
pairs as (
    select instance_id, relation, unnest(case relation
        when 'starts' then [attributes ->> 'instance_id']
        when 'locks' then cast(attributes -> 'entity_ids' as varchar[])
        else [attributes ->> 'entity_id'] end) as other
    from requested
)
select instance_id, other, relation, count(*) from pairs group by all order by all
"""


def relations_graph(connection: duckdb.DuckDBPyConnection) -> networkx.DiGraph[Any]:
    """Return the instances and entities of a hub as a `networkx.DiGraph`; see `TaskHub.graph`.

    Parameters
    ----------
    connection
        A connection that reads the journal.
    """
    from durablenb.analysis.shown_graph import ShownGraph  # imports networkx, which is slow

    graph: networkx.DiGraph[Any] = ShownGraph()
    rows = connection.execute(_INSTANCES).fetchall()
    if has_entities(connection):
        rows += connection.execute(_ENTITIES).fetchall()
    for instance_id, kind, name, status, created, updated in rows:
        times = {"created": created.replace(tzinfo=UTC), "last_updated": updated.replace(tzinfo=UTC)}
        graph.add_node(instance_id, kind=kind, name=name, status=status, **times)
    for source, target, relation, count in connection.execute(_RELATIONS).fetchall():
        if target not in graph:
            graph.add_node(target, kind="purged", name="", status="purged", created=None, last_updated=None)
        edge = graph.edges[source, target] if graph.has_edge(source, target) else {}
        graph.add_edge(source, target, **{relation: count, "count": edge.get("count", 0) + count})
    starts = [(source, target) for source, target, edge in graph.edges(data=True) if "starts" in edge]
    kinds = dict(graph.nodes(data="kind"))
    for node, position in family_positions(kinds, starts, graph.edges).items():
        graph.nodes[node]["pos"] = position
    return graph


# -- positions: families as trees, entities on the right -----------------------------------------------

Position = tuple[float, float]
"""Pixels to the right and up, as networkx and Matplotlib draw them."""

ACROSS, DOWN = 190.0, 34.0
"""Distances of columns and of rows."""

_COLUMNS = 4


def grid(nodes: Iterable[str], left: float, top: float) -> dict[str, Position]:
    """Return positions in rows that begin at this place."""
    return {
        node: (left + number % _COLUMNS * ACROSS, top - number // _COLUMNS * DOWN)
        for number, node in enumerate(nodes)
    }


def family_positions(
    kinds: Mapping[str, str], starts: Iterable[tuple[str, str]], related: Iterable[tuple[str, str]]
) -> dict[str, Position]:
    """Return a position for each node of a hub's graph.

    Parameters
    ----------
    kinds
        The kind of each node, in the order of the nodes.
    starts
        Pairs of an instance and one that it started.
    related
        The pairs of all edges. Nodes without edges come last, in rows.
    """
    children: dict[str, list[str]] = {}
    for parent, child in starts:
        children.setdefault(parent, []).append(child)
    born = {child for several in children.values() for child in several}
    tied = {node for pair in related for node in pair}
    trees = [node for node in kinds if node in tied and kinds[node] != "entity"]
    placed: dict[str, Position] = {}
    row = 0
    for root in [*(node for node in trees if node not in born), *trees]:  # then those of a circle
        row = _place_tree(root, children, placed, row)
    right = max((x for x, _ in placed.values()), default=-ACROSS) + ACROSS
    entities = [node for node in kinds if node in tied and kinds[node] == "entity"]
    placed |= {node: (right, -number * DOWN) for number, node in enumerate(entities)}
    below = -max(row, len(entities)) * DOWN
    return placed | grid((node for node in kinds if node not in tied), 0, below)


def _place_tree(root: str, children: Mapping[str, list[str]], placed: dict[str, Position], row: int) -> int:
    """Place an instance with all that it started; return the next free row."""
    waiting = [(root, 0)]
    deepest_in_row = -1
    while waiting:
        node, depth = waiting.pop()
        if node in placed:
            continue
        if depth <= deepest_in_row:  # not the first child
            row += 1
        placed[node], deepest_in_row = (depth * ACROSS, -row * DOWN), depth
        waiting += [(child, depth + 1) for child in reversed(children.get(node, []))]
    return row + (deepest_in_row >= 0)
