"""A hub as a graph: who starts, calls, signals and locks whom."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

import duckdb

from durablenb.analysis.hub.fleet import has_entities

if TYPE_CHECKING:
    import networkx

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
said as (
    select instance_id, relation, try_cast(attributes as json) as attributes from standing
    join relations using (event_type)
),
pairs as (
    select instance_id, relation, unnest(case relation
        when 'starts' then [attributes ->> 'instance_id']
        when 'locks' then cast(attributes -> 'entity_ids' as varchar[])
        else [attributes ->> 'entity_id'] end) as other
    from said
)
select instance_id, other, relation, count(*) from pairs group by all order by all
"""


def relations_of(connection: duckdb.DuckDBPyConnection) -> networkx.DiGraph[Any]:
    """Return the instances and entities of a hub as a `networkx.DiGraph`; see `TaskHub.graph`.

    Parameters
    ----------
    connection
        A reader's.
    """
    import networkx  # takes a tenth of a second

    graph: networkx.DiGraph[Any] = networkx.DiGraph()
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
    return graph
