/*
id = "forged-automation"
title = "Runs that claim to be an automation's"
question = "Which run says that an automation created it, though somebody's request through lighttpd did?"
kind = "control"
section = "S17"
severity = "high"
tags = ["D31", "T1036", "T1134"]
key = ["flow_run_id"]
population = "select count(*) from flow_run_latest where created >= $start and created < $end"
unit = "flow runs that were created in the period"
limits = """
Prefect takes that from a header of the request (Prefect-Automation-Id), which any client can send unless the gateway takes it away. Automations themselves act within the server, so that no request of theirs is in the log.
The request is the one that correlation tied to the run's creation; a request at the very same moment may have been taken for it."""
[needs]
flow_run = "Prefect's flow runs are not in the store (`lpaudit sync`)"
flow_run_link = "requests are not tied to runs (`lpaudit correlate`)"
*/
with claimed as (
    select id, name, deployment_id, created
    from flow_run_latest
    where created_by_type = 'AUTOMATION' and created >= $start and created < $end
)
select
    claimed.id as flow_run_id,
    claimed.name as flow_run_name,
    claimed.created,
    min(coalesce(request."user", '(unauthenticated)')) as identity,
    min(request.client) as client,
    min(request.http_request_method || ' ' || request.path) as request,
    min(request.confidence) as confidence,
    min(request.line_id) as line_id
from claimed
join access_run as request on request.flow_run_id = claimed.id and request.relation = 'created'
group by claimed.id, claimed.name, claimed.created
order by created, flow_run_id
