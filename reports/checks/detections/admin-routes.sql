/*
id = "admin-routes"
title = "The server itself, automations and limits"
question = "Who acted on the server as a whole, changed an automation, or deleted a concurrency limit?"
kind = "control"
section = "S17"
severity = "high"
tags = ["D34", "T1562", "T1546"]
key = ["line_id"]
population = "select count(*) from access where time >= $start and time < $end"
unit = "lines of the period"
limits = """
An automation acts by itself and with the server's rights, so that a change of one is a change of what happens unattended. What was changed is in the body, which no log has.
Attempts that were refused or failed are in the table, and are no finding.
Whoever deploys with Prefect's client has it delete the automations that belong to the deployment, and make those anew that the deployment asks for: `DELETE /automations/owned-by/prefect.deployment.<id>`, also where there are none. That is in the table, and no finding, if the same identity, at the same address, with Prefect's client, made or changed a deployment in the $seconds seconds before: the first such request after each, and after a change only if it is about the same deployment. Which deployment was made the log does not say, and which client asks it claims."""
[parameters.seconds]
default = 10
why = "the client asks as soon as the deployment is stored; a busy server takes some seconds for that"
*/
with act as (
    select line_id, time, "user", client, action, method, route, resource_type, resource_id, status, api_path, user_agent
    from access
    where time >= $start and time < $end
        and (method in ('POST', 'PUT', 'PATCH', 'DELETE') or contains(path, '%'))
        and (contains(path, '/admin/') or contains(path, '/automations') or contains(path, 'concurrency_limits') or contains(path, '%'))
        and (
            action = 'admin'
            or resource_type = 'automation' and action in ('create', 'update', 'delete', 'bulk_delete')
            or resource_type = 'concurrency_limit' and action = 'delete'
        )
),
deploy as (
    select line_id, time, coalesce("user", '') as identity, client, resource_id
    from access
    where time >= $start - to_seconds($seconds) and time < $end and status < 400
        and method in ('POST', 'PATCH') and (contains(path, '/deployments') or contains(path, '%'))
        and (route = '/deployments/' or route = '/deployments/{id}') and user_agent like 'prefect/%'
),
follows as (
    select
        act.line_id,
        row_number() over (partition by deploy.line_id order by act.time, act.line_id) as position
    from deploy
    join act
        on act.time between deploy.time and deploy.time + to_seconds($seconds)
        and coalesce(act."user", '') = deploy.identity
        and act.client = deploy.client
        and starts_with(act.api_path, '/automations/owned-by/prefect.deployment.' || coalesce(deploy.resource_id, ''))
    where act.status < 400 and act.method = 'DELETE' and act.route = '/automations/owned-by/{resource_id}'
        and act.user_agent like 'prefect/%'
)
select
    coalesce(status < 400, false) and line_id not in (select line_id from follows where position = 1) as finding,
    time,
    coalesce("user", '(unauthenticated)') as identity,
    client,
    action,
    resource_type,
    resource_id,
    method,
    route,
    status,
    line_id
from act
order by finding desc, time, line_id
