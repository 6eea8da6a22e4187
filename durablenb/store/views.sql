-- What users query. Filters on instance_id reach the journal, and columns that aren't asked for cost nothing.

create or replace view history as
select seq, instance_id, execution_id, event_id, event_type, timestamp, name, task_id,
       try_cast(payload as json) as payload, started_at, try_cast(attributes as json) as attributes
from journal;

-- One row an instance; payloads as they were written. The last event of a kind wins: `latest` and `phase`
-- hold a place in the journal and the kind of the event there in one number, which is cheap to take the
-- greatest of.
create or replace view instance_states as
with events as (
    select seq, instance_id, execution_id, timestamp, name, payload, attributes,
        case event_type
            when 'ExecutionStarted' then 0 when 'OrchestratorStarted' then 1
            when 'ExecutionSuspended' then 2 when 'ExecutionResumed' then 3
            when 'ExecutionCompleted' then 4 when 'ExecutionFailed' then 5 when 'ExecutionTerminated' then 6
            when 'CustomStatusSet' then 8 when 'ExecutionRewound' then 9
        end as kind
    from journal
    where event_type in (
        'ExecutionStarted', 'OrchestratorStarted', 'ExecutionCompleted', 'ExecutionFailed',
        'ExecutionTerminated', 'ExecutionSuspended', 'ExecutionResumed', 'ExecutionRewound', 'CustomStatusSet'
    )
),
marks as (
    select
        instance_id,
        max(seq * 8 + kind) filter (kind < 8) as latest,
        max(seq * 2 + kind) filter (kind < 2) as phase,
        max(seq) filter (kind = 0) as started_seq,
        max(seq) filter (kind = 8) as custom_seq,
        arg_max(payload, seq) filter (kind between 4 and 6) as end_payload,
        arg_max(payload, seq) filter (kind = 8) as custom_payload,
        arg_max(execution_id, seq) filter (kind = 0) as execution_id,
        arg_max(name, seq) filter (kind = 0) as name,
        arg_max(payload, seq) filter (kind = 0) as input,
        arg_max(coalesce(attributes, '{}'), seq) filter (kind = 0) as attributes,
        arg_max(timestamp, seq) filter (
            kind = 0 and coalesce(try_cast(attributes as json) ->> 'generation', '0') = '0'
        ) as created_time,
        max(timestamp) as last_updated_time
    from events
    group by instance_id
)
select
    instance_id,
    name,
    case latest & 7
        when 0 then 'Pending' when 1 then 'Running' when 2 then 'Suspended'
        when 3 then case phase & 1 when 1 then 'Running' else 'Pending' end
        when 4 then 'Completed' when 5 then 'Failed' when 6 then 'Terminated'
    end as status,
    created_time,
    last_updated_time,
    input,
    case when latest & 7 >= 4 then end_payload end as output,
    case when custom_seq > started_seq then custom_payload end as custom_status,
    try_cast(attributes as json) ->> 'version' as version,
    try_cast(attributes as json) -> 'parent' ->> 'instance_id' as parent_instance_id,
    try_cast(attributes as json) -> 'tags' as tags,
    cast(try_cast(attributes as json) ->> 'scheduled_start_time' as timestamp) as scheduled_start_time,
    cast(coalesce(try_cast(attributes as json) ->> 'generation', '0') as integer) as generation,
    execution_id,
    attributes,
    started_seq,
    case when latest & 7 >= 4 then latest >> 3 end as ended_seq,
    case when custom_seq > started_seq then custom_seq end as custom_seq
from marks;

create or replace view instances as
select instance_id, name, status, created_time, last_updated_time, last_updated_time - created_time as duration,
       try_cast(input as json) as input, try_cast(output as json) as output,
       try_cast(custom_status as json) as custom_status, version, parent_instance_id,
       tags, scheduled_start_time, generation, execution_id
from instance_states;

-- One row a call, as it stands since the last rewind.
create or replace view activities as
with rewinds as (
    select execution_id, max(seq) as seq from journal where event_type = 'ExecutionRewound' group by execution_id
),
calls as (
    select j.* from journal j left join rewinds r on j.execution_id = r.execution_id
    where j.event_type in ('TaskScheduled', 'TaskCompleted', 'TaskFailed') and j.seq > coalesce(r.seq, 0)
)
select
    s.instance_id,
    s.execution_id,
    s.task_id,
    s.name,
    case e.event_type when 'TaskCompleted' then 'Completed' when 'TaskFailed' then 'Failed' else 'Pending' end as status,
    s.timestamp as scheduled,
    e.started_at as started,
    e.timestamp as ended,
    e.started_at - s.timestamp as queue_time,
    e.timestamp - e.started_at as run_time,
    cast(coalesce(try_cast(s.attributes as json) ->> 'attempt', '1') as integer) as attempt,
    try_cast(s.payload as json) as input,
    case e.event_type when 'TaskCompleted' then try_cast(e.payload as json) end as result,
    case e.event_type when 'TaskFailed' then try_cast(e.payload as json) end as failure
from (select * from calls where event_type = 'TaskScheduled') s
left join (select * from calls where event_type <> 'TaskScheduled') e
    on s.execution_id = e.execution_id and s.task_id = e.task_id;

-- One row a large part of a value, without its bytes.
create or replace view payloads as
select b.hash, b.kind, b.size as bytes, coalesce(u.uses, 0) as uses, b.created
from blobs b left join (select hash, count(*) as uses from blob_uses group by hash) u on b.hash = u.hash;
