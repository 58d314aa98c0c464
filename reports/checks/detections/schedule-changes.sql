/*
id = "schedule-changes"
title = "Changes of schedules"
question = "Who changed when a deployment runs: its schedules, or whether it is paused?"
kind = "control"
section = "S15"
severity = "medium"
tags = ["D35", "T1053"]
key = ["line_id"]
population = "select count(*) from access where time >= $start and time < $end"
unit = "lines of the period"
limits = """
A schedule can also be changed with the whole deployment, by PATCH or POST of it, whose body no log has: the section on changes has these requests.
Who had agreed to a change is in no log. Attempts that were refused or failed are in the table, and are no finding."""
[parameters.allowed]
default = [""]
why = "identities that may change schedules, such as that of a pipeline which deploys: nobody by default"
*/
with change as (
    select line_id, time, "user", client, action, method, route, status,
        case when resource_type = 'deployment_schedule' then parent_id else resource_id end as deployment_id,
        case when resource_type = 'deployment_schedule' then resource_id end as schedule_id
    from access
    where time >= $start and time < $end
        and method in ('POST', 'PATCH', 'DELETE') and (contains(path, '/deployments/') or contains(path, '%'))
        and privileged
        and (
            resource_type = 'deployment_schedule'
            or route in (
                '/deployments/{id}/pause_deployment', '/deployments/{id}/resume_deployment',
                '/deployments/{id}/set_schedule_active', '/deployments/{id}/set_schedule_inactive'
            )
        )
)
select
    coalesce(status < 400, false) and not coalesce(list_contains($allowed, "user"), false) as finding,
    time,
    coalesce("user", '(unauthenticated)') as identity,
    client,
    action,
    deployment_id,
    deployment.name as deployment_name,
    schedule_id,
    method,
    route,
    status,
    line_id
from change
left join deployment_latest as deployment on deployment.id = deployment_id
order by finding desc, time, line_id
