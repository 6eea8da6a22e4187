-- What users ask of one instance; see calls.sql.

-- DuckDB binds the query of a macro when the macro is made, and binding `spans` takes longest of all. So the macros are
-- made over a view of the same columns that is bound in no time; the true one, in spans.sql, is bound when it is used.
create or replace view spans as
select
    cast(null as varchar) as span_id, cast(null as varchar) as parent_span_id, instance_id, execution_id, task_id,
    cast(null as varchar) as kind, name, cast(null as varchar) as child_instance_id, cast(null as varchar) as status,
    1 as attempt, timestamp as scheduled, timestamp as started, timestamp as ended, seq, seq as ended_seq
from journal;

-- The bars of an instance as a timeline draws them: what is open lasts as long as its execution, or until now.
create or replace macro timeline(id) as table
select
    generation, kind, name, attempt, status, scheduled, started, ended,
    scheduled - min(begun) over () as since_start, started - scheduled as queue_time, ended - started as duration,
    span_id
from (
    select s.seq, e.generation, s.kind, s.name, s.attempt, s.status, s.scheduled,
           coalesce(s.started, s.scheduled) as started,
           greatest(coalesce(s.ended, e.ended), coalesce(s.started, s.scheduled)) as ended,  -- it may start after the last event
           s.span_id, e.started as begun
    from spans s join (
        select execution_id, generation, started,
               coalesce(ended, (select max(timestamp) from journal where instance_id = id)) as ended
        from executions where instance_id = id
    ) e using (execution_id)
    where s.instance_id = id
)
order by seq;

-- The calls that determined how long an instance's last execution took, one after the other: what the orchestrator
-- asked for, it asked for because of what had come last.
create or replace macro critical_path(id) as table
with recursive execution as (
    select execution_id, started, coalesce(ended_seq, 9223372036854775807) as ended_seq
    from executions where instance_id = id
    order by seq desc limit 1
),
calls as materialized (
    select s.*, e.started as begun, e.ended_seq as end_seq
    from spans s join execution e using (execution_id)
    where s.instance_id = id and s.status in ('Completed', 'Failed') and s.ended_seq > s.seq
),
linked as materialized (
    select c.*, b.ended_seq as before_seq, b.ended as before
    from calls c asof left join calls b on c.seq > b.ended_seq
),
path(ended_seq) as (
    select max(ended_seq) from linked where ended_seq < end_seq
    union
    select before_seq from path join linked using (ended_seq) where before_seq is not null
)
select
    row_number() over (order by seq) as step, kind, name, child_instance_id, attempt, status, scheduled, started, ended,
    ended - coalesce(before, begun) as took, span_id
from path join linked using (ended_seq)
order by step;

-- How many calls of an instance ran, and how many waited for a place, from each moment on.
create or replace macro concurrency(id) as table
with changes(moment, running, queued) as (
    select unnest([scheduled, started, ended]), unnest([0, 1, -1]), unnest([1, -1, 0])
    from spans
    where instance_id = id and kind in ('activity', 'sub-orchestration') and started is not null
)
select
    moment,
    cast(sum(sum(running)) over (order by moment) as bigint) as running,
    cast(sum(sum(queued)) over (order by moment) as bigint) as queued
from changes
where moment is not null
group by moment
order by moment;

-- An instance and all its sub-orchestrations, their own ones too, each below its parent. The status is as in
-- `instances`, which would look at all of the journal.
create or replace macro tree(id) as table
with recursive family(instance_id, execution_id, parent_instance_id, depth, path) as (
    select instance_id, execution_id, cast(null as varchar), 0, cast([] as bigint[])
    from standing where instance_id = id and event_type = 'ExecutionStarted'
    qualify seq >= max(seq) filter (coalesce(try_cast(attributes as json) ->> 'generation', '0') = '0') over ()
    union all
    select x.instance_id, x.execution_id, c.instance_id, c.depth + 1, list_append(c.path, c.seq)
    from (
        select s.instance_id, s.execution_id, s.task_id, s.seq, f.depth, f.path,
               try_cast(s.attributes as json) ->> 'instance_id' as child
        from family f join standing s on s.instance_id = f.instance_id and s.execution_id = f.execution_id
        where s.event_type = 'SubOrchestrationInstanceCreated'
    ) c
    join standing x on x.instance_id = c.child and x.event_type = 'ExecutionStarted'
        and try_cast(x.attributes as json) -> 'parent' ->> 'execution_id' = c.execution_id
        and cast(try_cast(x.attributes as json) -> 'parent' ->> 'task_id' as integer) = c.task_id
),
members as materialized (from family)
select
    depth, instance_id, parent_instance_id, name,
    case when suspended_seq > latest_seq then 'Suspended' when latest = 'ExecutionStarted' then 'Pending'
         when latest = 'OrchestratorStarted' then 'Running' else substr(latest, 10) end as status,
    created_time,
    if(latest in ('ExecutionStarted', 'OrchestratorStarted'), null, latest_time) as ended
from (
    select
        m.depth, m.path, m.instance_id, m.parent_instance_id,
        max(s.name) filter (s.event_type = 'ExecutionStarted') as name,
        min(s.timestamp) filter (s.event_type = 'ExecutionStarted') as created_time,
        max(s.seq) filter (s.event_type = 'ExecutionSuspended') as suspended_seq,
        max(s.seq) filter (s.event_type <> 'ExecutionSuspended') as latest_seq,
        arg_max(s.event_type, s.seq) filter (s.event_type not in ('ExecutionSuspended', 'ExecutionResumed')) as latest,
        arg_max(s.timestamp, s.seq) filter (s.event_type not in ('ExecutionSuspended', 'ExecutionResumed'))
            as latest_time
    from members m join journal s on s.instance_id = m.instance_id and s.execution_id = m.execution_id
    where s.event_type in (
        'ExecutionStarted', 'OrchestratorStarted', 'ExecutionSuspended', 'ExecutionResumed',
        'ExecutionCompleted', 'ExecutionFailed', 'ExecutionCanceled', 'ExecutionTerminated')
    group by all
)
order by path;
