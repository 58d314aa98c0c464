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
An approval is a request to resume a paused run (`POST /flow_runs/…/resume`). Prefect answers 201 if the run went on, and 200 if it did not, as it was not paused or the input did not fit. What was not answered with 201 is listed, and is no finding.
Approving past the resume route, by setting a state, is another check: approval-bypass.
A machine that uses a person's login is that person here."""
[needs]
identity_latest = "nobody has said who is behind the logins (`lpaudit identities import`)"
*/
select
    coalesce(status = 201, false) as finding,
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
