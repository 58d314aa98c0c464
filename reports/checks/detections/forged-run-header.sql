/*
id = "forged-run-header"
title = "Clients that claim to be a flow run"
question = "Who says in a header to be a flow run that he cannot be?"
kind = "control"
section = "S17"
severity = "high"
tags = ["T1036", "T1134"]
key = ["flow_run_id", "identity", "client"]
population = "select count(*) from access where time >= $start and time < $end and prefect_flow_run_id is not null"
unit = "requests of the period that name a flow run in a header"
limits = """
X-Prefect-Flow-Run-Id is what a client says of itself. Contradicted are the time at which the run was there, its deployment, and whoever Prefect was told to have started it: identity, address and worker. A run that was retried where no line of it is in the log may look so as well.
Who can send requests as the same user from the same address while the run lasts cannot be told from it.
What is no id names no run: most often a template that nobody filled in. An id of which there is no record is in orphan-lines."""
[needs]
flow_run = "Prefect's flow runs are not in the store (`lpaudit sync`)"
flow_run_link = "requests are not tied to runs (`lpaudit correlate`)"
*/
with claim as (
    select flow_run_id, "user", client, evidence->>'$.forged' as against, status, time, line_id
    from access_run
    where relation = 'claim' and time >= $start and time < $end
    union all
    select prefect_flow_run_id, "user", client, 'it is no id', status, time, line_id
    from access
    where time >= $start and time < $end
        and prefect_flow_run_id is not null and try_cast(prefect_flow_run_id as uuid) is null
)
select
    claim.flow_run_id,
    any_value(run.name) as flow_run_name,
    coalesce("user", '(unauthenticated)') as identity,
    client,
    string_agg(distinct against, '; ' order by against) as against,
    count(*) as requests,
    count(*) filter (where status < 400) as answered,
    min(time) as first,
    max(time) as last,
    arg_min(line_id, (time, line_id)) as line_id
from claim left join flow_run_latest as run on run.id = claim.flow_run_id
group by claim.flow_run_id, coalesce("user", '(unauthenticated)'), client
order by first, flow_run_id, identity, client
