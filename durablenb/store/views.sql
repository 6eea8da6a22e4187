-- What users query. Filters on instance_id reach the journal, and columns that aren't asked for cost nothing.

create or replace view history as
select seq, instance_id, execution_id, event_id, event_type, timestamp, name, task_id,
       try_cast(payload as json) as payload, started_at, try_cast(attributes as json) as attributes
from journal;

-- One row an instance; payloads as they were written. The last event of a kind wins: `latest` and `halt` hold
-- a place in the journal and the kind of the event there in one number, which is cheap to take the greatest of.
create or replace view instance_states as
with kinds(event_type, kind) as (
    values ('ExecutionStarted', 0), ('OrchestratorStarted', 1),
           ('ExecutionCompleted', 2), ('ExecutionFailed', 3), ('ExecutionTerminated', 4),
           ('CustomStatusSet', 8), ('ExecutionRewound', 9), ('ExecutionResumed', 10), ('ExecutionSuspended', 11)
),
events as (
    select seq, instance_id, execution_id, timestamp, name, payload, attributes, kind, seq * 16 + kind as mark
    from journal join kinds using (event_type)
),
marks as (
    select
        instance_id,
        max(mark) filter (kind < 8) as latest,
        max(mark) filter (kind >= 10) as halt,
        max(seq) filter (kind = 0) as started_seq,
        max(seq) filter (kind = 8) as custom_seq,
        arg_max(payload, seq) filter (kind between 2 and 4) as end_payload,
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
    case when halt > latest and halt & 15 = 11 then 'Suspended'
         else ['Pending', 'Running', 'Completed', 'Failed', 'Terminated'][(latest & 15) + 1]
    end as status,
    created_time,
    last_updated_time,
    input,
    case when latest & 15 >= 2 then end_payload end as output,
    case when custom_seq > started_seq then custom_payload end as custom_status,
    try_cast(attributes as json) ->> 'version' as version,
    try_cast(attributes as json) -> 'parent' ->> 'instance_id' as parent_instance_id,
    try_cast(attributes as json) -> 'tags' as tags,
    cast(try_cast(attributes as json) ->> 'scheduled_start_time' as timestamp) as scheduled_start_time,
    cast(coalesce(try_cast(attributes as json) ->> 'generation', '0') as integer) as generation,
    execution_id,
    attributes,
    started_seq,
    case when latest & 15 >= 2 then latest >> 4 end as ended_seq,
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
