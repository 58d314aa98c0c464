/*
id = "shared-accounts"
title = "Shared and generic accounts"
question = "Which login was used from several places at once, or has a name that is nobody's?"
kind = "control"
section = "S10"
severity = "medium"
key = ["identity"]
population = """
select count(distinct identity) from access_identity_tally
where first_time >= $start and last_time < $end and login is not null and coalesce(kind, 'human') in ('human', 'agent')"""
unit = "people, ai agents and unknown logins that made requests"
limits = """
From several places at once: addresses whose stretches of requests overlap, where a stretch goes on as long as no two of its requests are further apart than $idle_seconds seconds. A person with a laptop and a phone looks the same; several people behind one address, or one after the other, are not seen.
Services and workers are left out: running on many machines is what they do.
With a format that masks addresses (`%{mask}a`) different places look alike."""
[needs]
identity_latest = "nobody has said who is behind the logins (`lpaudit identities import`)"
[parameters.idle_seconds]
default = 300
why = "a web page of Prefect asks again every few seconds; five minutes without a request is another visit"
[parameters.clients_at_once]
default = 2
why = "a person is in one place"
[parameters.generic_names]
default = ["admin", "administrator", "anonymous", "demo", "guest", "operator", "ops", "prefect", "root", "shared", "support", "team", "test", "user"]
why = "names that say what somebody does, and not who it is"
*/
with request as (
    -- Within a piece of time that is as short no two requests are too far apart.
    select
        identity, client, user_agent, floor(extract(epoch from time) / greatest($idle_seconds, 1)) as piece,
        max(kind) as kind, max(owner) as owner, count(*) as requests, min(time) as first, max(time) as last
    from access_identity
    where time >= $start and time < $end and login is not null and coalesce(kind, 'human') in ('human', 'agent')
    group by identity, client, user_agent, floor(extract(epoch from time) / greatest($idle_seconds, 1))
), piece as (
    select identity, client, piece, min(first) as first, max(last) as last
    from request
    where client is not null
    group by identity, client, piece
), spaced as (
    select *, round(extract(epoch from first) - extract(epoch from lag(last) over (partition by identity, client order by piece)), 6) as gap
    from piece
), numbered as (
    select
        identity, client, first, last,
        sum(case when gap <= $idle_seconds then 0 else 1 end) over (
            partition by identity, client order by piece rows between unbounded preceding and current row
        ) as stretch
    from spaced
), stretch as (
    select identity, client, stretch, min(first) as first, max(last) as last
    from numbered
    group by identity, client, stretch
), edge as (
    -- Stretches of one address never overlap: as many as are open, so many addresses there are at once.
    select identity, first as moment, 0 as closes, 1 as step from stretch
    union all
    select identity, last, 1, -1 from stretch
), at_once as (
    select identity, moment,
        sum(step) over (
            partition by identity order by moment, closes rows between unbounded preceding and current row
        ) as clients
    from edge
), most as (
    select identity, cast(max(clients) as bigint) as clients_at_once, min(case when clients >= $clients_at_once then moment end) as first_overlap
    from at_once
    group by identity
), used as (
    select identity, max(kind) as kind, max(owner) as owner, cast(sum(requests) as bigint) as requests, count(distinct client) as clients,
        count(distinct user_agent) as user_agents, min(first) as first, max(last) as last
    from request
    group by identity
)
select
    used.identity,
    used.kind,
    used.owner,
    most.clients_at_once,
    most.first_overlap,
    list_contains(cast($generic_names as varchar[]), lower(used.identity)) as generic_name,
    used.clients,
    used.user_agents,
    used.requests,
    used.first,
    used.last
from used
left join most on most.identity = used.identity
where most.clients_at_once >= $clients_at_once or list_contains(cast($generic_names as varchar[]), lower(used.identity))
order by used.identity
