/*
id = "identities"
title = "Access by identity"
question = "Who used Prefect, how much, and to read or to change?"
kind = "table"
section = "S4"
population = "select count(*) from access where time >= $start and time < $end"
unit = "lines of the period"
limits = """
The identity is the user that lighttpd authenticated; lines without one are the row that is not authenticated, whatever name was tried. A shared login is one identity.
Reads are GET, HEAD and OPTIONS, and those POSTs by which Prefect's clients ask or report: filter, count, paginate, history, get_scheduled_flow_runs, heartbeats, logs, events and the UI's queries. Deletes are DELETE and bulk_delete, writes the other POST, PUT and PATCH; other is any other method, also none at all. The four add up to the requests, whatever their outcome. Denied is 401, 403, 407 or 429, and already counted among them.
Paths of the API are read as lighttpd hands them on, decoded and without dots and doubled slashes; others, which are all if `api_prefix` is another prefix, as they were logged."""
*/
with request as (
    select
        *,
        case
            when method = 'DELETE' then 'delete'
            when method in ('GET', 'HEAD', 'OPTIONS') then 'read'
            when method in ('PUT', 'PATCH') then 'write'
            when method <> 'POST' or method is null then 'other'
            when asked like '%/bulk_delete' or asked like '%/bulk_delete/' then 'delete'
            when asked like '%/filter' or asked like '%/get_scheduled_flow_runs' or asked like '%/workers/heartbeat' then 'read'
            when regexp_matches(asked, '/(filter|count|paginate|history|lateness|get_runs|get_scheduled_flow_runs|workers/heartbeat)/?$') then 'read'
            when regexp_matches(coalesce(route, api_path), '^/(logs|events|ui)(/|$)') then 'read'
            else 'write'
        end as act
    from (select *, coalesce(route, api_path, path) as asked from access_tally where first_time >= $start and last_time < $end)
)
select
    coalesce("user", '(unauthenticated)') as identity,
    "user" is not null as authenticated,
    cast(sum(requests) as bigint) as requests,
    cast(sum(case when act = 'read' then requests else 0 end) as bigint) as reads,
    cast(sum(case when act = 'write' then requests else 0 end) as bigint) as writes,
    cast(sum(case when act = 'delete' then requests else 0 end) as bigint) as deletes,
    cast(sum(case when act = 'other' then requests else 0 end) as bigint) as other,
    cast(sum(case when status in (401, 403, 407, 429) then requests else 0 end) as bigint) as denied,
    count(distinct client) as clients,
    min(first_time) as first,
    max(last_time) as last
from request
group by "user"
order by authenticated desc, identity
