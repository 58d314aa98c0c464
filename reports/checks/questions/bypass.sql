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
with covered as (select min(first_time) as first, max(last_time) as last from segment where kind = 'access' having count(*) > 0)
select (
    select count(*) from flow_run_latest, covered
    where created >= greatest($start, first) and created < least($end, last)
) + (
    select count(*) from event_latest, covered
    where event like 'prefect.flow-run.%' and document->>'$.payload.initial_state.type' is not null
        and occurred >= greatest($start, first) and occurred < least($end, last)
)"""
unit = "runs and changes of state that were recorded while there is a log"
limits = """
Looked at is what Prefect recorded between the first and the last line of the log. A request counts if it was there when Prefect's record says that it happened, give or take $slack_seconds seconds: clocks of two hosts differ. Where they hardly do, a request explains one change.
Every change from one state to another counts, whatever the state is called: also that a run is to be run again, or goes on. The state that a run begins with belongs to its creation.
Explained are: runs that a schedule made; runs that say that an automation made them (a header that a client can forge, unless the gateway strips it); changes that an automation made, as Prefect's event about it says; what Prefect's server does by itself (late runs, subflows of a cancelled run, pauses and cancellations that took too long); and what lies in a gap of the log, or where it was purged.
A bulk request names no run, so any that was there explains a change of state."""
[needs]
flow_run = "Prefect's flow runs are not in the store (`lpaudit sync`)"
event = "Prefect's events are not in the store (`lpaudit sync`)"
[parameters.slack_seconds]
default = 2
why = "clocks that ntp keeps differ by much less; a longer one would let another request explain it"
[parameters.agreement]
default = 0.9
why = "as many changes as that fall within a request about their run, of those that have one near, if the two clocks are one or as good as one; then a request that made one change explains no other near it"
[parameters.automation_seconds]
default = 60
why = "Prefect tells of an automation's action when it is done, which on a busy server takes a while"
[parameters.cancelling_seconds]
default = 300
why = "Prefect's PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_CANCELLING_TIMEOUT_SECONDS, after which it ends a cancellation itself"
*/
with covered as (
    select min(first_time) as first, max(last_time) as last from segment where kind = 'access' having count(*) > 0
), missing as (
    select "from" as start, coalesce("to", detected_at) as "end" from open_gap
), purged as (
    select first_time - to_seconds($slack_seconds) as start, last_time + to_seconds($slack_seconds) as "end"
    from purged_segment where table_name = 'access_event'
), run as (
    select run.* from flow_run_latest as run, covered
    where run.created >= greatest($start, first) and run.created < least($end, last)
), created as (
    select line_id, flow_run_id from access_run where relation = 'created'
), line as (
    select line_id, time, coalesce(time_end, time) as time_end, method, route, resource_id
    from access
    where time >= $start - interval 1 day and time < $end + to_seconds($slack_seconds)
        and method = 'POST' and status between 200 and 299 and (contains(path, 'flow_run') or contains(path, '%'))
        and (
            route in ('/flow_runs/', '/flow_runs/{id}/set_state', '/flow_runs/{id}/resume', '/flow_runs/bulk_set_state')
            or route like '/deployments/{id}/create_flow_run%'
        )
), creating as (
    -- Clocks differ: a request that created no other known run may have created this one.
    select * from line where line_id not in (select line_id from created)
), found_run as (
    select flow_run_id as id from created
    union
    select run.id from run
    join creating on creating.resource_id = run.deployment_id
        and run.created between creating.time - to_seconds($slack_seconds) and creating.time_end + to_seconds($slack_seconds)
    where creating.route like '/deployments/{id}/create_flow_run%'
    union
    select run.id from run
    join creating on run.created between creating.time - to_seconds($slack_seconds) and creating.time_end + to_seconds($slack_seconds)
    where run.deployment_id is null and creating.route in ('/flow_runs/', '/deployments/{id}/create_flow_run/bulk')
), creation as (
    select
        run.created as time, run.id as flow_run_id, run.name, 'created' as what,
        run.id in (select id from found_run) as found,
        case
            when run.auto_scheduled then 'a schedule made it'
            when run.created_by_type = 'SCHEDULE' then 'a schedule made it'
            when run.created_by_type is not null then 'it says that ' || lower(run.created_by_type) || ' made it'
        end as explanation
    from run
), happened as (
    select occurred as time, resource_id[18:] as flow_run_id, resource_name as name,
        regexp_extract(event, '[^.]+$') as what,
        document->>'$.payload.initial_state.type' as before, document->>'$.payload.validated_state.type' as type
    from event_latest
    where event like 'prefect.flow-run.%' and document->>'$.payload.initial_state.type' is not null
), change as (
    select happened.* from happened, covered
    where time >= greatest($start, first) and time < least($end, last)
), writing as (
    select * from line
    where route in ('/flow_runs/{id}/set_state', '/flow_runs/{id}/resume', '/flow_runs/bulk_set_state')
), paired as (
    select change.time, change.flow_run_id, writing.line_id,
        change.time between writing.time - interval 20 millisecond and writing.time_end + interval 20 millisecond as during
    from change join writing on writing.resource_id = change.flow_run_id
    where change.time between writing.time - to_seconds($slack_seconds) and writing.time_end + to_seconds($slack_seconds)
), clocks as (
    -- Where Prefect's clock and lighttpd's are one, a request that has a change of its own explains no other.
    select count(distinct (time, flow_run_id)) filter (where during) >= $agreement * count(distinct (time, flow_run_id)) as agree
    from paired
), explaining as (
    select distinct time, flow_run_id from paired, clocks
    where during or not agree or line_id not in (select line_id from paired where during)
), automated as (
    select occurred as time, unnest(regexp_extract_all(document->>'$.related', 'prefect\.flow-run\.([0-9a-f-]{36})', 1)) as flow_run_id
    from event_latest where event = 'prefect.automation.action.executed'
        and document->>'$.payload.action_type' in ('cancel-flow-run', 'change-flow-run-state', 'resume-flow-run', 'suspend-flow-run')
), parent as (
    select run.id as flow_run_id, any_value(task.flow_run_id) as parent_id
    from flow_run_latest as run join task_run as task on task.id = run.parent_task_run_id
    group by run.id
), changed as (
    select
        time, flow_run_id, name, what,
        (time, flow_run_id) in (select (time, flow_run_id) from explaining) or exists (
            select 1 from writing
            where writing.route = '/flow_runs/bulk_set_state'
                and change.time between writing.time - to_seconds($slack_seconds) and writing.time_end + to_seconds($slack_seconds)
        ) as found,
        case
            when what = 'Late' and type = 'SCHEDULED' then 'the server says that it is late'
            when exists (
                select 1 from automated
                where automated.flow_run_id = change.flow_run_id
                    and automated.time between change.time - to_seconds($slack_seconds) and change.time + to_seconds($automation_seconds)
            ) then 'an automation did it'
            when type in ('CANCELLED', 'CANCELLING') and exists (
                select 1 from parent join happened as above on above.flow_run_id = parent.parent_id
                where parent.flow_run_id = change.flow_run_id
                    and above.type = 'CANCELLED' and above.time <= change.time
            ) then 'its parent was cancelled'
            when before = 'CANCELLING' and type = 'CANCELLED' and exists (
                select 1 from happened as earlier
                where earlier.flow_run_id = change.flow_run_id and earlier.type = 'CANCELLING'
                    and earlier.time <= change.time - to_seconds($cancelling_seconds)
            ) then 'its cancellation took too long'
            when before = 'PAUSED' and type = 'FAILED' then 'nobody resumed it in time'
        end as explanation
    from change
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
        case
            when exists (select 1 from missing where everything.time between missing.start and missing."end") then 'the log has a gap there'
            when exists (select 1 from purged where everything.time between purged.start and purged."end") then 'the log was purged there'
        end as gap
    from everything
    where not found
)
order by finding desc, time, flow_run_id, what
