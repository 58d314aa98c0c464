/*
id = "flow-runs"
title = "Requests by flow run"
question = "Which flow runs did most requests act on?"
kind = "table"
section = "S11"
population = """
select count(distinct coalesce(run, try_cast(regexp_extract(asked, '/flow_runs/([0-9a-fA-F-]{32,36})(/|$)', 1) as uuid)::varchar))
from (
    select distinct coalesce(api_path, path) as asked,
        case when resource_type = 'flow_run' then resource_id when parent_type = 'flow_run' then parent_id end as run
    from access
    where time >= $start and time < $end and (contains(path, 'flow_runs') or contains(path, '%'))
) as named"""
unit = "flow runs named in a path"
limits = """
A run is counted by its id in the request's path, as its route says; where there is none, it is what follows `/flow_runs/`. It is the run that was acted on, not the run that made the request. Most requests that a run makes name no run.
Name and state are Prefect's own, from the newest snapshot in the store; they are empty where the store has no record of the run (no `lpaudit sync`, or the run was deleted before)."""
[parameters.top]
default = 50
why = "one page of a report; the population says how many there are"
*/
with asked as (
    -- Each path is looked at once, however often it was asked for.
    select
        coalesce(api_path, path) as path,
        "user",
        max(case when resource_type = 'flow_run' then resource_id when parent_type = 'flow_run' then parent_id end) as run,
        count(*) as requests,
        count(*) filter (where method not in ('GET', 'HEAD', 'OPTIONS')) as other_than_get,
        count(*) filter (where status in (401, 403, 407, 429)) as denied,
        min(time) as first,
        max(time) as last
    from access
    where time >= $start and time < $end and (contains(path, 'flow_runs') or contains(path, '%'))
    group by coalesce(api_path, path), "user"
),
request as (
    select
        coalesce(run, try_cast(regexp_extract(path, '/flow_runs/([0-9a-fA-F-]{32,36})(/|$)', 1) as uuid)::varchar) as flow_run_id,
        *
    from asked
)
select
    request.flow_run_id,
    any_value(run.name) as name,
    any_value(run.state_name) as state,
    sum(requests)::bigint as requests,
    sum(other_than_get)::bigint as other_than_get,
    sum(denied)::bigint as denied,
    count(distinct "user") as users,
    min(first) as first,
    max(last) as last
from request
left join flow_run_latest as run on run.id = request.flow_run_id
where request.flow_run_id is not null
group by request.flow_run_id
order by requests desc, request.flow_run_id
limit $top
