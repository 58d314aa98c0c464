/*
id = "denied"
title = "Denied attempts"
question = "Who was refused what, from where, and how often?"
kind = "table"
section = "S5"
population = "select count(*) from access where time >= $start and time < $end"
unit = "lines of the period"
limits = """
Denied is 401, 403, 407 or 429. On a 401 lighttpd logs no user, whoever tried: the name that was tried is at best in lighttpd's error log.
`known noise` marks what Prefect's own clients do: they open the websockets `/events/out` and `/work_pools/…/workers/connect` of its API without credentials first. An attacker may do the same, so these rows are counted like all others and only listed last.
UUIDs in paths are written {id}. The query is left out: it may hold secrets."""
*/
with request as (
    select
        "user",
        client,
        method,
        regexp_replace(path, '[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}', '{id}', 'g') as path_template,
        status,
        time,
        status = 401 and "user" is null and method in ('GET', 'CONNECT')
            and regexp_matches(api_path, '^/(events/out|work_pools/[^/]+/workers/connect)/?$') as noise
    from access
    where time >= $start and time < $end and status in (401, 403, 407, 429)
)
select
    coalesce("user", '(unauthenticated)') as identity,
    "user" is not null as authenticated,
    client,
    method,
    path_template,
    status,
    coalesce(noise, false) as known_noise,
    count(*) as requests,
    min(time) as first,
    max(time) as last
from request
group by "user", client, method, path_template, status, noise
order by known_noise, requests desc, identity, authenticated, client, method, path_template, status
