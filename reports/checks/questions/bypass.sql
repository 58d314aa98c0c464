/*
id = "bypass"
title = "Runs and state changes without a request"
question = "Did somebody go around the gateway?"
kind = "control"
section = "S12"
severity = "critical"
tags = ["D18", "T1090", "T1562.006"]
key = ["flow_run_id", "what", "time"]
population = """
with covered as (select min(time) as first, max(coalesce(time_end, time)) as last from access)
select (
    select count(*) from flow_run_latest, covered
    where created >= greatest($start, first) and created < least($end, last)
) + (
    select count(*) from event_latest, covered
    where event in ('prefect.flow-run.Running', 'prefect.flow-run.Paused', 'prefect.flow-run.Suspended', 'prefect.flow-run.Cancelling', 'prefect.flow-run.Cancelled', 'prefect.flow-run.Completed', 'prefect.flow-run.Failed', 'prefect.flow-run.Crashed')
        and occurred >= greatest($start, first) and occurred < least($end, last)
)"""
unit = "runs and changes of state that were recorded while there is a log"
limits = """
Looked at is what Prefect recorded between the first and the last line of the log. A request counts if it was there when Prefect's record says that it happened, give or take $slack_seconds seconds: clocks of two hosts differ.
Explained are: runs that a schedule made; runs that say that an automation made them (a header that a client can forge, unless the gateway strips it); what Prefect's server does by itself (late runs, runs of a cancelled parent, a run whose worker or heartbeat was lost); and what lies in a gap of the log.
A bulk request names no run, so any that was there explains a change of state."""
[needs]
flow_run = "Prefect's flow runs are not in the store (`lpaudit sync`)"
event = "Prefect's events are not in the store (`lpaudit sync`)"
[parameters.slack_seconds]
default = 2
why = "clocks that ntp keeps differ by much less; a longer one would let another request explain it"
*/
with covered as (
    select min(time) as first, max(coalesce(time_end, time)) as last from access
), missing as (
    select "from" as start, coalesce("to", detected_at) as "end" from open_gap
), run as (
    select run.* from flow_run_latest as run, covered
    where run.created >= greatest($start, first) and run.created < least($end, last)
), created as (
    select line_id, flow_run_id from access_run where relation = 'created'
), creation as (
    select
        run.created as time, run.id as flow_run_id, run.name, 'created' as what,
        run.id in (select flow_run_id from created) or exists (
            -- Clocks differ: a request that created no other known run may have created this one.
            select 1 from access as line
            where line.method = 'POST' and line.status between 200 and 299
                and run.created between line.time - to_seconds($slack_seconds) and coalesce(line.time_end, line.time) + to_seconds($slack_seconds)
                and line.line_id not in (select line_id from created)
                and (
                    line.route in ('/flow_runs/', '/deployments/{id}/create_flow_run/bulk') and run.deployment_id is null
                    or line.route like '/deployments/{id}/create_flow_run%' and line.resource_id = run.deployment_id
                )
        ) as found,
        case
            when run.auto_scheduled then 'a schedule made it'
            when run.created_by_type = 'SCHEDULE' then 'a schedule made it'
            when run.created_by_type is not null then 'it says that ' || lower(run.created_by_type) || ' made it'
        end as explanation
    from run
), change as (
    select event.occurred as time, event.resource_id[18:] as flow_run_id, event.resource_name as name,
        regexp_extract(event.event, '[^.]+$') as what
    from event_latest as event, covered
    where event.event in ('prefect.flow-run.Running', 'prefect.flow-run.Paused', 'prefect.flow-run.Suspended', 'prefect.flow-run.Cancelling', 'prefect.flow-run.Cancelled', 'prefect.flow-run.Completed', 'prefect.flow-run.Failed', 'prefect.flow-run.Crashed')
        and event.occurred >= greatest($start, first) and event.occurred < least($end, last)
), writing as (
    select time, coalesce(time_end, time) as time_end, route, resource_id from access
    where action in ('execute', 'approve', 'create', 'update') and status between 200 and 299
        and (resource_type = 'flow_run' or route like '/flow_runs%')
), changed as (
    select
        change.*,
        exists (
            select 1 from writing
            where change.time between writing.time - to_seconds($slack_seconds) and writing.time_end + to_seconds($slack_seconds)
                and (writing.resource_id = change.flow_run_id or writing.route like '%bulk%')
        ) as found,
        case
            when what in ('Cancelled', 'Crashed') and tree.depth > 0 then 'its parent ended'
            when what = 'Crashed' then 'the server marks a run as crashed when its heartbeat stops'
        end as explanation
    from change left join flow_run_tree as tree using (flow_run_id)
), everything as (
    select * from creation union all select * from changed
)
select
    coalesce(explanation, gap) is null as finding,
    time,
    flow_run_id,
    name as flow_run_name,
    what,
    coalesce(explanation, gap) as explanation
from (
    select everything.*,
        case when exists (select 1 from missing where everything.time between missing.start and missing."end") then 'the log has a gap there' end as gap
    from everything
    where not found
)
order by finding desc, time, flow_run_id, what
