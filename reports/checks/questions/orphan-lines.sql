/*
id = "orphan-lines"
title = "Requests about runs that Prefect does not know"
question = "Which requests name a flow run of which there is no record?"
kind = "control"
population = "select count(*) from access where time >= $start and time < $end and resource_type = 'flow_run' and resource_id is not null"
unit = "requests of the period that name a flow run"
limits = """
A run is known if any record or event of it was ever synced. Prefect forgets a deleted run at once: of one that was created and deleted between two syncs only its requests remain.
Answered is whether Prefect knew the run when it was asked: a request with a status below 400 says that it existed."""
*/
with known as (
    select id from flow_run
    union
    select regexp_extract(resource_id, '^prefect\.flow-run\.(.*)$', 1) from event
    where resource_id like 'prefect.flow-run.%'
), named as (
    select * from access
    where time >= $start and time < $end and resource_type = 'flow_run' and resource_id is not null
        and resource_id not in (select id from known)
)
select
    true as finding,
    resource_id as flow_run_id,
    count(*) as requests,
    count(*) filter (where status < 400) as answered,
    count(*) filter (where action = 'delete' and status < 400) as deleted,
    string_agg(distinct coalesce(user_name, '(nobody)'), ', ' order by coalesce(user_name, '(nobody)')) as users,
    string_agg(distinct http_request_method || ' ' || route, ', ' order by http_request_method || ' ' || route) as routes,
    min(time) as first,
    max(time) as last
from named
group by resource_id
order by first, flow_run_id
