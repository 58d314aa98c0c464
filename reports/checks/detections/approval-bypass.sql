/*
id = "approval-bypass"
title = "Approvals that were gone around"
question = "Which paused run went on because somebody set its state, with no request to resume it?"
kind = "control"
section = "S17"
severity = "high"
tags = ["D17", "T1562"]
key = ["flow_run_id", "paused"]
population = "select count(*) from event_latest where event like 'prefect.flow-run.%' and occurred >= $start and occurred < $end"
unit = "events of flow runs in the period"
limits = """
A run goes on if Prefect recorded that it was scheduled, pending or running after it was paused. A request to resume it is one of POST /flow_runs/{id}/resume that was answered well, within $slack_seconds seconds around the pause.
Prefect keeps events for seven days by default: a pause that was not synced in time is not known. That a run which was never paused should have been, is in no record."""
[needs]
event = "Prefect's events are not in the store (`lpaudit sync`)"
[parameters.slack_seconds]
default = 2
why = "clocks that ntp keeps differ by much less"
*/
with state as (
    select resource_id[18:] as flow_run_id, resource_name, regexp_extract(event, '[^.]+$') as state, occurred,
        lead(occurred) over (partition by resource_id order by occurred, id) as next_time,
        lead(regexp_extract(event, '[^.]+$')) over (partition by resource_id order by occurred, id) as next_state
    from event_latest
    where occurred >= $start and event in (
        'prefect.flow-run.Scheduled', 'prefect.flow-run.AwaitingRetry', 'prefect.flow-run.Late', 'prefect.flow-run.Pending', 'prefect.flow-run.Running',
        'prefect.flow-run.Retrying', 'prefect.flow-run.Paused', 'prefect.flow-run.Suspended', 'prefect.flow-run.Resuming', 'prefect.flow-run.Cancelling',
        'prefect.flow-run.Cancelled', 'prefect.flow-run.Completed', 'prefect.flow-run.Failed', 'prefect.flow-run.Crashed'
    )
),
pause as (
    select * from state
    where state in ('Paused', 'Suspended') and occurred < $end
        and next_state in ('Scheduled', 'AwaitingRetry', 'Late', 'Pending', 'Running', 'Retrying', 'Resuming', 'Completed')
),
request as (
    select line_id, time, coalesce(time_end, time) as time_end, "user", client, route, action, resource_id
    from access
    where time >= $start and method = 'POST' and status < 400
        and (contains(path, '/resume') or contains(path, 'set_state') or contains(path, '%'))
        and (action = 'approve' or route in ('/flow_runs/{id}/set_state', '/flow_runs/bulk_set_state'))
),
setter as (
    select pause.flow_run_id, pause.occurred,
        string_agg(distinct coalesce(request."user", '(unauthenticated)'), ', ' order by coalesce(request."user", '(unauthenticated)')) as users,
        string_agg(distinct request.client, ', ' order by request.client) as clients,
        string_agg(distinct request.route, ', ' order by request.route) as routes
    from pause
    join request on (request.resource_id = pause.flow_run_id or request.route = '/flow_runs/bulk_set_state')
        and request.action = 'execute'
        and pause.next_time between request.time - to_seconds($slack_seconds) and request.time_end + to_seconds($slack_seconds)
    group by pause.flow_run_id, pause.occurred
)
select
    pause.flow_run_id,
    pause.resource_name as flow_run_name,
    pause.occurred as paused,
    pause.next_time as went_on,
    pause.next_state as state,
    setter.users as identities,
    setter.clients,
    setter.routes
from pause
join setter on setter.flow_run_id = pause.flow_run_id and setter.occurred = pause.occurred
where not exists (
    select 1 from request as resumed
    where resumed.action = 'approve' and resumed.resource_id = pause.flow_run_id
        and resumed.time >= pause.occurred - to_seconds($slack_seconds) and resumed.time <= pause.next_time + to_seconds($slack_seconds)
)
order by paused, flow_run_id
