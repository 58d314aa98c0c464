/*
id = "privileged"
title = "Privileged and destructive requests"
question = "Who deleted, started, approved, steered or reconfigured what, or may have read secrets?"
kind = "table"
section = "S6"
population = "select count(*) from access where time >= $start and time < $end"
unit = "lines of the period"
limits = """
Listed is what the route catalogue calls privileged; the view `route` says of every operation of Prefect's API whether it is, and why. Reading blocks is among it (secret_read), because the answer may hold passwords.
Also listed, as `(no route)`, is what might have changed something and fits no route of the catalogue: requests of the API by no method or another than GET, HEAD and OPTIONS, and every DELETE.
Not listed is what every run does about itself: new flows, runs, task runs, artifacts, labels, logs, events, heartbeats, concurrency slots, and the POSTs that only ask.
Which requests are the API's, the setting `api_prefix` says: with a prefix that is not the proxy's, only DELETE is listed.
Succeeded is a status below 400, refused 401, 403, 407 or 429, failed any other. The log has no bodies: which records a bulk request named, or which state was set, is not in it; so a cancelled run is an `execute`, as is a retried one.
UUIDs in paths are written {id}."""
*/
with request as (
    select
        coalesce(action, '(no route)') as action,
        resource_type,
        method,
        regexp_replace(path, '[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}', '{id}', 'g') as path_template,
        coalesce("user", '(unauthenticated)') as identity,
        status,
        time
    from access
    where time >= $start and time < $end and (
        privileged
        or (route is null and (method = 'DELETE' or (api_path is not null and coalesce(method, '') not in ('GET', 'HEAD', 'OPTIONS'))))
    )
)
select
    action,
    resource_type,
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
group by action, resource_type, method, path_template
order by action, requests desc, method, path_template, resource_type
