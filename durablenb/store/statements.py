"""SQL statements of the store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from durablenb.core.ports.store import InstanceQuery
from durablenb.model import events
from durablenb.model.names import folded
from durablenb.model.status import OrchestrationRuntimeStatus as Status
from durablenb.model.times import naive
from durablenb.store.row_codec import COLUMNS, event_types

_ALL = ", ".join(f"j.{column}" for column in COLUMNS)


_PENDING = [kind for kind in events.ALL_EVENTS if issubclass(kind, events.PendingRequest)]
_QUEUED = [events.OperationEnqueued, events.LockEnqueued]
_ENDS = [kind for kind in events.ALL_EVENTS if issubclass(kind, events.InstanceEnding)]
_ARRIVALS = [kind for kind in events.ALL_EVENTS if issubclass(kind, (events.Arrival, events.CodeAwaited))]

_BEGINS_AND_ENDS = event_types([events.ExecutionStarted, *_ENDS])


def _settling(requests: Sequence[type[events.Event]]) -> str:
    return event_types(kind for kind in events.ALL_EVENTS if kind.settles in requests)


CHECK = f"select {_ALL} from journal j limit 0"

FORGET_IMPORTS = "delete from imported where list_contains(?, instance_id)"
IMPORTS = "select instance_id, origin, made_by, imported from imported order by instance_id"
ARE_IMPORTED = "select count(*) from imported where list_contains(?, instance_id)"

TAKEN_IDS = "select distinct instance_id from journal where list_contains(?, instance_id)"
TAKEN_EXECUTIONS = "select distinct execution_id from journal where list_contains(?, execution_id)"

EXISTS = "select 1 from journal where instance_id = ? and event_type = 'ExecutionStarted' limit 1"
HAS_EVENT = "select 1 from journal where execution_id = ? and event_id = ? limit 1"

KEEP = "insert into sources values (?, ?) on conflict do nothing"
SOURCE = "select text from sources where hash = ?"

# In no order: DuckDB would hold all that it sorts in memory, payloads of hundreds of megabytes too.
LOAD_ONE = f"select {_ALL} from journal j where j.instance_id = ?"
LOAD_SINCE = f"{LOAD_ONE} and j.seq > ?"
STARTS = f"{LOAD_ONE} and j.event_type = 'ExecutionStarted'"
LOAD_MANY = f"select {_ALL} from journal j where list_contains(?, j.instance_id)"

_OPEN = f"""
with marks as (
    select instance_id,
        max(seq) filter (event_type = 'ExecutionStarted') as started_seq,
        max(seq) filter (event_type != 'ExecutionStarted') as ended_seq
    from journal
    where event_type in ({_BEGINS_AND_ENDS})
        and instance_id not in (select instance_id from imported)
    group by instance_id
),
alive as (
    select instance_id, started_seq from marks
    where started_seq is not null and coalesce(ended_seq, 0) < started_seq
)
"""

OPEN = (
    _OPEN
    + f"""
select instance_id, last_id, begun_seq is not null, coalesce(suspended_seq, 0) > coalesce(resumed_seq, 0),
       coalesce(arrived_seq, 0) > coalesce(begun_seq, 0)
from (
    select j.instance_id as instance_id, any_value(a.started_seq) as started_seq, max(j.event_id) as last_id,
        max(j.seq) filter (j.event_type = 'OrchestratorStarted') as begun_seq,
        max(j.seq) filter (j.event_type = 'ExecutionSuspended') as suspended_seq,
        max(j.seq) filter (j.event_type = 'ExecutionResumed') as resumed_seq,
        max(j.seq) filter (j.event_type in (
            {event_types(_ARRIVALS)})) as arrived_seq
    from journal j join alive a on j.instance_id = a.instance_id and j.seq >= a.started_seq
    group by j.instance_id
)
order by started_seq
"""
)

OPEN_EVENTS = (
    _OPEN
    + f"""
select {_ALL}
from journal j join alive a on j.instance_id = a.instance_id and j.seq >= a.started_seq
where j.event_type = 'ExecutionStarted'
    or j.event_type in ({event_types(_PENDING)}) and not exists (
        select 1 from journal e
        where e.instance_id = j.instance_id and e.execution_id = j.execution_id
            and e.task_id = j.task_id and e.seq > j.seq
            and e.event_type in ({_settling(_PENDING)})
    )
"""
)

# First the few histories in which more was asked for than settled; then what that is.
OPEN_ENTITIES = f"""
with busy as (
    select execution_id, max(event_id) as last_id
    from journal
    where starts_with(instance_id, '@') and instance_id not in (select instance_id from imported)
    group by execution_id
    having count(*) filter (event_type in ({event_types(_QUEUED)}))
         > count(*) filter (event_type in ({_settling(_QUEUED)}))
),
recorded as (
    select {_ALL}, b.last_id from journal j join busy b using (execution_id)
)
select a.*, exists (
        select 1 from recorded t
        where t.execution_id = a.execution_id and t.task_id = a.event_id and t.event_type = 'LockTaken'
    ) as is_taken
from recorded a
where a.event_type in ({event_types(_QUEUED)}) and not exists (
    select 1 from recorded s
    where s.execution_id = a.execution_id and s.task_id = a.event_id
        and s.event_type in ({_settling(_QUEUED)})
)
"""

# Where the states stand, not the states: see _STATE.
ENTITY_STATES = """
select instance_id, max(seq) from journal
where event_type = 'StateChanged' and list_contains(?, instance_id)
group by instance_id
"""
ENTITY_STATE_AS_OF = """
select max(seq) from journal
where event_type = 'StateChanged' and instance_id = ? and timestamp <= ?
"""
ALL_ENTITY_STATES = """
select instance_id, max(seq) filter (event_type = 'StateChanged') from journal
where starts_with(instance_id, '@')
group by instance_id
"""


DESCENDANTS = """
with recursive family(instance_id, depth) as (
    select unnest(?::varchar[]), 0
    union
    select j.instance_id, f.depth + 1
    from journal j join family f
        on j.event_type = 'ExecutionStarted' and j.attributes is not null
        and try_cast(j.attributes as json) -> 'parent' ->> 'instance_id' = f.instance_id
    where f.depth < 1000
)
select instance_id, min(depth) as d from family where depth > 0 group by 1 order by d, 1
"""

# The children of a few instances: those that they asked for, and that say the same of them.
ASKED_CHILDREN = """
select distinct try_cast(attributes as json) ->> 'instance_id' from journal
where list_contains(?, instance_id) and event_type = 'SubOrchestrationInstanceCreated'
"""
CHILDREN = """
select distinct instance_id from journal
where list_contains(?, instance_id) and event_type = 'ExecutionStarted'
    and list_contains(?, try_cast(attributes as json) -> 'parent' ->> 'instance_id')
"""

# By the execution that was begun last: what only once had the id of a child is none.
LINKS = """
with recursive starts as (
    select instance_id, arg_max(coalesce(attributes, ''), seq) as attributes
    from journal where event_type = 'ExecutionStarted' group by instance_id
),
links as materialized (
    select instance_id, try_cast(attributes as json) -> 'parent' ->> 'instance_id' as parent
    from starts where contains(attributes, '"parent"')
),
family(instance_id, parent) as (
    select unnest(?::varchar[]), null::varchar
    union
    select l.instance_id, l.parent from links l join family f on l.parent = f.instance_id
)
select instance_id, parent from family where parent is not null order by instance_id
"""

_FORKED = """
select unnest(json_extract_string(try_cast(attributes as json), '$.forked_from[*].execution_id'))
from journal where event_type = 'ExecutionStarted' and contains(attributes, '"forked_from"')
"""
"""The executions of which there are forks."""

# The generations of the present instance: not those of an earlier one that had its id. Of generation 0, the
# first event stays. It doesn't count as a generation that is left.
PAST_GENERATIONS = f"""
with executions as (
    select instance_id, execution_id, min(seq) as first_seq, count(*) as events,
        max(seq) filter (event_type = 'ExecutionStarted') as started_seq,
        max(cast(coalesce(try_cast(attributes as json) ->> 'generation', '0') as integer))
            filter (event_type = 'ExecutionStarted') as generation,
        bool_or(event_type = 'SubOrchestrationInstanceCreated') as has_children
    from journal
    where list_contains($1, instance_id) and not starts_with(instance_id, '@')
    group by instance_id, execution_id
),
numbered as (
    select *, max(first_seq) filter (generation = 0) over (partition by instance_id) as born,
        arg_max(generation, first_seq) over (partition by instance_id) as latest
    from executions
)
select instance_id, execution_id, case when generation = 0 then [started_seq] else [] end, has_children
from numbered
where first_seq >= born and generation < latest - $2 and events > 1 and execution_id not in ({_FORKED})
order by first_seq
limit $3
"""

# Of these parts, two operations stay: the last one that changed the state, and the first one. The state that
# that one made doesn't stay: it isn't the state before the next operation that is left.
PAST_PARTS = """
with parts as (
    select instance_id, execution_id from journal
    where list_contains($1, instance_id) and starts_with(instance_id, '@')
    group by instance_id, execution_id
    qualify row_number() over (partition by instance_id order by min(seq) desc) > $2 + 1
),
recorded as (
    select j.instance_id, j.execution_id, j.seq, j.event_type,
        {'execution_id': j.execution_id, 'number': coalesce(j.task_id, j.event_id)} as operation
    from journal j join parts using (instance_id, execution_id)
),
needed as (
    select instance_id, arg_min(operation, seq) as first,
        arg_max(operation, seq) filter (event_type = 'StateChanged') as last
    from recorded group by instance_id
)
select s.instance_id, s.execution_id,
    coalesce(list(s.seq order by s.seq) filter (
        s.operation = n.last or s.operation = n.first and s.event_type <> 'StateChanged'
    ), []) as needed, false
from recorded s join needed n using (instance_id)
group by s.instance_id, s.execution_id
having len(needed) < count(*)
order by min(s.seq)
"""

BEGUN_BY = f"""
with recursive links as materialized (
    select instance_id, execution_id, max(seq) as seq,
        any_value(try_cast(attributes as json) -> 'parent' ->> 'execution_id') as parent
    from journal where event_type = 'ExecutionStarted' and contains(attributes, '"parent"')
    group by instance_id, execution_id
),
below as (
    select * from links where list_contains(?, parent)
    union
    select l.* from links l join below b on l.parent = b.execution_id
),
latest as (
    select instance_id, max(seq) as seq from journal
    where event_type = 'ExecutionStarted' and instance_id in (select instance_id from below)
    group by instance_id
)
select b.instance_id, b.execution_id, b.parent, b.seq = l.seq, b.execution_id in ({_FORKED})
from below b join latest l using (instance_id)
order by b.seq
"""

RESTARTED = "select distinct instance_id from journal where seq > ? and event_type = 'ExecutionStarted'"

# Where the payloads stand, not the payloads: folding those takes several times their size in memory.
_STATE = """
select instance_id, execution_id, name, status, created_time, last_updated_time, attributes,
       started_seq, ended_seq, custom_seq
from instance_states
"""

PAYLOADS = "select seq, payload from journal where seq in (select unnest(?::bigint[]))"

# The same of one instance, in statements that are planned in a fifth of the time.
LAST_OF_EACH_TYPE = """
select event_type, max(seq), max(timestamp) from journal where instance_id = ? group by event_type
"""
EVENTS_AT = """
select seq, execution_id, timestamp, name, payload, attributes from journal
where seq between ? and ? and list_contains(?, seq)
"""


_FIRST_STARTS = """
from journal
where event_type = 'ExecutionStarted' and (
    attributes is null or not contains(attributes, '"generation"')
    or coalesce(try_cast(attributes as json) ->> 'generation', '0') = '0'
)
"""
"""The starts of instances, without what continues as new."""

CREATED = f"select arg_max(timestamp, seq) {_FIRST_STARTS} and instance_id = ?"
"""When an instance was created."""

_HAVE_EVENT = "instance_id in (select instance_id from journal where list_contains(?, event_type))"
_ARE_OPEN = f"""instance_id in (
    select instance_id from journal
    where event_type in ({_BEGINS_AND_ENDS})
    group by instance_id
    having max(2 * seq + cast(event_type = 'ExecutionStarted' as bigint)) & 1 = 1
)"""

EVENT_OF = {
    Status.Completed: "ExecutionCompleted",
    Status.Failed: "ExecutionFailed",
    Status.Canceled: "ExecutionCanceled",
    Status.Terminated: "ExecutionTerminated",
    Status.Suspended: "ExecutionSuspended",
}
"""The events that every instance of a status has."""


def first_starts(query: InstanceQuery, count: int, *, narrows: bool) -> tuple[str, list[object]]:
    """Return the statement and parameters for the oldest starts of instances that may match a query.

    An instance counts as created when it was last started, so it may occur at earlier places as well. With
    `narrows`, instances whose status can't match are left out, which takes longer.
    """
    conditions, parameters = [f"select instance_id, timestamp {_FIRST_STARTS}"], list[object]()
    for condition, value in (
        ("starts_with(instance_id, ?)", query.prefix),
        ("lower(name) = ?", None if query.name is None else folded(query.name)),
        ("timestamp >= ?", None if query.created_from is None else naive(query.created_from)),
        ("timestamp <= ?", None if query.created_to is None else naive(query.created_to)),
    ):
        if value is not None:
            conditions.append(condition)
            parameters.append(value)
    statuses = set(query.statuses or ()) if narrows else set()
    if statuses and statuses <= EVENT_OF.keys():
        conditions.append(_HAVE_EVENT)
        parameters.append([EVENT_OF[status] for status in statuses])
    elif statuses and not any(status.is_terminal for status in statuses):
        conditions.append(_ARE_OPEN)
    parameters.append(count)
    return f"{' and '.join(conditions)} order by timestamp, instance_id limit ?", parameters


def select_states(query: InstanceQuery) -> tuple[str, list[object]]:
    """Return the statement and parameters for the states of the instances that match a query."""
    conditions, parameters = _of_ids(query)
    more, values = _that_meet(query, "name", "created_time")
    return _listed(_STATE, "where", [*conditions, *more], "created_time", query, parameters + values)


def select_ids(query: InstanceQuery) -> tuple[str, list[object]]:
    """Return the statement and parameters for the ids of the instances that match a query."""
    conditions, parameters = _of_ids(query)
    if query.statuses is not None:
        more, values = _that_meet(query, "name", "created_time")
        select = "select instance_id from instance_states"
        return _listed(select, "where", [*conditions, *more], "created_time", query, parameters + values)
    # The starts tell the same, and are few beside all events. The last one counts.
    name, created = "arg_max(name, seq)", "arg_max(timestamp, seq)"
    more, values = _that_meet(query, name, created)
    starts = " and ".join([f"select instance_id {_FIRST_STARTS}", *conditions])
    return _listed(f"{starts} group by instance_id", "having", more, created, query, parameters + values)


def _of_ids(query: InstanceQuery) -> tuple[list[str], list[object]]:
    """Return the conditions on ids, with their values."""
    conditions: list[str] = []
    parameters: list[object] = []
    if query.instance_ids is not None and len(query.instance_ids) == 1:
        conditions.append("instance_id = ?")
        parameters.append(query.instance_ids[0])
    elif query.instance_ids is not None:
        conditions.append("list_contains(?, instance_id)")
        parameters.append(list(query.instance_ids))
    if query.prefix is not None:
        conditions.append("starts_with(instance_id, ?)")
        parameters.append(query.prefix)
    return conditions, parameters


def _that_meet(query: InstanceQuery, name: str, created: str) -> tuple[list[str], list[object]]:
    """Return all other conditions, with their values; the columns of two of them are parameters."""
    conditions: list[str] = []
    parameters: list[object] = []
    if query.name is not None:
        conditions.append(f"lower({name}) = ?")
        parameters.append(folded(query.name))
    if query.statuses is not None:
        conditions.append("list_contains(?, status)")
        parameters.append([status.value for status in query.statuses])
    if query.created_from is not None:
        conditions.append(f"{created} >= ?")
        parameters.append(naive(query.created_from))
    if query.created_to is not None:
        conditions.append(f"{created} <= ?")
        parameters.append(naive(query.created_to))
    return conditions, parameters


def _listed(
    select: str,
    word: str,
    conditions: list[str],
    created: str,
    query: InstanceQuery,
    parameters: list[object],
) -> tuple[str, list[object]]:
    condition = f"{word} {' and '.join(conditions)}" if conditions else ""
    limits = [query.limit if query.limit is not None else 1 << 62, query.offset]
    return f"{select} {condition} order by {created}, instance_id limit ? offset ?", [*parameters, *limits]


def entities(name: str | None, since: datetime | None) -> tuple[str, list[object]]:
    """Return the statement and parameters for the entities of a name, used since a time."""
    conditions = ["entity_exists"]
    parameters: list[object] = []
    if name is not None:
        conditions.append("name = ?")
        parameters.append(name)
    if since is not None:
        conditions.append("last_modified >= ?")
        parameters.append(naive(since))
    found = "select instance_id, last_modified, queue_length, locked_by from entities"
    return f"{found} where {' and '.join(conditions)} order by instance_id", parameters
