/*
id = "segregation-of-duties"
title = "Requester and approver are the same"
question = "Did anybody approve a run that they had asked for themselves?"
kind = "control"
section = "S14"
severity = "high"
key = ["line_id"]
population = """
select count(distinct approval.line_id)
from access_identity as approval
join access_run as link on link.flow_run_id = approval.resource_id and link.relation = 'created'
where approval.time >= $start and approval.time < $end and approval.action = 'approve' and approval.status = 201"""
unit = "approvals of runs of which it is known who asked for them"
limits = """
An approval is a request to resume a paused run that Prefect answered with 201: with 200 it says that the run did not go on.
The same is the same identity: several logins of one person are one, if a directory has them as aliases; or the same token. Another identity from the same address is listed, and is no finding: behind a forwarder, or in an office, many people share one.
Who asked is who made the request that created the run, as `lpaudit correlate` has found. Approvals of runs of which nobody knows who asked for them are not looked at: approvals has them.
Somebody who has another person's password, or an AI agent of one's own, is another identity."""
[needs]
correlation = "requests were not tied to runs (`lpaudit correlate`)"
*/
with created as (
    select link.flow_run_id, line.identity, line.kind, line.client, line.token_id, line.time, line.line_id,
        row_number() over (partition by link.flow_run_id order by line.time, line.line_id) as number
    from access_run as link
    join access_identity as line on line.line_id = link.line_id
    where link.relation = 'created'
)
select
    approval.identity = created.identity or coalesce(approval.token_id = created.token_id, false) as finding,
    case
        when approval.identity = created.identity then 'same identity'
        when approval.token_id = created.token_id then 'same token'
        else 'same address'
    end as reason,
    approval.time,
    approval.resource_id as flow_run_id,
    run.name as flow_run_name,
    approval.identity as approver,
    approval.kind as approver_kind,
    created.identity as requester,
    created.kind as requester_kind,
    created.time as requested_at,
    cast(floor(round(extract(epoch from approval.time) - extract(epoch from created.time), 6) / 60) as bigint) as minutes,
    approval.client,
    approval.line_id,
    created.line_id as requester_line_id
from access_identity as approval
join created on created.flow_run_id = approval.resource_id and created.number = 1
left join flow_run_latest as run on run.id = approval.resource_id
where approval.time >= $start and approval.time < $end and approval.action = 'approve' and approval.status = 201
    and (
        approval.identity = created.identity
        or approval.token_id = created.token_id
        or approval.client = created.client
    )
order by approval.time, approval.line_id
