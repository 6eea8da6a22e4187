-- What orchestrations ask for, and what came of it, as it stands since the last rewind.
-- A filter on instance_id reaches the journal; `seq` and `ended_seq` are places in it.

-- One row a call of an activity; each attempt of a retried one is a row. Of a call that runs, or was canceled while it
-- ran, `activity_attempts` says when it began, where it runs and how far it is.
create or replace view activities with (defer_binding) as
select
    s.instance_id,
    s.execution_id,
    s.task_id,
    s.name,
    case e.event_type when 'TaskCompleted' then 'Completed' when 'TaskFailed' then 'Failed'
         when 'TaskCanceled' then 'Canceled' else 'Pending' end as status,
    s.timestamp as scheduled,
    if(e.seq is null or e.event_type = 'TaskCanceled', t.last.started_at, e.started_at) as started,
    e.timestamp as ended,
    started - s.timestamp as queue_time,
    e.timestamp - started as run_time,
    coalesce(t.last.attempt, cast(coalesce(try_cast(s.attributes as json) ->> 'attempt', '1') as integer)) as attempt,
    cast(try_cast(s.attributes as json) ->> 'retry_of' as integer) as retry_of,
    try_cast(s.payload as json) as input,
    case e.event_type when 'TaskCompleted' then try_cast(e.payload as json) end as result,
    case e.event_type when 'TaskFailed' then try_cast(e.payload as json) end as failure,
    if(e.seq is null or e.event_type = 'TaskCanceled', t.last.worker, try_cast(e.attributes as json) ->> 'worker')
        as worker,
    t.last.done as done,
    t.last.total as total,
    t.last.note as note,
    try_cast(e.attributes as json) ->> 'cached_from' as cached_from,
    s.seq,
    e.seq as ended_seq
from standing s
left join (select * from journal where event_type in ('TaskCompleted', 'TaskFailed', 'TaskCanceled')) e
    on e.execution_id = s.execution_id and e.task_id = s.task_id and e.seq > s.seq
left join (
    select instance_id, execution_id, task_id, arg_max(a, (started_at, attempt)) as last
    from activity_attempts a
    group by instance_id, execution_id, task_id
) t on t.instance_id = s.instance_id and t.execution_id = s.execution_id and t.task_id = s.task_id
where s.event_type = 'TaskScheduled';

-- One row a queue. Calls that have begun a moment ago count as waiting. The rate lets a call begin at `next_free`
-- or later; NULL: as soon as there is a place.
create or replace view queues with (defer_binding) as
with calls as (
    select q.name, count(*) as pending, count(a.started) as running
    from (select name, lower(unnest(activities)) as activity from queue_limits) q
    join activities a on a.status = 'Pending' and lower(a.name) = q.activity
    join instance_states i on i.instance_id = a.instance_id and i.execution_id = a.execution_id
    where i.ended_seq is null
    group by q.name
),
starts as (
    select queue, coalesce(max(started_at), max(granted_at)) as started_at
    from queue_starts group by queue, execution_id, task_id, granted_at
),
windows as (
    select q.name, max(s.started_at) as last_start,
           case when count(*) >= q.rate_count then
               (list(s.started_at order by s.started_at desc))[q.rate_count]
               + to_microseconds(cast(1e6 * q.rate_seconds as bigint)) end as next_free
    from queue_limits q join starts s on s.queue = lower(q.name)
    group by q.name, q.rate_count, q.rate_seconds
)
select q.name, q.concurrency, q.rate_count, q.rate_seconds, q.activities,
       coalesce(c.pending - c.running, 0) as waiting, coalesce(c.running, 0) as running,
       w.last_start, w.next_free
from queue_limits q left join calls c using (name) left join windows w using (name);

-- One row a call of a sub-orchestration; each attempt of a retried one is a row.
create or replace view sub_orchestrations with (defer_binding) as
select
    s.instance_id,
    s.execution_id,
    s.task_id,
    s.name,
    try_cast(s.attributes as json) ->> 'instance_id' as child_instance_id,
    case e.event_type when 'SubOrchestrationInstanceCompleted' then 'Completed'
         when 'SubOrchestrationInstanceFailed' then 'Failed' else 'Pending' end as status,
    s.timestamp as scheduled,
    e.timestamp as ended,
    e.timestamp - s.timestamp as duration,
    cast(coalesce(try_cast(s.attributes as json) ->> 'attempt', '1') as integer) as attempt,
    cast(try_cast(s.attributes as json) ->> 'retry_of' as integer) as retry_of,
    try_cast(s.payload as json) as input,
    case e.event_type when 'SubOrchestrationInstanceCompleted' then try_cast(e.payload as json) end as result,
    case e.event_type when 'SubOrchestrationInstanceFailed' then try_cast(e.payload as json) end as failure,
    s.seq,
    e.seq as ended_seq
from standing s
left join (
    select * from journal
    where event_type in ('SubOrchestrationInstanceCompleted', 'SubOrchestrationInstanceFailed')
) e on e.instance_id = s.instance_id and e.execution_id = s.execution_id and e.task_id = s.task_id and e.seq > s.seq
where s.event_type = 'SubOrchestrationInstanceCreated';

-- One row a timer, those between two attempts of a call included.
create or replace view timers with (defer_binding) as
select
    instance_id, execution_id, task_id, if(retry_of is null, 'timer', 'retry') as purpose, status,
    created, due, ended, if(status = 'Fired', ended - due, null) as lateness, retry_of, seq, ended_seq
from (
    select
        s.instance_id,
        s.execution_id,
        s.task_id,
        case e.event_type when 'TimerFired' then 'Fired' when 'TimerCanceled' then 'Canceled' else 'Pending' end
            as status,
        s.timestamp as created,
        cast(try_cast(s.attributes as json) ->> 'fire_at' as timestamp) as due,
        e.timestamp as ended,
        cast(try_cast(s.attributes as json) ->> 'retry_of' as integer) as retry_of,
        s.seq,
        e.seq as ended_seq
    from standing s
    left join (select * from journal where event_type in ('TimerFired', 'TimerCanceled')) e
        on e.instance_id = s.instance_id and e.execution_id = s.execution_id and e.task_id = s.task_id and e.seq > s.seq
    where s.event_type = 'TimerCreated'
);

-- One row an attempt of a call that was retried: a timer follows each attempt that isn't the last.
create or replace view attempts with (defer_binding) as
select
    instance_id, execution_id, call_id, attempt, task_id, kind, name, status,
    scheduled - lag(ended) over (partition by instance_id, execution_id, call_id order by attempt) as wait,
    scheduled, started, ended, failure
from (
    select instance_id, execution_id, coalesce(retry_of, task_id) as call_id, attempt, task_id, 'activity' as kind,
           name, status, scheduled, started, ended, failure
    from activities
    union all
    select instance_id, execution_id, coalesce(retry_of, task_id), attempt, task_id, 'sub-orchestration',
           name, status, scheduled, scheduled, ended, failure
    from sub_orchestrations
)
join (select distinct instance_id, execution_id, retry_of as call_id from timers where purpose = 'retry')
    using (instance_id, execution_id, call_id);

-- One row an external event with the wait that took it, or one of them without the other: of one name the first
-- event goes to the first wait, and so on. Waits that were given up, or left when another task won, stand apart, and so
-- does what an execution had not seen when it continued as new: that is raised once more in the next one, with its time.
create or replace view external_events with (defer_binding) as
with waits as (
    select instance_id, execution_id, task_id, seq, taken_up,
           if(is_over, given_up, null) as given_up, if(is_over, given_up_seq, null) as given_up_seq,
           if(is_over, if(contains(why, '"is_left"'), 'Left', 'Canceled'), null) as apart
    from (
        select
            instance_id, execution_id, task_id,
            min(seq) filter (begins) as seq,
            max(seq) filter (not begins) as given_up_seq,
            max(timestamp) filter (not begins) as given_up,
            max(timestamp) filter (begins) as taken_up,
            arg_max(coalesce(attributes, ''), seq) filter (not begins) as why,
            max(seq) filter (not begins) > max(seq) filter (begins) as is_over
        from (
            select *, event_type = 'EventSubscribed' as begins
            from standing where event_type in ('EventSubscribed', 'EventUnsubscribed')
        )
        group by instance_id, execution_id, task_id
    )
),
said as (
    select
        s.instance_id, s.execution_id, s.name, lower(s.name) as key, s.task_id, s.timestamp, s.payload, s.seq,
        s.event_type = 'EventRaised' as is_raised, u.taken_up, u.given_up, u.given_up_seq, u.apart as over,
        c.seq as renewed_seq,
        count(*) over same as times,
        row_number() over (same order by s.seq desc) as left_over
    from standing s
    left join waits u
        on u.instance_id = s.instance_id and u.execution_id = s.execution_id and u.task_id = s.task_id
    left join (select * from journal where event_type = 'ContinueAsNew') c
        on s.event_type = 'EventRaised' and c.instance_id = s.instance_id and c.execution_id = s.execution_id
    where s.event_type = 'EventRaised' or (s.event_type = 'EventSubscribed' and s.seq = u.seq)
    window same as (partition by s.instance_id, s.execution_id, s.event_type, lower(s.name), s.timestamp, s.payload)
),
sorted as (
    select *, case when over is not null then over
                   when renewed_seq is not null and left_over <= lead(times, left_over) over (
                       partition by instance_id, is_raised, key, timestamp, payload order by seq
                   ) then 'Carried' end as apart
    from said
),
numbered as (
    select *, row_number() over (partition by instance_id, execution_id, key, apart, is_raised order by seq) as place
    from sorted
),
pairs as (
    select
        instance_id,
        execution_id,
        max(task_id) as task_id,
        coalesce(max(name) filter (not is_raised), max(name)) as name,
        apart,
        max(timestamp) filter (is_raised) as raised,
        max(timestamp) filter (not is_raised) as subscribed,
        max(taken_up) as taken_up,
        max(given_up) as given_up,
        max(payload) filter (is_raised) as payload,
        max(seq) filter (is_raised) as raised_seq,
        max(seq) filter (not is_raised) as seq,
        max(given_up_seq) as given_up_seq
    from numbered
    group by instance_id, execution_id, key, apart, place
)
select
    instance_id,
    execution_id,
    task_id,
    name,
    case when apart is not null then apart when raised is null then 'Pending' when subscribed is null then 'Buffered'
         else 'Taken' end as status,
    raised,
    subscribed,
    case when apart is null and raised_seq is not null and seq is not null then greatest(raised, taken_up)
         else given_up end as ended,
    try_cast(payload as json) as input,
    seq,
    raised_seq,
    coalesce(given_up_seq, case when seq is not null then raised_seq end) as ended_seq
from pairs;
