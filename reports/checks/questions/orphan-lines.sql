/*
id = "orphan-lines"
title = "Requests about runs that Prefect does not know"
question = "Which requests name a flow run of which there is no record?"
kind = "control"
section = "S13"
severity = "medium"
tags = ["D19", "T1070"]
key = ["flow_run_id"]
population = """
select count(*) from access where time >= $start and time < $end
    and (prefect_flow_run_id is not null or resource_type = 'flow_run' and resource_id is not null or parent_type = 'flow_run' and parent_id is not null)"""
unit = "requests of the period that name a flow run, in the path or in a header"
limits = """
A run is known if a record of it was ever synced, also if Prefect has deleted it since. Prefect forgets a deleted run at once: of one that was created and deleted between two syncs only its requests remain, and for some days its events, from which name and last_state are.
Answered is whether Prefect knew the run when it was asked: a request with a status below 400 says that it existed. Claims are requests that name the run in the header X-Prefect-Flow-Run-Id alone: any client can invent one, and Prefect does not look at it; what is no id is in forged-run-header."""
[needs]
flow_run = "Prefect's flow runs are not in the store (`lpaudit sync`)"
*/
with line as (
    select
        time, "user", method || ' ' || coalesce(route, path) as request, action, status,
        case when resource_type = 'flow_run' then resource_id end as run,
        case when parent_type = 'flow_run' then parent_id end as parent_run,
        prefect_flow_run_id as claimed_run
    from access
    where time >= $start and time < $end
), unknown as (
    -- Once a line and run: what is in the path counts as a request, whatever the header says.
    select run, false as claimed, "user", request, status, action = 'delete' as deletes, time from line where run is not null
    union all
    select parent_run, false, "user", request, status, false, time from line where parent_run is not null and parent_run is distinct from run
    union all
    select try_cast(claimed_run as uuid)::varchar, true, "user", request, status, false, time
    from line
    where try_cast(claimed_run as uuid)::varchar is distinct from run and try_cast(claimed_run as uuid)::varchar is distinct from parent_run
), named as (
    select
        run, claimed, "user", request,
        count(*) as requests,
        count(*) filter (where status < 400) as answered,
        count(*) filter (where deletes and status < 400) as deleted,
        min(time) as first,
        max(time) as last
    from unknown
    where run is not null and run not in (select id from flow_run)
    group by run, claimed, "user", request
), told as (
    select resource_id[18:] as id, arg_max(resource_name, occurred) as name,
        arg_max(regexp_extract(event, '[^.]+$'), occurred) as last_state
    from event_latest
    where resource_id like 'prefect.flow-run.%' and event <> 'prefect.flow-run.heartbeat'
    group by all
)
select
    true as finding,
    run as flow_run_id,
    any_value(told.name) as flow_run_name,
    any_value(told.last_state) as last_state,
    coalesce(sum(requests) filter (where not claimed), 0)::bigint as requests,
    coalesce(sum(answered) filter (where not claimed), 0)::bigint as answered,
    coalesce(sum(deleted), 0)::bigint as deleted,
    coalesce(sum(requests) filter (where claimed), 0)::bigint as claims,
    string_agg(distinct coalesce("user", '(nobody)'), ', ' order by coalesce("user", '(nobody)')) as users,
    string_agg(distinct request, ', ' order by request) as routes,
    min(first) as first,
    max(last) as last
from named left join told on told.id = named.run
group by run
order by first, flow_run_id
