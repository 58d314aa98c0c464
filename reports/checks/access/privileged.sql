/*
id = "privileged"
title = "Privileged and destructive requests"
question = "Who deleted, started, steered or reconfigured what?"
kind = "table"
population = "select count(*) from access where time >= $start and time < $end"
unit = "lines of the period"
limits = """
Listed are: DELETE and bulk_delete; set_state, bulk_set_state and resume; create_flow_run; everything but GET below /api/admin/; and changes of deployments, schedules, automations, blocks, variables, work pools, work queues and concurrency limits.
Not listed is what every run does about itself: new flows, runs, task runs, artifacts, labels, logs, events, heartbeats, concurrency slots, and the POSTs that only ask (filter, count, paginate, history, get_scheduled_flow_runs).
Succeeded is a status below 400, refused 401, 403, 407 or 429, failed any other. The log has no bodies: which records a bulk request named, or which state was set, is not in it.
UUIDs in paths are written {id}. With a format that logs the path before rewriting or decoding, a path that is written unusually can be missed."""
*/
with request as (
    select
        case
            when method = 'DELETE' then 'delete'
            when method in ('GET', 'HEAD', 'OPTIONS') then null
            when regexp_matches(path, '/bulk_delete/?$') then 'delete in bulk'
            when regexp_matches(path, '/bulk_set_state/?$') then 'set state in bulk'
            when regexp_matches(path, '/set_state/?$') then 'set state'
            when regexp_matches(path, '/flow_runs/[^/]+/resume/?$') then 'resume a run'
            when regexp_matches(path, '/create_flow_run(/bulk)?/?$') then 'start a run'
            when regexp_matches(path, '(^|/)api/admin(/|$)') then 'administer'
            when method = 'POST' and regexp_matches(path, '/(filter|count|paginate|history|get_runs|get_scheduled_flow_runs|workers/heartbeat)/?$') then null
            when regexp_matches(path, '/concurrency_limits/(increment|decrement|leases)') then null
            when regexp_matches(path, '(^|/)api/deployments(/|$)') then 'change a deployment'
            when regexp_matches(path, '(^|/)api/automations(/|$)') then 'change an automation'
            when regexp_matches(path, '(^|/)api/block_[a-z]+(/|$)') then 'change a block'
            when regexp_matches(path, '(^|/)api/variables(/|$)') then 'change a variable'
            when regexp_matches(path, '(^|/)api/work_(pools|queues)(/|$)') then 'change a work pool'
            when regexp_matches(path, '(^|/)api/(v2/)?concurrency_limits(/|$)') then 'change a concurrency limit'
        end as action,
        method,
        regexp_replace(path, '[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}', '{id}', 'g') as path_template,
        coalesce("user", '(unauthenticated)') as identity,
        status,
        time
    from access
    where time >= $start and time < $end
)
select
    action,
    method,
    path_template,
    count(*) as requests,
    count(*) filter (where status < 400) as succeeded,
    count(*) filter (where status in (401, 403, 407, 429)) as refused,
    count(*) filter (where status is null or status >= 400 and status not in (401, 403, 407, 429)) as failed,
    string_agg(distinct identity, ', ' order by identity) as users,
    min(time) as first,
    max(time) as last
from request
where action is not null
group by action, method, path_template
order by action, requests desc, method, path_template
