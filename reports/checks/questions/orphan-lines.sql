/*
id = "orphan-lines"
title = "Requests about runs that Prefect does not know"
question = "Which requests name a flow run of which there is no record?"
kind = "control"
section = "S13"
severity = "medium"
tags = ["D19", "T1070"]
key = ["flow_run_id"]
population = "select count(*) from access where time >= $start and time < $end and resource_type = 'flow_run' and resource_id is not null"
unit = "requests of the period that name a flow run"
limits = """
A run is known if a record of it was ever synced, also if Prefect has deleted it since. Prefect forgets a deleted run at once: of one that was created and deleted between two syncs only its requests remain, and for some days its events, from which name and last_state are.
Answered is whether Prefect knew the run when it was asked: a request with a status below 400 says that it existed."""
[needs]
flow_run = "Prefect's flow runs are not in the store (`lpaudit sync`)"
*/
with named as (
    select * from access
    where time >= $start and time < $end and resource_type = 'flow_run' and resource_id is not null
        and resource_id not in (select id from flow_run)
), told as (
    select resource_id[18:] as id, arg_max(resource_name, occurred) as name,
        arg_max(regexp_extract(event, '[^.]+$'), occurred) as last_state
    from event_latest
    where resource_id like 'prefect.flow-run.%' and event <> 'prefect.flow-run.heartbeat'
    group by all
)
select
    true as finding,
    resource_id as flow_run_id,
    any_value(told.name) as flow_run_name,
    any_value(told.last_state) as last_state,
    count(*) as requests,
    count(*) filter (where status < 400) as answered,
    count(*) filter (where action = 'delete' and status < 400) as deleted,
    string_agg(distinct coalesce(user_name, '(nobody)'), ', ' order by coalesce(user_name, '(nobody)')) as users,
    string_agg(distinct http_request_method || ' ' || route, ', ' order by http_request_method || ' ' || route) as routes,
    min(time) as first,
    max(time) as last
from named left join told on told.id = named.resource_id
group by resource_id
order by first, flow_run_id
