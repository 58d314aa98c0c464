/*
id = "bulk-downloads"
title = "Unusually much that was read"
question = "Who was sent more than $times times as much in a day as on nearly all days before, and more than $megabytes MB?"
kind = "control"
section = "S17"
severity = "high"
tags = ["D20", "T1567", "T1530", "T1119"]
key = ["identity", "day"]
population = "select count(*) from access where time >= $start and time < $end"
unit = "lines of the period"
limits = """
Compared is with the 95th percentile of the identity's days in the $days days before, as far as the store reaches; somebody with fewer than $least days there is compared with the megabytes alone.
Bytes are those of the answers' bodies, compressed if the client asked for that. What was in them, and what was read past lighttpd, is not known. Days are those of UTC."""
[parameters.times]
default = 5.0
why = "work varies by two or three times from day to day"
[parameters.megabytes]
default = 500
why = "less is not worth a look, however unusual"
[parameters.days]
default = 30
why = "a month, with its end"
[parameters.least]
default = 5
why = "of fewer days nobody can tell what is usual"
*/
with daily as (
    select
        coalesce("user", '(unauthenticated)') as identity,
        floor(extract(epoch from first_time) / 86400) as number,
        sum(bytes)::bigint as bytes,
        sum(requests)::bigint as requests
    from access_tally
    where first_time >= $start - to_days($days) and last_time < $end
    group by coalesce("user", '(unauthenticated)'), floor(extract(epoch from first_time) / 86400)
),
compared as (
    select
        *,
        quantile_disc(bytes, 0.95) over before as usual,
        count(*) over before as days_before
    from daily
    window before as (partition by identity order by number range between $days preceding and 1 preceding)
)
select
    identity,
    to_timestamp(number * 86400) as day,
    requests,
    round(bytes / 1000000.0, 1) as megabytes,
    case when days_before >= $least then round(usual / 1000000.0, 1) end as usual_megabytes,
    days_before
from compared
where bytes > $megabytes * 1000000
    and (days_before < $least or bytes > usual * $times)
    and to_timestamp((number + 1) * 86400) > $start
order by day, identity
