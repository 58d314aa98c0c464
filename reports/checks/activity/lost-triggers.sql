/*
id = "lost-triggers"
title = "Lost triggers"
question = "Which requests to run a deployment failed, with no such request of the same identity answered well within $minutes minutes?"
kind = "control"
section = "S16"
severity = "high"
tags = ["D27"]
key = ["identity", "deployment_id", "first"]
population = "select count(*) from access where time >= $start and time < $end and method = 'POST' and (contains(path, 'create_flow_run') or contains(path, '/schedule') or contains(path, '%')) and action = 'execute' and resource_type = 'deployment'"
unit = "requests to run a deployment"
limits = """
Failed is 408, 429 or any 5xx. A request that got an error may have created its run all the same: `runs_created` says how many runs of the deployment Prefect recorded meanwhile.
One run may have been asked for again by another identity, or by hand; that is not looked for. Triggers that never reached lighttpd are in no log."""
[parameters.minutes]
default = 10
why = "Prefect's client gives up repeating within a few minutes; a scheduler of another kind may try later"
*/
with trigger as (
    select time, "user", resource_id, status, status < 400 as good
    from access
    where time >= $start and time < $end + to_minutes($minutes) and method = 'POST'
        and (contains(path, 'create_flow_run') or contains(path, '/schedule') or contains(path, '%'))
        and action = 'execute' and resource_type = 'deployment' and (status < 400 or status in (408, 429) or status >= 500)
),
followed as (
    select
        *,
        min(case when good then time end) over (
            partition by "user", resource_id order by time rows between current row and unbounded following
        ) as next_good,
        count(case when good then 1 end) over (
            partition by "user", resource_id order by time rows between unbounded preceding and current row
        ) as series
    from trigger
),
lost as (
    select "user", resource_id, series, min(time) as first, max(time) as last, count(*) as attempts,
        string_agg(distinct status::varchar, ', ' order by status::varchar) as statuses
    from followed
    where not good and (next_good is null or next_good > time + to_minutes($minutes))
    group by "user", resource_id, series
)
select
    coalesce("user", '(unauthenticated)') as identity,
    lost.resource_id as deployment_id,
    deployment.name as deployment_name,
    first,
    last,
    attempts,
    statuses,
    (
        select count(*) from flow_run_latest as run
        where run.deployment_id = lost.resource_id and not coalesce(run.auto_scheduled, false)
            and run.created between lost.first - interval 1 second and lost.last + to_minutes($minutes)
    ) as runs_created
from lost
left join deployment_latest as deployment on deployment.id = lost.resource_id
where first < $end
order by first, identity, deployment_id
