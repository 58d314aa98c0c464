/*
id = "access-review"
title = "Access review: entitled against used"
question = "Who may do what, who used it, and who did something privileged without being entitled?"
kind = "table"
section = "S7"
population = """
select count(*) from (
    select identity from identity_as_of where (since is null or since < $end) and (until is null or until > $start)
    union
    select identity from access_identity_tally where first_time >= $start and last_time < $end and login is not null
)"""
unit = "identities that were listed or used"
limits = """
A row is an entitlement that an identity had at some time of the period, itself or by a group (`by` says which, and whether a directory or the gateway's log says that it was in the group), with what was done of it; or something privileged that was done and no such entitlement names.
Use is requests with a status below 400. Whether an entitlement was there at the very moment of a request, privileged-without-entitlement says.
Kind, owner and state are the newest that is known. Whether to keep, change or take away an entitlement is for a reviewer to say: no column judges."""
[needs]
identity_latest = "nobody has said who is behind the logins (`lpaudit identities import`)"
entitlement_as_of = "nobody has said who may do what (`lpaudit identities import`)"
*/
with used as (
    select identity, action, resource_type, privileged, cast(sum(requests) as bigint) as requests, min(first_time) as first, max(last_time) as last
    from access_identity_tally
    where first_time >= $start and last_time < $end and status < 400 and login is not null and action is not null
    group by identity, action, resource_type, privileged
), entitled as (
    select principal_kind, principal, action, resource_type, since, until, ticket
    from entitlement_as_of
    where (since is null or since < $end) and (until is null or until > $start)
), logged as (
    select distinct identity, logged_groups
    from access_identity_tally
    where first_time >= $start and last_time < $end and login is not null and logged_groups is not null
), given as (
    select principal as identity, 'itself' as "by", cast(null as varchar) as group_name, action, resource_type, ticket
    from entitled
    where principal_kind = 'identity'
    union
    select member.identity, 'group', member.group_name, entitled.action, entitled.resource_type, entitled.ticket
    from entitled
    join identity_group as member on member.group_name = entitled.principal
    where entitled.principal_kind = 'group'
        and (member.since is null or member.since < $end) and (member.until is null or member.until > $start)
        and (member.since is null or entitled.until is null or member.since < entitled.until)
        and (entitled.since is null or member.until is null or entitled.since < member.until)
    union
    select logged.identity, 'logged group', entitled.principal, entitled.action, entitled.resource_type, entitled.ticket
    from entitled
    join logged on position(',' || entitled.principal || ',' in ',' || logged.logged_groups || ',') > 0
    where entitled.principal_kind = 'group'
), reviewed as (
    select
        given.identity, given."by", given.group_name, given.action, given.resource_type, max(given.ticket) as ticket,
        true as entitled, coalesce(sum(used.requests), 0) as requests, min(used.first) as first, max(used.last) as last
    from given
    left join used on used.identity = given.identity
        and (given.action = used.action or given.action = '*')
        and (given.resource_type = used.resource_type or given.resource_type = '*')
    group by given.identity, given."by", given.group_name, given.action, given.resource_type
    union all
    select
        used.identity, cast(null as varchar), cast(null as varchar), used.action, used.resource_type, cast(null as varchar),
        false, used.requests, used.first, used.last
    from used
    where used.privileged and not exists (
        select 1 from given
        where given.identity = used.identity
            and (given.action = used.action or given.action = '*')
            and (given.resource_type = used.resource_type or given.resource_type = '*')
    )
), who as (
    select identity, max(kind) as kind, max(owner) as owner, max(disabled_at) as disabled_at, max(gone_at) as gone_at
    from identity_latest
    group by identity
)
select
    reviewed.identity,
    who.kind,
    who.owner,
    who.disabled_at,
    who.gone_at,
    reviewed.action,
    reviewed.resource_type,
    reviewed."by",
    reviewed.group_name,
    reviewed.ticket,
    case
        when not reviewed.entitled then 'used, not entitled'
        when reviewed.requests = 0 then 'entitled, not used'
        else 'entitled and used'
    end as finding,
    cast(reviewed.requests as bigint) as requests,
    reviewed.first,
    reviewed.last
from reviewed
left join who on who.identity = reviewed.identity
order by reviewed.identity, reviewed.entitled, reviewed.action, reviewed.resource_type, reviewed."by", reviewed.group_name
