/*
id = "first-privileged"
title = "Privileged actions of somebody who never did them before"
question = "Who did a privileged thing for the first time in $days days?"
kind = "control"
section = "S17"
severity = "low"
tags = ["D36", "T1078"]
key = ["identity", "method", "route"]
population = "select count(*) from access where time >= $start and time < $end"
unit = "lines of the period"
limits = """
Looked back is from the period's start for $days days, and no further than the store reaches: in a young store everything is a first time.
`client` is the address of the first such request. A thing counts as done if it was answered with a status below 400. States that are set are left out: every run does that.
A deploy with Prefect's client sends `DELETE /automations/owned-by/prefect.deployment.<id>` by itself, also where there are no automations."""
[parameters.days]
default = 90
why = "a quarter: what somebody does each quarter is not new"
*/
with done as (
    select coalesce("user", '(unauthenticated)') as identity, method, route, any_value(action) as action,
        min(first_time) as first, sum(case when first_time >= $start then requests else 0 end)::bigint as times
    from access_tally
    where first_time >= $start - to_days($days) and last_time < $end and status < 400
        and privileged
        and route not in ('/flow_runs/{id}/set_state', '/task_runs/{id}/set_state')
    group by coalesce("user", '(unauthenticated)'), method, route
    having min(first_time) >= $start
), line as (
    select coalesce("user", '(unauthenticated)') as identity, method, route, arg_min(client, (time, line_id)) as client
    from access
    where time >= $start and time < $end and status < 400 and privileged
        and (method not in ('GET', 'HEAD', 'OPTIONS') or contains(path, 'block_') or contains(path, '%'))
    group by coalesce("user", '(unauthenticated)'), method, route
)
select done.identity, action, done.method, done.route, first, times, client
from done
join line on line.identity = done.identity and line.method is not distinct from done.method and line.route = done.route
order by first, done.identity, done.method, done.route
