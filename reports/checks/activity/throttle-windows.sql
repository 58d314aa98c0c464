/*
id = "throttle-windows"
title = "Times of throttling"
question = "When were more than $percent per cent of the requests of a minute refused with 429 or 503, and how many triggers were among them?"
kind = "control"
section = "S16"
severity = "medium"
tags = ["D26", "T1499"]
key = ["from"]
population = "select count(distinct floor(extract(epoch from time) / 60)) from access where time >= $start and time < $end"
unit = "minutes with requests"
limits = """
Minutes that follow each other are one window. A minute with less than $least requests is left out.
429 comes from a limit in front of Prefect, 503 from a server that is busy or cannot be reached; Prefect's client repeats such requests, so the share is also one of repetitions.
Which triggers were lost for good, the section on lost triggers says."""
[parameters.percent]
default = 5.0
why = "single refusals are repeated by Prefect's client within seconds; one in twenty is felt"
[parameters.least]
default = 20
why = "of a handful of requests one is already many per cent"
*/
with minute as (
    select
        floor(extract(epoch from time) / 60) as minute,
        count(*) as requests,
        count(*) filter (where status = 429) as throttled,
        count(*) filter (where status = 503) as busy,
        count(*) filter (where action = 'execute' and resource_type = 'deployment') as triggers,
        count(*) filter (where action = 'execute' and resource_type = 'deployment' and status in (429, 503)) as triggers_refused
    from access
    where time >= $start and time < $end
    group by floor(extract(epoch from time) / 60)
),
bad as (
    select *, minute - row_number() over (order by minute) as island
    from minute
    where requests >= $least and throttled + busy > requests * $percent / 100.0
)
select
    to_timestamp(min(minute) * 60) as "from",
    to_timestamp((max(minute) + 1) * 60) as "to",
    sum(requests)::bigint as requests,
    sum(throttled)::bigint as throttled,
    sum(busy)::bigint as busy,
    sum(triggers)::bigint as triggers,
    sum(triggers_refused)::bigint as triggers_refused
from bad
group by island
order by "from"
