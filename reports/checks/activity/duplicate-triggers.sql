/*
id = "duplicate-triggers"
title = "Runs that were created twice"
question = "Where a request to run a deployment failed and was repeated within $seconds seconds, were there more runs than one?"
kind = "control"
section = "S16"
severity = "medium"
tags = ["D28"]
key = ["identity", "deployment_id", "first"]
population = "select count(*) from access where time >= $start and time < $end and method = 'POST' and (contains(path, 'create_flow_run') or contains(path, '%')) and route like '/deployments/{id}/create_flow_run%'"
unit = "requests to run a deployment"
limits = """
A server that answers with an error, or whose answer is lost, may have created the run. Prefect prevents a second one only if the client sends an idempotency key, which is in the body.
Counted are the runs of the deployment that Prefect recorded from the failed request until the repeated one ended, without those of schedules. They are an exception if they are more than the requests for one that were answered well meanwhile, whoever sent them (`asked`)."""
[needs]
flow_run = "Prefect's flow runs are not in the store (`lpaudit sync`)"
[parameters.seconds]
default = 60
why = "Prefect's client repeats a request within some seconds, at the latest after one minute"
[parameters.slack_seconds]
default = 1
why = "clocks of two hosts differ"
*/
with trigger as (
    select time, coalesce(time_end, time) as time_end, "user", resource_id, status
    from access
    where time >= $start and time < $end + to_seconds($seconds) and method = 'POST'
        and (contains(path, 'create_flow_run') or contains(path, '%'))
        and route like '/deployments/{id}/create_flow_run%' and (status < 400 or status = 408 or status >= 500)
),
repeated as (
    select
        *,
        lead(time) over (partition by "user", resource_id order by time) as next_time,
        lead(time_end) over (partition by "user", resource_id order by time) as next_end,
        lead(status) over (partition by "user", resource_id order by time) as next_status
    from trigger
),
counted as (
    select
        repeated."user", repeated.resource_id, repeated.time, repeated.status, repeated.next_time, repeated.next_end, count(*) as runs,
        string_agg(run.id, ', ' order by run.created, run.id) as flow_runs
    from repeated
    join flow_run_latest as run on run.deployment_id = repeated.resource_id
        and not coalesce(run.auto_scheduled, false)
        and run.created between repeated.time - to_seconds($slack_seconds) and repeated.next_end + to_seconds($slack_seconds)
    where repeated.status >= 400 and repeated.next_status < 400
        and repeated.next_time <= repeated.time + to_seconds($seconds)
    group by repeated."user", repeated.resource_id, repeated.time, repeated.status, repeated.next_time, repeated.next_end
),
compared as (
    -- Whoever else was given a run meanwhile has asked for it as well.
    select
        *,
        (
            select count(*) from trigger as good
            where good.resource_id = counted.resource_id and good.status < 400
                and good.time_end >= counted.time - to_seconds($slack_seconds) and good.time <= counted.next_end + to_seconds($slack_seconds)
        ) as asked
    from counted
)
select
    coalesce("user", '(unauthenticated)') as identity,
    resource_id as deployment_id,
    deployment.name as deployment_name,
    time as first,
    status,
    next_time as repeated,
    asked,
    runs,
    flow_runs
from compared
left join deployment_latest as deployment on deployment.id = resource_id
where runs > asked and time < $end
order by first, identity, deployment_id
