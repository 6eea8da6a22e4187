-- Entities: what they are, what was asked of them, who has locked them. Their histories stand in the journal under
-- their ids, '@name@key', in parts that have an execution_id each.

-- One row a call of an entity by an orchestration.
create or replace view entity_calls with (defer_binding) as
select
    s.instance_id,
    s.execution_id,
    s.task_id,
    try_cast(s.attributes as json) ->> 'entity_id' as entity_id,
    s.name as operation,
    case e.event_type when 'EntityOperationCompleted' then 'Completed' when 'EntityOperationFailed' then 'Failed'
         else 'Pending' end as status,
    s.timestamp as scheduled,
    e.timestamp as ended,
    e.timestamp - s.timestamp as duration,
    try_cast(s.payload as json) as input,
    case e.event_type when 'EntityOperationCompleted' then try_cast(e.payload as json) end as result,
    case e.event_type when 'EntityOperationFailed' then try_cast(e.payload as json) end as failure,
    s.seq,
    e.seq as ended_seq
from standing s
left join (
    select * from journal where event_type in ('EntityOperationCompleted', 'EntityOperationFailed')
) e on e.instance_id = s.instance_id and e.execution_id = s.execution_id and e.task_id = s.task_id and e.seq > s.seq
where s.event_type = 'EntityOperationCalled';

-- One row an operation that was asked of an entity, by whomever. What has ended is numbered by its end: a state holds
-- until the next one.
create or replace view entity_operations with (defer_binding) as
select
    instance_id,
    split_part(instance_id, '@', 2) as name,
    substr(instance_id, length(split_part(instance_id, '@', 2)) + 3) as key,
    operation,
    case event_type when 'OperationCompleted' then 'Completed' when 'OperationFailed' then 'Failed' else 'Pending' end
        as status,
    caller ->> 'instance_id' as sent_by,
    cast(caller ->> 'task_id' as integer) as sent_by_task,
    is_signal,
    queued,
    due,
    started,
    ended,
    started - greatest(queued, coalesce(due, queued)) as queue_time,
    ended - started as run_time,
    try_cast(input as json) as input,
    case event_type when 'OperationCompleted' then try_cast(outcome as json) end as result,
    case event_type when 'OperationFailed' then try_cast(outcome as json) end as failure,
    case when ended_seq is not null then try_cast(nullif(before, 'null') as json) end as state_before,
    case when ended_seq is not null then try_cast(nullif(after, 'null') as json) end as state_after,
    worker,
    execution_id,
    number,
    seq,
    ended_seq
from (
    select
        q.instance_id,
        q.execution_id,
        q.event_id as number,
        q.name as operation,
        try_cast(q.attributes as json) -> 'caller' as caller,
        coalesce(try_cast(q.attributes as json) ->> 'is_signal', 'true') = 'true' as is_signal,
        q.timestamp as queued,
        cast(try_cast(q.attributes as json) ->> 'deliver_at' as timestamp) as due,
        q.payload as input,
        q.seq,
        e.event_type,
        e.started_at as started,
        e.timestamp as ended,
        e.payload as outcome,
        try_cast(e.attributes as json) ->> 'worker' as worker,
        e.seq as ended_seq,
        last_value(c.payload ignore nulls) over (so_far rows between unbounded preceding and 1 preceding) as before,
        last_value(c.payload ignore nulls) over (so_far rows between unbounded preceding and current row) as after
    from journal q
    left join (select * from journal where event_type in ('OperationCompleted', 'OperationFailed')) e
        on e.instance_id = q.instance_id and e.execution_id = q.execution_id and e.task_id = q.event_id
    left join (select * from journal where event_type = 'StateChanged') c
        on c.instance_id = q.instance_id and c.execution_id = q.execution_id and c.task_id = q.event_id
    where q.event_type = 'OperationEnqueued'
    window so_far as (partition by q.instance_id order by e.seq nulls last)
);

-- One row an entity in a critical section that was asked for.
create or replace view entity_locks with (defer_binding) as
select
    instance_id,
    split_part(instance_id, '@', 2) as name,
    substr(instance_id, length(split_part(instance_id, '@', 2)) + 3) as key,
    case when released is null then if(taken is null, 'Waiting', 'Held') else if(taken is null, 'Canceled', 'Released')
         end as status,
    owner ->> 'instance_id' as owner,
    owner ->> 'execution_id' as owner_execution_id,
    cast(owner ->> 'task_id' as integer) as owner_task,
    position,
    requested,
    taken,
    released,
    coalesce(taken, released) - requested as wait_time,
    released - taken as held_time,
    execution_id,
    seq
from (
    select
        q.instance_id,
        q.execution_id,
        try_cast(q.attributes as json) -> 'caller' as owner,
        cast(coalesce(try_cast(q.attributes as json) ->> 'position', '0') as integer) + 1 as position,
        q.timestamp as requested,
        t.timestamp as taken,
        r.timestamp as released,
        q.seq
    from journal q
    left join (select * from journal where event_type = 'LockTaken') t
        on t.instance_id = q.instance_id and t.execution_id = q.execution_id and t.task_id = q.event_id
    left join (select * from journal where event_type = 'LockReleased') r
        on r.instance_id = q.instance_id and r.execution_id = q.execution_id and r.task_id = q.event_id
    where q.event_type = 'LockEnqueued'
);

-- One row an entity that was ever asked for something. `last` is where it ended what it did last.
create or replace view entities with (defer_binding) as
select
    e.instance_id,
    split_part(e.instance_id, '@', 2) as name,
    substr(e.instance_id, length(split_part(e.instance_id, '@', 2)) + 3) as key,
    e.entity_exists,
    try_cast(s.payload as json) as state,
    o.name as last_operation,
    e.last_modified,
    e.operations,
    e.failures,
    e.queued - e.operations as queue_length,
    l.owner as locked_by,
    e.created
from (
    select
        instance_id,
        coalesce(arg_max(payload <> 'null', seq) filter (event_type = 'StateChanged'), false) as entity_exists,
        max(seq) filter (event_type = 'StateChanged' and payload <> 'null') as state_seq,
        arg_max({'execution_id': execution_id, 'number': task_id}, seq)
            filter (event_type in ('OperationCompleted', 'OperationFailed')) as last,
        max(timestamp) as last_modified,
        count(*) filter (event_type in ('OperationCompleted', 'OperationFailed')) as operations,
        count(*) filter (event_type = 'OperationFailed') as failures,
        count(*) filter (event_type = 'OperationEnqueued') as queued,
        min(timestamp) as created
    from journal
    where starts_with(instance_id, '@')
    group by instance_id
) e
left join journal s on e.entity_exists and s.instance_id = e.instance_id and s.seq = e.state_seq
left join journal o on o.instance_id = e.instance_id and o.execution_id = e.last.execution_id
    and o.event_id = e.last.number
left join (select instance_id, owner from entity_locks where status = 'Held') l on l.instance_id = e.instance_id;
