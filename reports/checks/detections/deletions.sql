/*
id = "deletions"
title = "Deletions"
question = "Who deleted runs, deployments, flows, work pools, blocks or anything else?"
kind = "control"
section = "S17"
severity = "high"
tags = ["D13", "T1485", "T1070"]
key = ["line_id"]
population = "select count(*) from access where time >= $start and time < $end"
unit = "lines of the period"
limits = """
Prefect keeps no record of who deleted what, nor, of most, that it was there: this log is the only trace. A deletion that was refused or failed is not an exception; the section on denied requests has it.
A DELETE of the API that fits no route of the catalogue counts too, with its path.
What a bulk deletion named is in its body, which no log has. The name is that of Prefect's newest record, if one was synced before.
Whoever deploys with Prefect's client has it delete the automations that belong to the deployment, and make those anew that the deployment asks for: `DELETE /automations/owned-by/prefect.deployment.<id>`, also where there are none. That is in the table, and no finding, if the same identity, at the same address, with Prefect's client, made or changed a deployment in the $seconds seconds before: the first such request after each, and after a change only if it is about the same deployment. Which deployment was made the log does not say, and which client asks it claims."""
[parameters.seconds]
default = 10
why = "the client asks as soon as the deployment is stored; a busy server takes some seconds for that"
*/
with deleted as (
    select line_id, time, "user", client, action, method, route, resource_type, resource_id, parent_type, parent_id, status,
        api_path, user_agent
    from access
    where time >= $start and time < $end and status < 400
        and (method = 'DELETE' or contains(path, 'bulk_delete') or contains(path, '%'))
        and (action in ('delete', 'bulk_delete') or method = 'DELETE' and route is null and api_path is not null)
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
        deleted.line_id,
        row_number() over (partition by deploy.line_id order by deleted.time, deleted.line_id) as position
    from deploy
    join deleted
        on deleted.time between deploy.time and deploy.time + to_seconds($seconds)
        and coalesce(deleted."user", '') = deploy.identity
        and deleted.client = deploy.client
        and starts_with(deleted.api_path, '/automations/owned-by/prefect.deployment.' || coalesce(deploy.resource_id, ''))
    where deleted.method = 'DELETE' and deleted.route = '/automations/owned-by/{resource_id}'
        and deleted.user_agent like 'prefect/%'
),
thing(type, id, name) as (
    select 'flow_run', id, name from flow_run_latest
    union all
    select 'deployment', id, name from deployment_latest
    union all
    select 'flow', id, name from flow_latest
    union all
    select 'automation', id, name from automation_latest
    union all
    select 'block_document', id, name from block_document_latest
    union all
    select 'variable', id, name from variable_latest
)
select
    line_id not in (select line_id from follows where position = 1) as finding,
    deleted.time,
    coalesce("user", '(unauthenticated)') as identity,
    client,
    coalesce(action, '(no route)') as action,
    resource_type,
    resource_id,
    thing.name as resource_name,
    parent_id,
    method,
    coalesce(route, api_path) as route,
    status,
    line_id
from deleted
left join thing on thing.type = resource_type and thing.id = resource_id
order by finding desc, deleted.time, line_id
