/*
id = "changes"
title = "Changes of configuration"
question = "Who created, changed or deleted which deployment, schedule, block, variable, work pool, queue, automation or limit?"
kind = "table"
section = "S15"
population = "select count(*) from access where time >= $start and time < $end"
unit = "lines of the period"
limits = """
A request is listed whatever its answer was: a status of 400 and more says that nothing was changed.
What was changed, and to what, is in the body, which no log has. `recorded` is the time of the event by which Prefect recorded a change of that thing during the request; Prefect has events of deployments, work pools, queues, automations and variables only.
A deploy with Prefect's client sends `DELETE /automations/owned-by/prefect.deployment.<id>` by itself, also where there are no automations.
A change that was made on Prefect's own host, or past lighttpd, is not here. Who had agreed to a change is in no log."""
[parameters.slack_seconds]
default = 2
why = "clocks that ntp keeps differ by much less"
*/
with change as (
    select line_id, time, coalesce(time_end, time) as time_end, "user", client, action, method, route, resource_type,
        resource_id, parent_type, parent_id, status
    from access
    where time >= $start and time < $end
        and method not in ('GET', 'HEAD', 'OPTIONS')
        and action in ('create', 'update', 'delete', 'bulk_delete') and privileged
        and resource_type in (
            'deployment', 'deployment_schedule', 'block_document', 'block_type', 'block_schema', 'variable',
            'work_pool', 'work_queue', 'worker', 'automation', 'concurrency_limit', 'flow_run_notification_policy'
        )
),
thing(type, id, name) as (
    select 'deployment', id, name from deployment_latest
    union all
    select 'automation', id, name from automation_latest
    union all
    select 'block_document', id, name from block_document_latest
    union all
    select 'variable', id, name from variable_latest
    union all
    select 'work_queue', id, name from work_queue_latest
),
told as (
    select change.line_id, min(event.occurred) as recorded
    from change
    join event_latest as event
        on event.resource_id = 'prefect.' || replace(coalesce(case when change.parent_type = 'deployment' then change.parent_type end, change.resource_type), '_', '-')
            || '.' || coalesce(case when change.parent_type = 'deployment' then change.parent_id end, change.resource_id)
        and event.occurred between change.time - to_seconds($slack_seconds) and change.time_end + to_seconds($slack_seconds)
    where event.occurred >= $start - interval 1 hour and event.occurred < $end + interval 1 hour
    group by change.line_id
)
select
    change.time,
    coalesce("user", '(unauthenticated)') as identity,
    client,
    action,
    resource_type,
    resource_id,
    thing.name as resource_name,
    parent_type,
    parent_id,
    owner.name as parent_name,
    method,
    route,
    status,
    told.recorded,
    change.line_id
from change
left join thing on thing.type = resource_type and thing.id = resource_id
left join thing as owner on owner.type = parent_type and owner.id = parent_id
left join told on told.line_id = change.line_id
order by change.time, change.line_id
