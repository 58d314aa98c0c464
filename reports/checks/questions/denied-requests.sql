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
Prefect's client sends no credentials to some websockets; these 401s are in the table, and are no finding."""
*/
with denied as (
    select failed.*, login."user" as tried
    from failed_request as failed
    left join failed_login as login on login.access_line_id = failed.line_id
    where failed.status in (401, 403, 407, 429)
), now as (
    select "user", client, method, coalesce(route, path) as route, layer, cause, noise,
        count(*) as requests, min(time) as first, max(time) as last,
        string_agg(distinct status::varchar, ', ' order by status::varchar) as status,
        string_agg(distinct tried, ', ' order by tried) as tried
    from denied
    where time >= $start and time < $end
    group by all
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
    exists (
        select 1 from denied as before
        where before.time < $start and before.client is not distinct from now.client
            and before."user" is not distinct from now."user" and coalesce(before.route, before.path) = now.route
    ) as seen_before,
    (
        select max(good.time) from access as good
        where good.status < 400 and good.time < $end and coalesce(good.route, good.path) = now.route
            and good.client is not distinct from now.client
            and (now."user" is null or good."user" = now."user")
    ) as last_success
from now
order by finding desc, requests desc, last desc, identity, client, method, route, status, layer, cause
