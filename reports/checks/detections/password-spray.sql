/*
id = "password-spray"
title = "One password tried with many names"
question = "From which address were $users names or more tried in vain within $minutes minutes?"
kind = "control"
section = "S17"
severity = "high"
tags = ["D2", "T1110.003"]
key = ["client", "first"]
population = "select count(*) from failed_login where time >= $start and time < $end"
unit = "failed logins in lighttpd's error log"
limits = """
The names are from lighttpd's error log: without it nobody can tell spraying from guessing. A window slides: it is any $minutes minutes, also those of which a part was before the period; of tries that are in none which is full, nothing is said.
An address may be that of a forwarder, and an attacker may have many addresses: then each tries few names, and nothing is seen here."""
[needs]
server_event = "lighttpd's error log is not in the store (`lpaudit ingest` reads it)"
[parameters.users]
default = 8
why = "people behind one forwarder rarely mistype eight different names within minutes"
[parameters.minutes]
default = 10
why = "a spray is quick, or it takes months"
*/
with tried as (
    select client, "user", time,
        lag(time) over (partition by client, "user" order by time) as earlier,
        lead(time) over (partition by client, "user" order by time) as later
    from failed_login
    where time >= $start - to_minutes($minutes) and time < $end and client is not null and "user" is not null
),
edge as (
    -- A name counts from a try of it until a window later: once, however often it is tried meanwhile.
    select client, "user", time, true as is_try,
        case when earlier is null or time - earlier > to_minutes($minutes) then 1 else 0 end as more
    from tried
    union all
    select client, "user", time + to_minutes($minutes), false, -1
    from tried
    where later is null or later - time > to_minutes($minutes)
),
counted as (
    select *, sum(more) over (partition by client order by time, more desc rows between unbounded preceding and current row) as names
    from edge
),
reached as (
    -- Of a window that is full all are part: those that have one, which ends in the period, at most a window later.
    select *,
        min(case when is_try and names >= $users and time >= $start then time end)
            over (partition by client order by time range between current row and unbounded following) as full_at
    from counted
),
name as (
    select client, "user", min(time) as first, max(time) as last, count(*) as attempts
    from reached
    where is_try and full_at - time <= to_minutes($minutes)
    group by client, "user"
)
select
    client,
    min(first) as first,
    max(last) as last,
    count(*) as users,
    sum(attempts)::bigint as attempts,
    max(attempts) as most_of_one_user
from name
group by client
having max(last) >= $start
order by first, client
