/*
id = "token-age"
title = "Tokens and passwords against their cadence"
question = "Which token or password was used longer than it may be, after it was revoked, by another identity, or is known to nobody?"
kind = "control"
section = "S9"
severity = "high"
key = ["identity", "token_id", "reason"]
population = "select count(distinct identity) from access_identity_tally where first_time >= $start and last_time < $end and login is not null"
unit = "identities that were used"
limits = """
A token is known by its id, which the gateway logs (`%{AUTH_JTI}e`); of a password only what a directory says is known: it counts as used while its identity made requests without a token's id, from its issue until it was revoked.
Age is counted in whole days of 24 hours from its issue, or, if no directory has it, from its first request in the log, to its last request before the period's end: at least that old.
Machines without either are listed as well: of theirs nobody knows the age. People's passwords without a record are not.
A password that was changed without a record of it looks as old as the record says."""
[needs]
identity_latest = "nobody has said who is behind the logins (`lpaudit identities import`)"
[parameters.cadence_days]
default = 90
why = "for tokens of which no directory has a cadence; a quarter of a year is common for secrets of machines"
[parameters.overlap_days]
default = 7
why = "after its successor came into use a token should not be needed any more; a week is time to change all machines"
*/
with request as (
    select identity, kind, owner, token_id, first_time, last_time, requests, last_time >= $start as counts
    from access_identity_tally
    where last_time < $end and login is not null
), seen as (
    select identity, token_id, max(kind) as kind, max(owner) as owner, min(first_time) as first, max(last_time) as last,
        cast(sum(case when counts then requests else 0 end) as bigint) as requests
    from request
    where token_id is not null
    group by identity, token_id
), followed as (
    select *, lead(first) over (partition by identity order by first, token_id) as successor_first
    from seen
), without as (
    select identity, max(kind) as kind, max(owner) as owner, min(first_time) as first, max(last_time) as last, cast(sum(requests) as bigint) as requests
    from request
    where token_id is null and counts
    group by identity
), token as (
    select
        true as logged, followed.identity, followed.kind, followed.owner, followed.token_id, known.identity as registered_to,
        known.issued_at, followed.first, followed.last, followed.requests, known.revoked_at,
        coalesce(known.cadence_days, $cadence_days) as cadence_days,
        case when successor_first < last then cast(floor(round(extract(epoch from last) - extract(epoch from successor_first), 6) / 86400) as bigint) end as overlap_days,
        cast(floor(round(extract(epoch from followed.last) - extract(epoch from coalesce(known.issued_at, followed.first)), 6) / 86400) as bigint) as age_days
    from followed
    left join token_latest as known on known.token_id = followed.token_id
    where followed.requests > 0
    union all
    select
        false, without.identity, without.kind, without.owner, known.token_id, known.identity,
        known.issued_at, without.first, without.last, without.requests, known.revoked_at,
        coalesce(known.cadence_days, $cadence_days), null,
        cast(floor(round(extract(epoch from least(without.last, coalesce(known.revoked_at, without.last))) - extract(epoch from known.issued_at), 6) / 86400) as bigint)
    from without
    -- A password that was revoked before, or issued after, cannot be the one that was used.
    left join (select * from token_latest where token_id not in (select token_id from seen)) as known
        on known.identity = without.identity and known.issued_at <= without.last
        and (known.revoked_at is null or known.revoked_at > without.first)
), judged as (
    select *, 'no age: no token of it is known' as reason from token
    where token_id is null and kind in ('service', 'worker', 'agent')
    union all
    select *, 'used by another identity' from token where registered_to <> identity
    union all
    select *, 'used after it was revoked' from token where logged and last >= revoked_at
    union all
    select *, 'used before it was issued' from token where logged and first < issued_at
    union all
    select *, 'older than its cadence' from token where age_days > cadence_days
    union all
    select *, 'used beside its successor' from token where overlap_days > $overlap_days
)
select
    identity,
    kind,
    owner,
    token_id,
    reason,
    age_days,
    cadence_days,
    overlap_days,
    issued_at,
    revoked_at,
    registered_to,
    requests,
    first as first_seen,
    last as last_seen
from judged
order by identity, token_id, reason
