/*
id = "leavers-use"
title = "Use by those who have left, or had not yet come"
question = "Was an identity used after it was disabled, after it was gone, or before it was valid?"
kind = "control"
section = "S8"
severity = "critical"
key = ["identity", "state", "login"]
population = "select count(distinct identity) from access_identity_tally where first_time >= $start and last_time < $end and state <> 'unknown'"
unit = "listed identities that were used"
limits = """
disabled: after disabled_at, or after the first version of its directory that says that it may not log in, if none says since when. A SCIM server says only when a user was last changed, which can be later than when it was disabled: use in between is not seen.
ended: after valid_to, or after the first version of its directory that no longer has it. not yet: before valid_from.
Use is any request that lighttpd let in under the login, whatever Prefect answered. Attempts that lighttpd itself refused bear no login.
A leaver who uses a login that several share is not seen."""
[needs]
identity_latest = "nobody has said who is behind the logins (`lpaudit identities import`)"
*/
select
    identity,
    login,
    state,
    max(kind) as kind,
    max(owner) as owner,
    max(directory) as directory,
    min(disabled_at) as disabled_at,
    min(valid_from) as valid_from,
    min(valid_to) as valid_to,
    cast(sum(requests) as bigint) as requests,
    cast(sum(case when status < 400 then requests else 0 end) as bigint) as succeeded,
    cast(sum(case when privileged and status < 400 then requests else 0 end) as bigint) as privileged,
    count(distinct client) as clients,
    min(first_time) as first,
    max(last_time) as last
from access_identity_tally
where first_time >= $start and last_time < $end and state in ('disabled', 'ended', 'not yet')
group by identity, login, state
order by identity, login, state
