/*
id = "approval-bypass"
title = "Paused runs that went on without an approval"
question = "Which paused run was made to go on by other means than an approval, and by whom?"
kind = "control"
section = "S14"
severity = "high"
key = ["flow_run_id", "paused_at"]
population = """
with state as (
    select event, occurred, lead(event) over (partition by resource_id order by occurred, id) as next_event,
        lead(occurred) over (partition by resource_id order by occurred, id) as next_at
    from event_latest
    where event > 'prefect.flow-run.A' and event < 'prefect.flow-run.['
)
select count(*) from state
where event in ('prefect.flow-run.Paused', 'prefect.flow-run.Suspended') and next_at >= $start and next_at < $end"""
unit = "pauses that came to an end"
limits = """
That a run paused, and what became of it, Prefect's events say: those that `lpaudit sync` has brought before Prefect forgot them. A run that failed, crashed or was cancelled while it was paused did not go on.
An approval is a request to resume the run that was answered with 201 while it was paused (with 200 Prefect says that the run did not go on), give or take $slack_seconds seconds. The request listed is one that set the run's state when it went on, or one that may have, as it set many (`bulk`); if there is none, the run went on past the gateway, or by itself.
States with names of their own, that somebody sets in a flow, are states like others here."""
[needs]
event = "Prefect's events are not in the store (`lpaudit sync`)"
[parameters.slack_seconds]
default = 2
why = "clocks that ntp keeps differ by much less"
*/
with state as (
    select substring(resource_id, 18) as flow_run_id, resource_name, event, occurred,
        lead(event) over (partition by resource_id order by occurred, id) as next_event,
        lead(occurred) over (partition by resource_id order by occurred, id) as next_at
    from event_latest
    -- States begin with a capital; what else happens to a run does not.
    where event > 'prefect.flow-run.A' and event < 'prefect.flow-run.['
), pause as (
    select * from state
    where event in ('prefect.flow-run.Paused', 'prefect.flow-run.Suspended')
        and next_at >= $start and next_at < $end
        and next_event not in (
            'prefect.flow-run.Cancelling', 'prefect.flow-run.Cancelled', 'prefect.flow-run.Failed', 'prefect.flow-run.Crashed'
        )
), request as (
    select *, time - interval '1' second * $slack_seconds as earliest,
        coalesce(time_end, time) + interval '1' second * $slack_seconds as latest
    from access_identity
    -- With 201 Prefect says that a state was set, with 200 that none was; only of many at once it says nothing.
    where method = 'POST' and time < $end + interval '1' second * $slack_seconds
        -- The same again of what is logged: so the routes of few lines need to be looked up.
        and (status = 201 or status < 300 and (contains(path, 'bulk') or contains(path, '%')))
        and (contains(path, 'flow_run') or contains(path, '%'))
        and action in ('approve', 'execute') and (status = 201 or status < 300 and route like '%bulk%')
        and (resource_type = 'flow_run' or route like '/flow_runs/%')
), forced as (
    select pause.flow_run_id, pause.occurred, request.identity, request.kind, request.login, request.client, request.method,
        request.route, request.line_id,
        row_number() over (
            partition by pause.flow_run_id, pause.occurred
            order by case when request.resource_id is null then 1 else 0 end, request.time, request.line_id
        ) as number
    from pause
    join request on pause.next_at >= request.earliest and pause.next_at <= request.latest
        and (request.resource_id = pause.flow_run_id or request.route like '%bulk%')
    where request.action <> 'approve'
)
select
    pause.flow_run_id,
    pause.resource_name as flow_run_name,
    pause.occurred as paused_at,
    pause.next_at as went_on_at,
    substring(pause.next_event, 18) as next_state,
    forced.identity,
    forced.kind,
    forced.client,
    forced.method,
    forced.route,
    coalesce(forced.route like '%bulk%', false) as bulk,
    forced.line_id
from pause
left join forced on forced.flow_run_id = pause.flow_run_id and forced.occurred = pause.occurred and forced.number = 1
where not exists (
    select 1 from request
    where request.action = 'approve' and request.resource_id = pause.flow_run_id
        and request.latest >= pause.occurred and request.earliest <= pause.next_at
)
order by went_on_at, pause.flow_run_id, paused_at
