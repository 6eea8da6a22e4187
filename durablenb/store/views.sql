-- What users query, with calls.sql, entities.sql and spans.sql. Filters on instance_id reach the journal, and columns that aren't
-- asked for cost nothing.

create or replace view history with (defer_binding) as
select seq, instance_id, execution_id, event_id, event_type, timestamp, name, task_id,
       try_cast(payload as json) as payload, started_at, try_cast(attributes as json) as attributes
from journal;

-- The journal without what a rewind replaced.
create or replace view standing with (defer_binding) as
select j.*
from journal j
left join (select * from journal where event_type = 'ExecutionRewound') r
    on r.instance_id = j.instance_id and r.execution_id = j.execution_id and r.seq >= j.seq
where r.seq is null;

-- One row an instance, as of a place in the journal; payloads as they were written. The last event of a kind
-- wins: `latest` and `halt` hold a place in the journal and the kind of the event there in one number, of which
-- the greatest is cheap to find.
create or replace macro states_until(place) as table
with kinds(event_type, kind) as (
    values ('ExecutionStarted', 0), ('OrchestratorStarted', 1),
           ('ExecutionCompleted', 2), ('ExecutionFailed', 3), ('ExecutionTerminated', 4), ('ExecutionCanceled', 5),
           ('CustomStatusSet', 8), ('ExecutionRewound', 9), ('ExecutionResumed', 10), ('ExecutionSuspended', 11)
),
events as (
    select seq, instance_id, execution_id, timestamp, name, payload, attributes, kind, seq * 16 + kind as mark
    from journal join kinds using (event_type)
    where seq <= place
),
marks as (
    select
        instance_id,
        max(mark) filter (kind < 8) as latest,
        max(mark) filter (kind >= 10) as halt,
        max(seq) filter (kind = 0) as started_seq,
        max(seq) filter (kind = 8) as custom_seq,
        arg_max(payload, mark) filter (kind between 2 and 5) as end_payload,
        arg_max(payload, mark) filter (kind = 8) as custom_payload,
        arg_max(execution_id, mark) filter (kind = 0) as execution_id,
        arg_max(name, mark) filter (kind = 0) as name,
        arg_max(payload, mark) filter (kind = 0) as input,
        arg_max(coalesce(attributes, '{}'), mark) filter (kind = 0) as attributes,
        arg_max(timestamp, mark) filter (
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
         else ['Pending', 'Running', 'Completed', 'Failed', 'Terminated', 'Canceled'][(latest & 15) + 1]
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

create or replace view instance_states with (defer_binding) as
from states_until(9223372036854775807);

create or replace view instances with (defer_binding) as
select instance_id, name, status, created_time, last_updated_time,
       last_updated_time - greatest(
           created_time, cast(try_cast(attributes as json) -> 'forked_from' -> 0 ->> 'time' as timestamp)
       ) - to_microseconds(coalesce(before_rewinds, 0)) as duration,
       try_cast(input as json) as input, try_cast(output as json) as output,
       try_cast(custom_status as json) as custom_status, version, parent_instance_id,
       tags, scheduled_start_time, generation, execution_id,
       try_cast(attributes as json) -> 'forked_from' -> 0 ->> 'instance_id' as forked_from,
       cast(try_cast(attributes as json) -> 'forked_from' -> 0 ->> 'event_id' as integer) as forked_at,
       origin
from instance_states left join imported using (instance_id)
left join (
    select instance_id, execution_id, cast(sum(epoch_us(timestamp) - epoch_us(failed)) as bigint) as before_rewinds
    from (
        select instance_id, execution_id, event_type, timestamp,
               lag(timestamp) over (partition by instance_id, execution_id order by seq) as failed
        from journal where event_type in ('ExecutionFailed', 'ExecutionRewound')
    )
    where event_type = 'ExecutionRewound'
    group by instance_id, execution_id
) using (instance_id, execution_id);

-- One row an instance or entity that was taken from elsewhere.
create or replace view imports with (defer_binding) as
select instance_id, origin, made_by, imported from imported;

-- One row an execution, as it stands since its last rewind. Of a purged one only the first event may be left, behind
-- which others follow.
create or replace view executions with (defer_binding) as
select
    instance_id,
    execution_id,
    cast(coalesce(try_cast(attributes as json) ->> 'generation', '0') as integer) as generation,
    name,
    case when ending = 'ContinueAsNew' then 'ContinuedAsNew' when ending is not null then substr(ending, 10)
         when episodes > 0 then 'Running' else 'Pending' end as status,
    started,
    ended,
    ended - started as duration,
    events,
    episodes,
    try_cast(input as json) as input,
    try_cast(output as json) as output,
    seq,
    ended_seq
from (
    select
        instance_id,
        execution_id,
        max(attributes) filter (is_start) as attributes,
        max(name) filter (is_start) as name,
        max(event_type) filter (is_end) as ending,
        max(timestamp) filter (is_start) as started,
        max(timestamp) filter (is_end) as ended,
        count(*) as events,
        count(*) filter (event_type = 'OrchestratorStarted') as episodes,
        max(payload) filter (is_start) as input,
        max(payload) filter (is_end) as output,
        max(seq) filter (is_start) as seq,
        max(seq) filter (is_end) as ended_seq
    from (
        select *, event_type = 'ExecutionStarted' as is_start, event_type in
            ('ExecutionCompleted', 'ExecutionFailed', 'ExecutionCanceled', 'ExecutionTerminated', 'ContinueAsNew') as is_end
        from standing where not starts_with(instance_id, '@')
    )
    group by instance_id, execution_id
    qualify count(*) > 1 or max(seq) filter (is_start) = max(max(seq) filter (is_start)) over (partition by instance_id)
);

-- One row a large part of a value, without its bytes.
create or replace view payloads with (defer_binding) as
select b.hash, b.kind, b.size as bytes, coalesce(u.uses, 0) as uses, b.created
from blobs b left join (
    select hash, count(*) as uses
    from (select hash from blob_uses union all select hash from output_parts where hash is not null)
    group by hash
) u on b.hash = u.hash;

-- One row a line that was printed, or a record of logging.
create or replace view logs with (defer_binding) as
select seq, instance_id, execution_id, task_id, name, attempt, timestamp, stream, level, logger, message
from log_lines;

-- One row a representation of an output that was displayed: in its last state, without its bytes.
create or replace view outputs with (defer_binding) as
select seq, instance_id, execution_id, task_id, name, attempt, timestamp, mime_type, size as bytes, text, hash,
       try_cast(metadata as json) as metadata, output_id
from output_parts;

-- One row a remembered result: the last one of each key.
create or replace view cached_results with (defer_binding) as
select
    c.name,
    c.instance_id,
    c.execution_id,
    c.task_id,
    c.timestamp as remembered,
    coalesce(h.hits, 0) as hits,
    try_cast(coalesce(c.result, j.payload) as json) as result,
    c.key,
    c.input as input_digest,
    c.code as code_digest,
    c.seq
from (
    select * from cached_calls where is_completed
    qualify row_number() over (partition by key order by result is null desc, seq desc) = 1
) c
left join journal j on c.result is null and j.seq = c.seq and j.execution_id = c.execution_id and j.task_id = c.task_id
left join (
    select try_cast(attributes as json) ->> 'cached_from' as origin, count(*) as hits
    from journal where event_type = 'TaskCompleted' and contains(attributes, '"cached_from"')
    group by 1
) h on h.origin = concat_ws(':', c.instance_id, c.execution_id, c.task_id);
