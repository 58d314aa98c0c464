/*
id = "brute-force"
title = "Guessing one password"
question = "Who was refused $attempts times or more within $minutes minutes under one name, or from one address where no name is known?"
kind = "control"
section = "S17"
severity = "medium"
tags = ["D1", "T1110.001"]
key = ["subject", "first"]
population = "select count(*) from access where time >= $start and time < $end"
unit = "lines of the period"
limits = """
A 401 bears no user: the name that was tried is known from lighttpd's error log, where it was read and only one request can be meant. The other refusals are counted by their address, which a forwarder may share among many.
Refusals that Prefect's own clients cause in everyday work, by opening websockets without credentials, are left out: an attacker may hide among them.
A window slides: it is any $minutes minutes, also those of which a part was before the period, and an episode ends when one has less than $attempts refusals."""
[parameters.attempts]
default = 10
why = "a forgotten password is tried three or four times, a script with an old one more often: it should be repaired"
[parameters.minutes]
default = 5
why = "slower guessing tries fewer than 3,000 passwords a day"
*/
with refused as (
    select
        failed.time,
        failed.client,
        case when login."user" is not null then 'user ' || login."user" else 'address ' || coalesce(failed.client, '(none)') end as subject
    from failed_request as failed
    left join failed_login as login on login.access_line_id = failed.line_id
    where failed.time >= $start - to_minutes($minutes) and failed.time < $end
        and failed.status in (401, 407) and not failed.noise
),
counted as (
    select
        *,
        count(*) over (partition by subject order by time range between to_minutes($minutes) preceding and current row) as before
    from refused
),
reached as (
    -- Of a window that is full all are part: those that have one, which ends at most a window later.
    select *,
        min(case when before >= $attempts then time end)
            over (partition by subject order by time range between current row and unbounded following) as full_at
    from counted
),
part as (
    select *, lag(time) over (partition by subject order by time) as earlier
    from reached
    where full_at - time <= to_minutes($minutes)
),
episode as (
    select *, count(case when earlier is null or time - earlier > to_minutes($minutes) then 1 end)
        over (partition by subject order by time, client rows between unbounded preceding and current row) as number
    from part
)
select
    subject,
    min(time) as first,
    max(time) as last,
    count(*) as attempts,
    max(before) as most_in_window,
    count(distinct client) as clients,
    min(client) as client
from episode
group by subject, number
having max(time) >= $start
order by first, subject
