/*
id = "changed-then-run"
title = "A deployment that was changed and then run by the same identity"
question = "Who changed a deployment, or the template of its work pool, and started it within $minutes minutes?"
kind = "control"
section = "S17"
severity = "medium"
tags = ["D14", "T1543", "T1072", "T1059"]
key = ["identity", "deployment_id", "changed"]
population = "select count(*) from access where time >= $start and time < $end"
unit = "lines of the period"
limits = """
Whoever may do both can run any code with the credentials of the work pool. A pipeline that deploys and then tries does the same: whether the identity is that of one, its owner knows.
A deployment that was created or replaced by POST /deployments/ has no id in the path: it counts for any deployment that the same identity starts soon after. The work pool of a deployment is the one of its newest record."""
[parameters.minutes]
default = 60
why = "what is changed to be run once is run soon"
*/
with request as (
    select time, "user", client, method, route, resource_type, resource_id, action
    from access
    where time >= $start - to_minutes($minutes) and time < $end and status < 400 and method in ('POST', 'PATCH')
        and (contains(path, '/deployments') or contains(path, '/work_pools') or contains(path, '%'))
        and (
            action in ('create', 'update') and resource_type in ('deployment', 'work_pool')
            or action = 'execute' and resource_type = 'deployment'
        )
),
started as (
    select request.*, deployment.name as deployment_name, deployment.work_pool_name
    from request
    left join deployment_latest as deployment on deployment.id = request.resource_id
    where request.action = 'execute' and request.time >= $start
)
select
    coalesce(change."user", '(unauthenticated)') as identity,
    started.resource_id as deployment_id,
    any_value(started.deployment_name) as deployment_name,
    change.time as changed,
    change.method || ' ' || change.route as change,
    min(started.time) as started,
    count(*) as starts,
    min(change.client) as client
from request as change
join started on started."user" is not distinct from change."user"
    and started.time > change.time and started.time <= change.time + to_minutes($minutes)
    and (
        change.resource_type = 'deployment' and change.resource_id = started.resource_id
        or change.resource_type = 'deployment' and change.resource_id is null
        or change.resource_type = 'work_pool' and change.resource_id = started.work_pool_name
    )
where change.action in ('create', 'update')
group by change."user", started.resource_id, change.time, change.method, change.route
order by changed, identity, deployment_id, change
