/*
id = "denied-requests"
title = "Denied requests"
question = "Who was denied what, by which layer, and is that new?"
kind = "control"
section = "S5"
severity = "medium"
key = ["identity", "client", "method", "route", "status", "layer", "cause"]
population = "select count(*) from access where time >= $start and time < $end"
unit = "requests of the period"
limits = """
Denied is a status of 401, 403, 407 or 429. Which layer said no is told by status, identity and the size of lighttpd's own error pages; with error pages of your own (server.errorfile-prefix) lighttpd's answers may be taken for Prefect's.
A 401 bears no user: tried are the names from lighttpd's error log, where it was ingested and only one request can be meant.
Prefect's client sends no credentials to some websockets; these 401s are in the table, and are no finding.
Whether it was `seen before`, and when it last went well, is looked for in the $days days before the period, too, and no longer ago."""
[parameters.days]
default = 90
why = "a quarter: what was refused or allowed before that is no longer news"
*/
with refused as (
    select "user", client, method, coalesce(route, path) as route, layer, cause, noise, status,
        count(*) as requests, min(time) as first, max(time) as last
    from failed_request
    where time >= $start and time < $end and status in (401, 403, 407, 429)
    group by "user", client, method, coalesce(route, path), layer, cause, noise, status
), named as (
    select failed."user", failed.client, failed.method, coalesce(failed.route, failed.path) as route, layer, cause, noise,
        string_agg(distinct login."user", ', ' order by login."user") as tried
    from failed_login as login
    join failed_request as failed on failed.line_id = login.access_line_id
    where failed.time >= $start and failed.time < $end and failed.status in (401, 403, 407, 429)
    group by failed."user", failed.client, failed.method, coalesce(failed.route, failed.path), layer, cause, noise
), now as (
    select "user", client, method, route, layer, cause, noise,
        cast(sum(requests) as bigint) as requests, min(first) as first, max(last) as last,
        string_agg(cast(status as varchar), ', ' order by status) as status
    from refused
    group by "user", client, method, route, layer, cause, noise
), before as (
    select distinct client, "user", method, coalesce(route, path) as route
    from access_tally
    where first_time >= $start - to_days($days) and last_time < $start and status in (401, 403, 407, 429)
), good as (
    select client, "user", method, coalesce(route, path) as route, max(last_time) as time
    from access_tally
    where first_time >= $start - to_days($days) and last_time < $end and status < 400
    group by client, "user", method, coalesce(route, path)
), good_of_anybody as (
    select client, method, route, max(time) as time from good group by client, method, route
)
select
    not now.noise as finding,
    coalesce(now."user", '(nobody)') as identity,
    named.tried,
    now.client,
    now.method,
    now.route,
    status,
    now.layer,
    now.cause,
    requests,
    first,
    last,
    before.route is not null as seen_before,
    case when now."user" is null then good_of_anybody.time else good.time end as last_success
from now
left join named on named."user" is not distinct from now."user" and named.client is not distinct from now.client
    and named.method is not distinct from now.method and named.route is not distinct from now.route
    and named.layer is not distinct from now.layer and named.cause is not distinct from now.cause and named.noise = now.noise
left join before on before.route = now.route and before.method is not distinct from now.method
    and before.client is not distinct from now.client and before."user" is not distinct from now."user"
left join good on good.route = now.route and good.method is not distinct from now.method
    and good.client is not distinct from now.client and good."user" = now."user"
left join good_of_anybody on good_of_anybody.route = now.route and good_of_anybody.method is not distinct from now.method
    and good_of_anybody.client is not distinct from now.client
order by finding desc, requests desc, last desc, identity, now.client, now.method, now.route, status, now.layer, now.cause
