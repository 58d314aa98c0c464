/*
id = "access-by-identity"
title = "Access by identity, kind and groups"
question = "Which person, service, worker or AI agent used Prefect, in which groups, and for what?"
kind = "table"
section = "S4"
population = "select count(*) from access where time >= $start and time < $end"
unit = "lines of the period"
limits = """
Kind, owner and groups are those of the imported directories as of each request; whoever changed groups within the period has a row for each state. A login that no directory has is `unknown`, under its own name.
How exact the directories are in time depends on how often they were imported: between two versions nobody knows when a group changed, and the older one counts.
Reads are what the route catalogue calls read, poll and telemetry; deletes its delete and bulk_delete; secrets its secret_read; changes all other actions of a route; other is what has no route. The five add up to the requests, whatever their outcome. Denied is 401, 403, 407 or 429, and already counted among them."""
[needs]
identity_latest = "nobody has said who is behind the logins (`lpaudit identities import`)"
*/
with used as (
    select
        identity, login is not null as authenticated, kind, owner, "groups", state, client, action,
        sum(requests) as requests,
        sum(case when status in (401, 403, 407, 429) then requests else 0 end) as denied,
        min(first_time) as first,
        max(last_time) as last
    from access_identity_tally
    where first_time >= $start and last_time < $end
    group by identity, login is not null, kind, owner, "groups", state, client, action
)
select
    coalesce(identity, '(unauthenticated)') as identity,
    authenticated,
    kind,
    owner,
    "groups",
    state,
    cast(sum(requests) as bigint) as requests,
    cast(coalesce(sum(case when action in ('read', 'poll', 'telemetry') then requests end), 0) as bigint) as reads,
    cast(coalesce(sum(case when action not in ('read', 'poll', 'telemetry', 'delete', 'bulk_delete', 'secret_read') then requests end), 0) as bigint) as changes,
    cast(coalesce(sum(case when action in ('delete', 'bulk_delete') then requests end), 0) as bigint) as deletes,
    cast(coalesce(sum(case when action = 'secret_read' then requests end), 0) as bigint) as secrets,
    cast(coalesce(sum(case when action is null then requests end), 0) as bigint) as other,
    cast(sum(denied) as bigint) as denied,
    count(distinct client) as clients,
    min(first) as first,
    max(last) as last
from used
group by identity, authenticated, kind, owner, "groups", state
order by authenticated desc, identity, first, kind, owner, "groups", state
