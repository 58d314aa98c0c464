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
    select *, try_cast(prefect_flow_run_id as uuid)::varchar as claimed_id from access where time >= $start and time < $end
), unknown as (
    select *, resource_id as run, false as claimed from line where resource_type = 'flow_run'
    union all
    select *, parent_id, false from line where parent_type = 'flow_run'
    union all
    select *, claimed_id, true from line
), named as (
    -- Once a line and run: what is in the path counts as a request, whatever the header says.
    select * from unknown
    where run is not null and run not in (select id from flow_run)
    qualify row_number() over (partition by line_id, run order by claimed) = 1
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
    count(*) filter (where not claimed) as requests,
    count(*) filter (where not claimed and status < 400) as answered,
    count(*) filter (where not claimed and action = 'delete' and resource_id = run and status < 400) as deleted,
    count(*) filter (where claimed) as claims,
    string_agg(distinct coalesce(user_name, '(nobody)'), ', ' order by coalesce(user_name, '(nobody)')) as users,
    string_agg(distinct http_request_method || ' ' || coalesce(route, url_path), ', ' order by http_request_method || ' ' || coalesce(route, url_path)) as routes,
    min(time) as first,
    max(time) as last
from named left join told on told.id = named.run
group by run
order by first, flow_run_id
