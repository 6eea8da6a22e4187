-- What agents ask language models, and what it costs; see calls.sql.

-- One row a request to a model, by the rule of `is_model_request` in model/conversations.py. A request that ended in a
-- past which forks share is one row, that of the instance which made it. Costs are by the prices of the budget of the
-- instance, or of the nearest one above it that has some. Turns are counted before shared ones are left out.
create or replace view llm_calls with (defer_binding) as
with recursive starts as (
    select execution_id, attributes,
           try_cast(attributes as json) -> 'parent' ->> 'execution_id' as parent_id,
           try_cast(try_cast(attributes as json) ->> '$.tags."durablenb.budget"' as json) -> 'prices' as prices
    from journal
    where event_type = 'ExecutionStarted'
      and (contains(attributes, '"parent"') or contains(attributes, 'durablenb.budget'))
),
priced(execution_id, prices) as (
    select execution_id, cast(prices as map(varchar, map(varchar, double))) from starts where prices is not null
    union all
    select s.execution_id, p.prices from starts s join priced p on s.parent_id = p.execution_id where s.prices is null
),
shared as (
    select execution_id, origin ->> 'execution_id' as origin_id, cast(origin ->> 'tasks' as integer) as tasks,
           min(cast(origin ->> 'event_id' as integer)) over (partition by execution_id order by place) as until, place
    from (
        select execution_id, unnest(origins) as origin, generate_subscripts(origins, 1) as place
        from (
            select execution_id, cast(try_cast(attributes as json) -> 'forked_from' as json[]) as origins
            from journal where event_type = 'ExecutionStarted' and contains(attributes, '"forked_from"')
        )
    )
),
calls as (
    select a.*, try_cast(result -> 'usage' as json) as usage,
           coalesce((
               select arg_max(origin_id, place) from shared s
               where s.execution_id = a.execution_id and a.task_id < s.tasks and e.event_id <= s.until
           ), a.execution_id) as owner_id,
           dense_rank() over (
               partition by a.instance_id, a.execution_id, a.name order by coalesce(a.retry_of, a.task_id)
           ) as turn
    from activities a
    left join (
        select seq, event_id from journal where event_type in ('TaskCompleted', 'TaskFailed', 'TaskCanceled')
    ) e on e.seq = a.ended_seq
    where a.name like '%.model' and (
        (a.input ->> '$.messages[0].kind') in ('request', 'response')
        or ((a.input ->> 'messages') = '[]' and (a.input ->> 'after') is not null)
    )
),
own as (
    select * from calls
    qualify row_number() over (partition by owner_id, task_id order by execution_id <> owner_id, seq) = 1
),
counted as (
    select
        c.*,
        coalesce(result ->> 'model_name', input ->> 'model') as model,
        cast(coalesce(usage ->> 'input_tokens', '0') as bigint) as tokens_in,
        cast(coalesce(usage ->> 'output_tokens', '0') as bigint) as tokens_out,
        cast(coalesce(usage ->> 'cache_read_tokens', '0') as bigint) as cached,
        cast(coalesce(usage ->> 'cache_write_tokens', '0') as bigint) as written,
        p.prices[coalesce(result ->> 'model_name', input ->> 'model')] as price
    from own c left join priced p on p.execution_id = c.execution_id
)
select
    instance_id,
    execution_id,
    task_id,
    substr(name, 1, length(name) - 6) as agent,
    model,
    turn,
    attempt,
    status,
    if(usage is null, null, tokens_in) as input_tokens,
    if(usage is null, null, tokens_out) as output_tokens,
    if(usage is null, null, cached) as cached_tokens,
    case when cached_from is not null then 0 when usage is not null then
        ((tokens_in - cached - written) * price['input'] + cached * coalesce(price['cached_input'], price['input'])
         + written * coalesce(price['cache_write'], price['input']) + tokens_out * price['output']) / 1e6
    end as cost,
    run_time as latency,
    len(list_filter(cast(result -> 'parts' as json[]), lambda part: part ->> 'part_kind' = 'tool-call')) as tool_calls,
    scheduled,
    started,
    ended,
    failure,
    seq,
    ended_seq
from counted;
