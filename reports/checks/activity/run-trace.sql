/*
id = "run-trace"
title = "Runs, and what is known of each"
question = "For each run of the period: what started it, who asked for it and approved it, how did it end, and which requests are tied to it?"
kind = "table"
section = "S11"
population = "select count(*) from flow_run_latest where created >= $start and created < $end"
unit = "flow runs that were created in the period"
limits = """
`trigger` is what Prefect's record says (a schedule; or a header that any client can send, so it is a claim) or else that a request created it. `requested_by` is whom lighttpd authenticated on that request, `approved_by` on those that resumed the run.
Requests are those that correlation tied to the run; docs/correlation.md has the measured precision of each word. A run without any was not correlated, or made none through lighttpd.
A run that was created and deleted between two syncs is not here: its requests are in the section on runs that Prefect does not know."""
[needs]
flow_run = "Prefect's flow runs are not in the store (`lpaudit sync`)"
*/
with run as (
    select * from flow_run_latest where created >= $start and created < $end
),
link as (
    select line_id, relation, flow_run_id, method, confidence
    from flow_run_link
    where time >= $start - interval 1 day
    qualify made_at = max(made_at) over (partition by line_id, relation)
),
tied as (
    select
        flow_run_id,
        count(distinct line_id) as requests,
        string_agg(distinct relation || ': ' || method, ', ' order by relation || ': ' || method) as methods,
        count(*) filter (where confidence in ('likely', 'weak')) as unsure
    from link
    where flow_run_id is not null
    group by flow_run_id
),
asked as (
    select line_id, "user", status
    from access
    where time >= $start - interval 1 day and time < $end and method = 'POST' and status < 400
        and (contains(path, 'flow_run') or contains(path, 'schedule') or contains(path, '%'))
        and action in ('create', 'execute') and resource_type in ('deployment', 'flow_run')
),
request as (
    select link.flow_run_id, string_agg(distinct coalesce(asked."user", '(unauthenticated)'), ', ' order by coalesce(asked."user", '(unauthenticated)')) as users
    from link
    join asked on asked.line_id = link.line_id
    where link.relation = 'created'
    group by link.flow_run_id
),
approval as (
    select resource_id as flow_run_id, string_agg(distinct coalesce("user", '(unauthenticated)'), ', ' order by coalesce("user", '(unauthenticated)')) as users
    from access
    where time >= $start and method = 'POST' and (contains(path, 'resume') or contains(path, '%')) and action = 'approve' and status < 400
    group by resource_id
)
select
    run.id as flow_run_id,
    run.name as flow_run_name,
    flow.name as flow_name,
    deployment.name as deployment_name,
    case
        when run.auto_scheduled or run.created_by_type = 'SCHEDULE' then 'a schedule'
        when run.parent_task_run_id is not null then 'its parent run'
        when run.created_by_type is not null then 'claims: ' || lower(run.created_by_type)
        when request.users is not null then 'a request'
        else 'not known'
    end as trigger,
    request.users as requested_by,
    approval.users as approved_by,
    run.created,
    run.start_time,
    run.end_time,
    run.state_name as state,
    coalesce(tied.requests, 0) as requests,
    coalesce(tied.unsure, 0) as unsure_ties,
    tied.methods
from run
left join flow_latest as flow on flow.id = run.flow_id
left join deployment_latest as deployment on deployment.id = run.deployment_id
left join tied on tied.flow_run_id = run.id
left join request on request.flow_run_id = run.id
left join approval on approval.flow_run_id = run.id
order by run.created, run.id
