/*
id = "silent-hosts"
title = "Silent stretches"
question = "When did a host's log hold no line for longer than $silent_minutes minutes?"
kind = "control"
section = "S3"
severity = "high"
tags = ["D21", "T1562.006", "T1070.002"]
key = ["host", "from"]
population = "select count(distinct host) from access_tally where first_time >= $start - to_days($lead_days) and last_time < $end"
unit = "hosts"
limits = """
Silence is the time from one line to the next one: lines are written when a request ends, so a night with one open websocket is silent too. Shorter stretches than a minute are not looked for.
A log without requests and a log that is not written look the same. A probe that asks for /api/health each minute makes the difference visible; set `silent_minutes` to some minutes then.
A stretch without an end is one after which no line of the host is stored. Its cause is what the store knows of that time, which may be a coincidence."""
[parameters.silent_minutes]
default = 60
why = "workers poll every 15 seconds, so an hour without a line is unusual wherever a worker runs"
[parameters.lead_days]
default = 7
why = "as long before and after the period the neighbouring line is looked for; a host that is silent longer is gone"
*/
with piece as (
    select host, min(coalesce(time_end, time)) as first, max(coalesce(time_end, time)) as last
    from access
    where time >= $start and time < $end
    group by host, floor(extract(epoch from coalesce(time_end, time)) / 60)
    union all
    select host, max(coalesce(time_end, time)), max(coalesce(time_end, time))
    from access
    where time >= $start - to_days($lead_days) and time < $start
    group by host
    union all
    select host, min(coalesce(time_end, time)), min(coalesce(time_end, time))
    from access
    where time >= $end and time < $end + to_days($lead_days)
    group by host
),
stretch as (
    select host, last as "from", lead(first) over (partition by host order by first, last) as "to"
    from piece
),
silent as (
    select host, "from", "to"
    from stretch
    where "from" < $end
        and ("to" is null or "to" > $start)
        and coalesce("to", $end) - "from" > to_minutes($silent_minutes)
)
select
    host,
    "from",
    "to",
    round(extract(epoch from coalesce("to", $end) - "from") / 60.0, 1) as minutes,
    "to" is null as until_now,
    case
        when exists (
            select 1 from gone_segment as gone
            where gone.host_name = silent.host and gone.table_name = 'access_event'
                and gone.first_time < coalesce(silent."to", $end) and gone.last_time > silent."from"
        ) then 'its lines were purged'
        when exists (
            select 1 from coverage_gap as gap
            where gap.host_name = silent.host
                and (gap."from" is null or gap."from" < coalesce(silent."to", $end))
                and (gap."to" is null or gap."to" > silent."from")
        ) then 'a part of the log is missing'
        when exists (
            select 1 from server_event as told
            where told.host_name = silent.host and told.event = 'clock-jumped'
                and told.time between silent."from" and coalesce(silent."to", $end)
        ) then 'the clock of the host jumped'
        when exists (
            select 1 from server_event as told
            where told.host_name = silent.host and told.event in ('server-started', 'server-stopping', 'server-stopped')
                and told.time between silent."from" and coalesce(silent."to", $end)
        ) then 'lighttpd was stopped or started'
        when exists (
            select 1 from server_event as told
            where told.host_name = silent.host and told.event = 'logs-failed'
                and told.time between silent."from" and coalesce(silent."to", $end)
        ) then 'lighttpd could not write a log'
        else 'not known: no requests, or they were not logged'
    end as cause
from silent
order by host, "from", "to" nulls last
