-- What users query. Filters on instance_id reach the journal, and columns that aren't asked for cost nothing.

create or replace view history as
select seq, instance_id, execution_id, event_id, event_type, timestamp, name, task_id,
       try_cast(payload as json) as payload, started_at, try_cast(attributes as json) as attributes
from journal;

create or replace view instance_states as
with marks as (
    select
        instance_id,
        max(seq) filter (event_type = 'ExecutionStarted') as started_seq,
        max(seq) filter (event_type = 'OrchestratorStarted') as begun_seq,
        max(seq) filter (event_type in ('ExecutionCompleted', 'ExecutionFailed', 'ExecutionTerminated')) as ended_seq,
        max(seq) filter (event_type = 'ExecutionSuspended') as suspended_seq,
        max(seq) filter (event_type = 'ExecutionResumed') as resumed_seq,
        max(seq) filter (event_type = 'CustomStatusSet') as custom_seq,
        arg_max(event_type, seq) filter (event_type in ('ExecutionCompleted', 'ExecutionFailed', 'ExecutionTerminated')) as end_type,
        arg_max(payload, seq) filter (event_type in ('ExecutionCompleted', 'ExecutionFailed', 'ExecutionTerminated')) as end_payload,
        arg_max(payload, seq) filter (event_type = 'CustomStatusSet') as custom_payload,
        arg_max(execution_id, seq) filter (event_type = 'ExecutionStarted') as execution_id,
        arg_max(name, seq) filter (event_type = 'ExecutionStarted') as name,
        arg_max(payload, seq) filter (event_type = 'ExecutionStarted') as input,
        arg_max(coalesce(attributes, '{}'), seq) filter (event_type = 'ExecutionStarted') as attributes,
        arg_max(timestamp, seq) filter (
            event_type = 'ExecutionStarted' and coalesce(try_cast(attributes as json) ->> 'generation', '0') = '0'
        ) as created_time,
        max(timestamp) as last_updated_time
    from journal
    where event_type in (
        'ExecutionStarted', 'OrchestratorStarted', 'ExecutionCompleted', 'ExecutionFailed',
        'ExecutionTerminated', 'ExecutionSuspended', 'ExecutionResumed', 'ExecutionRewound', 'CustomStatusSet'
    )
    group by instance_id
)
select
    instance_id,
    name,
    case
        when ended_seq > started_seq then replace(end_type, 'Execution', '')
        when suspended_seq > started_seq and suspended_seq > coalesce(resumed_seq, 0) then 'Suspended'
        when begun_seq > started_seq then 'Running'
        else 'Pending'
    end as status,
    created_time,
    last_updated_time,
    input,
    case when ended_seq > started_seq then end_payload end as output,
    case when custom_seq > started_seq then custom_payload end as custom_status,
    try_cast(attributes as json) ->> 'version' as version,
    try_cast(attributes as json) -> 'parent' ->> 'instance_id' as parent_instance_id,
    try_cast(attributes as json) -> 'tags' as tags,
    cast(try_cast(attributes as json) ->> 'scheduled_start_time' as timestamp) as scheduled_start_time,
    cast(coalesce(try_cast(attributes as json) ->> 'generation', '0') as integer) as generation,
    execution_id,
    attributes
from marks
where started_seq is not null;

create or replace view instances as
select instance_id, name, status, created_time, last_updated_time, last_updated_time - created_time as duration,
       try_cast(input as json) as input, try_cast(output as json) as output,
       try_cast(custom_status as json) as custom_status, version, parent_instance_id,
       tags, scheduled_start_time, generation, execution_id
from instance_states;

create or replace view activities as
with calls as (
    select
        instance_id, execution_id, task_id,
        max(seq) filter (event_type = 'TaskScheduled') as scheduled_seq,
        max(seq) filter (event_type in ('TaskCompleted', 'TaskFailed')) as ended_seq,
        any_value(name) as name,
        arg_max(payload, seq) filter (event_type = 'TaskScheduled') as input,
        arg_max(attributes, seq) filter (event_type = 'TaskScheduled') as attributes,
        min(timestamp) filter (event_type = 'TaskScheduled') as scheduled,
        arg_max(started_at, seq) filter (event_type in ('TaskCompleted', 'TaskFailed')) as started,
        arg_max(timestamp, seq) filter (event_type in ('TaskCompleted', 'TaskFailed')) as ended,
        arg_max(payload, seq) filter (event_type in ('TaskCompleted', 'TaskFailed')) as outcome,
        arg_max(event_type, seq) filter (event_type in ('TaskCompleted', 'TaskFailed')) as end_type
    from journal
    where event_type in ('TaskScheduled', 'TaskCompleted', 'TaskFailed')
    group by instance_id, execution_id, task_id
)
select
    instance_id,
    execution_id,
    task_id,
    name,
    case when ended_seq > scheduled_seq then replace(end_type, 'Task', '') else 'Pending' end as status,
    scheduled,
    case when ended_seq > scheduled_seq then started end as started,
    case when ended_seq > scheduled_seq then ended end as ended,
    case when ended_seq > scheduled_seq then started - scheduled end as queue_time,
    case when ended_seq > scheduled_seq then ended - started end as run_time,
    cast(coalesce(try_cast(attributes as json) ->> 'attempt', '1') as integer) as attempt,
    try_cast(input as json) as input,
    case when ended_seq > scheduled_seq and end_type = 'TaskCompleted' then try_cast(outcome as json) end as result,
    case when ended_seq > scheduled_seq and end_type = 'TaskFailed' then try_cast(outcome as json) end as failure
from calls
where scheduled_seq is not null;
