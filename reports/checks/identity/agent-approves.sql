/*
id = "agent-approves"
title = "Approvals that no person gave"
question = "Did an AI agent, a service, a worker or an unknown login approve anything?"
kind = "control"
section = "S14"
severity = "critical"
key = ["line_id"]
population = "select count(*) from access_identity where time >= $start and time < $end and action = 'approve'"
unit = "requests to approve"
limits = """
An approval is a request to resume a paused run (`POST /flow_runs/…/resume`). One that was refused or failed is listed, and is no finding.
Approving past the resume route, by setting a state, is another check: approval-bypass.
A machine that uses a person's login is that person here."""
[needs]
identity_latest = "nobody has said who is behind the logins (`lpaudit identities import`)"
*/
select
    coalesce(status < 400, false) as finding,
    time,
    resource_id as flow_run_id,
    identity,
    coalesce(kind, 'unknown') as kind,
    owner,
    "groups",
    client,
    status,
    line_id
from access_identity
where time >= $start and time < $end and action = 'approve' and coalesce(kind, 'unknown') <> 'human'
order by time, line_id
