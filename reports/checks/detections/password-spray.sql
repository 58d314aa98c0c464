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
The names are from lighttpd's error log: without it nobody can tell spraying from guessing. A name counts at its first try from that address in the period.
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
    select client, "user", min(time) as time, count(*) as attempts
    from failed_login
    where time >= $start and time < $end and client is not null and "user" is not null
    group by client, "user"
),
counted as (
    select *, count(*) over (partition by client order by time range between to_minutes($minutes) preceding and current row) as before
    from tried
),
reached as (
    -- Of a window that is full all are part, also those in its middle.
    select *, max(before) over (partition by client order by time range between current row and to_minutes($minutes) following) as most
    from counted
)
select
    client,
    min(time) as first,
    max(time) as last,
    count(*) as users,
    sum(attempts)::bigint as attempts,
    max(attempts) as most_of_one_user
from reached
where most >= $users
group by client
order by first, client
