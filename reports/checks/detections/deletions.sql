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
What a bulk deletion named is in its body, which no log has. The name is that of Prefect's newest record, if one was synced before."""
*/
with deleted as (
    select line_id, time, "user", client, action, method, route, resource_type, resource_id, parent_type, parent_id, status
    from access
    where time >= $start and time < $end and status < 400
        and (method = 'DELETE' or contains(path, 'bulk_delete') or contains(path, '%'))
        and action in ('delete', 'bulk_delete')
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
    deleted.time,
    coalesce("user", '(unauthenticated)') as identity,
    client,
    action,
    resource_type,
    resource_id,
    thing.name as resource_name,
    parent_id,
    method,
    route,
    status,
    line_id
from deleted
left join thing on thing.type = resource_type and thing.id = resource_id
order by deleted.time, line_id
