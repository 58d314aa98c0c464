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
with now as (
    select failed."user", failed.client, failed.method, coalesce(failed.route, failed.path) as route, layer, cause, noise,
        count(*) as requests, min(failed.time) as first, max(failed.time) as last,
        string_agg(distinct failed.status::varchar, ', ' order by failed.status::varchar) as status,
        string_agg(distinct login."user", ', ' order by login."user") as tried
    from failed_request as failed
    left join failed_login as login on login.access_line_id = failed.line_id
    where failed.time >= $start and failed.time < $end and failed.status in (401, 403, 407, 429)
    group by failed."user", failed.client, failed.method, coalesce(failed.route, failed.path), layer, cause, noise
), before as (
    select distinct client, "user", coalesce(route, path) as route
    from failed_request
    where time >= $start - to_days($days) and time < $start and status in (401, 403, 407, 429)
), good as (
    select client, "user", coalesce(route, path) as route, max(time) as time
    from access
    where time >= $start - to_days($days) and time < $end and status < 400
    group by client, "user", coalesce(route, path)
), good_of_anybody as (
    select client, route, max(time) as time from good group by client, route
)
select
    not noise as finding,
    coalesce(now."user", '(nobody)') as identity,
    tried,
    now.client,
    now.method,
    now.route,
    status,
    layer,
    cause,
    requests,
    first,
    last,
    before.route is not null as seen_before,
    case when now."user" is null then good_of_anybody.time else good.time end as last_success
from now
left join before on before.route = now.route
    and before.client is not distinct from now.client and before."user" is not distinct from now."user"
left join good on good.route = now.route and good.client is not distinct from now.client and good."user" = now."user"
left join good_of_anybody on good_of_anybody.route = now.route and good_of_anybody.client is not distinct from now.client
order by finding desc, requests desc, last desc, identity, client, method, route, status, layer, cause
