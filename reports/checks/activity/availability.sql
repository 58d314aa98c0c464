/*
id = "availability"
title = "Availability by day"
question = "On each day, how many requests were answered, refused for being too many, or failed, and how fast?"
kind = "table"
section = "S16"
population = "select count(*) from access where time >= $start and time < $end"
unit = "lines of the period"
limits = """
Counted is what reached lighttpd: when it was down, nothing was counted, and the section on silent stretches says more.
Durations are known if the format logs them; websockets, which last as long as they please, are left out of them (status 101). Days are those of UTC.
A trigger is a request to run a deployment; how many runs came of them is counted by when Prefect created them, whoever asked. A day of which there is neither a line nor a run has no row."""
*/
with line as (
    select
        floor(extract(epoch from first_time) / 86400) as day,
        cast(sum(requests) as bigint) as requests,
        cast(sum(case when status >= 500 then requests else 0 end) as bigint) as failed,
        cast(sum(case when status = 503 then requests else 0 end) as bigint) as busy,
        cast(sum(case when status = 429 then requests else 0 end) as bigint) as throttled,
        cast(sum(case when action = 'execute' and resource_type = 'deployment' then requests else 0 end) as bigint) as triggers,
        cast(sum(case when action = 'execute' and resource_type = 'deployment' and status >= 400 then requests else 0 end) as bigint) as triggers_refused
    from access_tally
    where first_time >= $start and last_time < $end
    group by floor(extract(epoch from first_time) / 86400)
),
long as (
    select floor(extract(epoch from time) / 86400) as day, quantile_disc(duration_us, 0.95) as most
    from access
    where time >= $start and time < $end and status <> 101
    group by floor(extract(epoch from time) / 86400)
),
created as (
    select floor(extract(epoch from created) / 86400) as day, count(*) as runs
    from flow_run_latest
    where created >= $start and created < $end
    group by floor(extract(epoch from created) / 86400)
)
select
    cast(to_timestamp(coalesce(line.day, created.day) * 86400) as timestamp with time zone) as day,
    coalesce(requests, 0) as requests,
    coalesce(failed, 0) as failed,
    coalesce(busy, 0) as busy,
    coalesce(throttled, 0) as throttled,
    coalesce(triggers, 0) as triggers,
    coalesce(triggers_refused, 0) as triggers_refused,
    runs as runs_created,
    round(most / 1000.0, 1) as p95_ms
from line
full join created on created.day = line.day
left join long on long.day = line.day
order by day
