/*
id = "approvals"
title = "Approvals"
question = "Who approved which run, who had asked for it, and how long did it take?"
kind = "table"
section = "S14"
population = "select count(*) from access where time >= $start and time < $end and action = 'approve'"
unit = "requests to approve"
limits = """
An approval is a request to resume a paused run (`POST /flow_runs/…/resume`). Prefect answers 201 if the run went on (`resumed`), and 200 if it did not, as it was not paused or the input did not fit. What was entered is in no log.
Who asked is who made the request that created the run, as `lpaudit correlate` has found; runs that a schedule or an automation made have nobody. A run that resumes itself, or that is set to another state, is in approval-bypass."""
[needs]
correlation = "requests were not tied to runs (`lpaudit correlate`)"
*/
with created as (
    select link.flow_run_id, line.identity, line.kind, line.client, line.time, line.line_id,
        row_number() over (partition by link.flow_run_id order by line.time, line.line_id) as number
    from access_run as link
    join access_identity as line on line.line_id = link.line_id
    where link.relation = 'created'
)
select
    approval.time,
    approval.resource_id as flow_run_id,
    run.name as flow_run_name,
    approval.identity as approver,
    approval.kind as approver_kind,
    created.identity as requester,
    created.kind as requester_kind,
    created.time as requested_at,
    cast(floor(round(extract(epoch from approval.time) - extract(epoch from created.time), 6) / 60) as bigint) as minutes,
    created.identity = approval.identity as same_identity,
    created.client = approval.client as same_client,
    approval.status,
    coalesce(approval.status = 201, false) as resumed,
    approval.line_id,
    created.line_id as requester_line_id
from access_identity as approval
left join created on created.flow_run_id = approval.resource_id and created.number = 1
left join flow_run_latest as run on run.id = approval.resource_id
where approval.time >= $start and approval.time < $end and approval.action = 'approve'
order by approval.time, approval.line_id
