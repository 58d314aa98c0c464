/*
id = "privileged-without-entitlement"
title = "Privileged requests without an entitlement"
question = "Who did something privileged that no entitlement allowed at that time?"
kind = "control"
section = "S7"
severity = "critical"
key = ["identity", "action", "resource_type"]
population = """
select count(*) from access_identity
where time >= $start and time < $end and privileged and status < 400 and login is not null"""
unit = "privileged requests that succeeded"
limits = """
Allowed is what an entitlement of the identity allowed, or one of a group that it was in: by its directory as of the request, or by the groups that the gateway found in its token and logged.
Entitlements are about actions and types of things, in the words of the route catalogue: whether the very deployment was meant is not looked at.
Between two versions of a directory nobody knows when an entitlement was given or taken: it counts from the version before it was given, to the version that no longer has it.
Requests without a route of the catalogue are not here: see unmatched-routes."""
[needs]
identity_latest = "nobody has said who is behind the logins (`lpaudit identities import`)"
entitlement_as_of = "nobody has said who may do what (`lpaudit identities import`)"
*/
with used as (
    select * from access_identity
    where time >= $start and time < $end and privileged and status < 400 and login is not null
), allowed as (
    select used.line_id
    from used
    join entitlement_as_of as given on given.principal = used.identity
    where given.principal_kind = 'identity'
        and (given.action = used.action or given.action = '*')
        and (given.resource_type = used.resource_type or given.resource_type = '*')
        and (given.since is null or given.since <= used.time) and (given.until is null or given.until > used.time)
    union
    select used.line_id
    from used
    join identity_group as member on member.identity = used.identity
    join entitlement_as_of as given on given.principal = member.group_name
    where given.principal_kind = 'group'
        and (member.since is null or member.since <= used.time) and (member.until is null or member.until > used.time)
        and (given.action = used.action or given.action = '*')
        and (given.resource_type = used.resource_type or given.resource_type = '*')
        and (given.since is null or given.since <= used.time) and (given.until is null or given.until > used.time)
    union
    select used.line_id
    from used
    join entitlement_as_of as given on position(',' || given.principal || ',' in ',' || used.logged_groups || ',') > 0
    where given.principal_kind = 'group'
        and (given.action = used.action or given.action = '*')
        and (given.resource_type = used.resource_type or given.resource_type = '*')
        and (given.since is null or given.since <= used.time) and (given.until is null or given.until > used.time)
)
select
    used.identity,
    max(used.kind) as kind,
    max(used.owner) as owner,
    string_agg(distinct used."groups", '; ' order by used."groups") as "groups",
    string_agg(distinct used.logged_groups, '; ' order by used.logged_groups) as logged_groups,
    used.action,
    used.resource_type,
    count(*) as requests,
    count(distinct used.resource_id) as resources,
    min(used.time) as first,
    max(used.time) as last
from used
left join allowed on allowed.line_id = used.line_id
where allowed.line_id is null
group by used.identity, used.action, used.resource_type
order by used.identity, used.action, used.resource_type
