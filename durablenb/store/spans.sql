-- What orchestrations did, and when; see calls.sql.

-- One row a bar of the timeline.
create or replace view spans with (defer_binding) as
select
    c.execution_id || '/' || c.task_id as span_id,
    p.execution_id || '/' || p.task_id as parent_span_id,
    c.*
from (
    select instance_id, execution_id, task_id, 'activity' as kind, name, cast(null as varchar) as child_instance_id,
           status, attempt, scheduled, started, ended, seq, ended_seq
    from activities
    union all
    select instance_id, execution_id, task_id, 'sub-orchestration', name, child_instance_id,
           status, attempt, scheduled, scheduled, ended, seq, ended_seq
    from sub_orchestrations
    union all
    select instance_id, execution_id, task_id, 'timer', if(purpose = 'retry', 'timer (before a retry)', 'timer'), null,
           if(status = 'Fired', 'Completed', status), 1, created, created, ended, seq, ended_seq
    from timers
    union all
    select instance_id, execution_id, task_id, 'external event', name, null,
           case status when 'Taken' then 'Completed' when 'Left' then 'Canceled' else status end, 1, subscribed, subscribed, ended, seq, ended_seq
    from external_events
    where task_id is not null
    union all
    select instance_id, execution_id, task_id, 'entity call', entity_id || '.' || operation, null,
           status, 1, scheduled, scheduled, ended, seq, ended_seq
    from entity_calls
    union all
    select s.instance_id, s.execution_id, s.task_id, 'lock',
           array_to_string(cast(try_cast(s.attributes as json) -> 'entity_ids' as varchar[]), ', '), null,
           case e.event_type when 'EntityLockGranted' then 'Completed' when 'EntityLockCanceled' then 'Canceled'
                else 'Pending' end, 1, s.timestamp, s.timestamp, e.timestamp, s.seq, e.seq
    from standing s
    left join (select * from journal where event_type in ('EntityLockGranted', 'EntityLockCanceled')) e
        on e.instance_id = s.instance_id and e.execution_id = s.execution_id and e.task_id = s.task_id and e.seq > s.seq
    where s.event_type = 'EntityLockRequested'
) c
left join (
    select instance_id, execution_id as child_execution_id,
           parent ->> 'execution_id' as execution_id, parent ->> 'task_id' as task_id
    from (
        select instance_id, execution_id, try_cast(attributes as json) -> 'parent' as parent
        from standing where event_type = 'ExecutionStarted' and contains(attributes, '"parent"')
    )
) p on p.instance_id = c.instance_id and p.child_execution_id = c.execution_id;
