/*
id = "privileged-actions"
title = "Privileged actions, one by one"
question = "Who deleted, started, approved, steered or reconfigured which thing, when, and with which answer?"
kind = "table"
section = "S6"
population = "select count(*) from access where time >= $start and time < $end"
unit = "lines of the period"
limits = """
Listed is what the route catalogue calls privileged, whatever the answer was. What a bulk request named, and which state was set, is in no log.
Left out are the states that a run's own process set of itself, as far as correlation could tell whose request it was (`own_states` lists them too). Where nothing of the period was correlated (`lpaudit correlate`), nobody can tell them from those that people set with Prefect's client: then changes of states by programs that call themselves so are left out, and the section on privileged and destructive requests counts them all.
A deploy with Prefect's client sends `DELETE /automations/owned-by/prefect.deployment.<id>` by itself, also where there are no automations. These are listed; the checks deletions and admin-routes tell them from others.
The name is the one that the thing has in Prefect's newest record of it; a thing that was deleted before it was ever synced has none. Who is named is whom lighttpd authenticated, which may be a shared login."""
[parameters.own_states]
default = false
why = "every run sets its own states several times: they would bury what people do"
*/
with action as (
    select line_id, time, "user", client, action, method, route, resource_type, resource_id, parent_type, parent_id, status,
        user_agent
    from access
    where time >= $start and time < $end
        and (method not in ('GET', 'HEAD', 'OPTIONS') or contains(path, 'block_') or contains(path, '%'))
        and privileged
),
own as (
    select distinct line_id
    from flow_run_link
    where relation = 'origin' and flow_run_id is not null and time >= $start and time < $end
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
    union all
    select 'work_queue', id, name from work_queue_latest
)
select
    action.time,
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
    line_id
from action
left join thing on thing.type = resource_type and thing.id = resource_id
left join thing as owner on owner.type = parent_type and owner.id = parent_id
where $own_states
    or route not in ('/flow_runs/{id}/set_state', '/task_runs/{id}/set_state')
    or case
        when (select count(*) from own) > 0 then line_id not in (select line_id from own)
        else coalesce(user_agent not like 'prefect/%', true)
    end
order by action.time, line_id
