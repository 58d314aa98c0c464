/*
id = "daily-coverage"
title = "Coverage by day"
question = "For each day and host: are there lines, gaps, rejected lines, and a reading of Prefect's records?"
kind = "table"
section = "S3"
population = "select count(distinct (host, floor(extract(epoch from first_time) / 86400))) from access_tally where first_time >= $start and last_time < $end"
unit = "days of hosts that have lines"
limits = """
Days are those of UTC, 24 hours each, whatever clocks on walls do.
`rejected` counts lines by the day on which they were stored, as they have no time that can be trusted; `readings` are those of Prefect's flow runs that were whole, of all hosts.
A host is listed for every day of the period if it has a line or a gap on any of them.
A day whose lines were purged has none, and is not told from a quiet one here: the section on what is not known of the period names it."""
*/
with day as (
    select d as day
    from generate_series(date_trunc('day', $start), $end - interval 1 microsecond, interval 1 day) as t(d)
),
host as (
    select distinct host from access_tally where first_time >= $start and last_time < $end
    union
    select host_name from coverage_gap where ("from" is null or "from" < $end) and ("to" is null or "to" >= $start)
),
line as (
    select host, to_timestamp(floor(extract(epoch from first_time) / 86400) * 86400) as day, cast(sum(requests) as bigint) as lines,
        count(distinct floor(extract(epoch from first_time) / 3600)) as hours
    from access_tally
    where first_time >= $start and last_time < $end
    group by host, floor(extract(epoch from first_time) / 86400)
),
rejected as (
    select host, date_trunc('day', ingest_time) as day, count(*) as lines
    from quarantine
    where ingest_time >= $start and ingest_time < $end
    group by host, date_trunc('day', ingest_time)
),
reading as (
    select date_trunc('day', fetched_at) as day, count(*) as readings
    from snapshot
    where complete and table_name = 'flow_run' and fetched_at >= $start and fetched_at < $end
    group by date_trunc('day', fetched_at)
),
gap as (
    select host.host, day.day, count(*) as gaps
    from day
    cross join host
    join coverage_gap as gap on gap.host_name = host.host
        and (gap."from" is null or gap."from" < day.day + interval 1 day)
        and (gap."to" is null or gap."to" >= day.day)
    group by host.host, day.day
)
select
    day.day,
    host.host,
    coalesce(line.lines, 0) as lines,
    coalesce(line.hours, 0) as hours_with_lines,
    coalesce(gap.gaps, 0) as gaps,
    coalesce(rejected.lines, 0) as rejected,
    coalesce(reading.readings, 0) as readings
from day
cross join host
left join line on line.day = day.day and line.host = host.host
left join gap on gap.day = day.day and gap.host = host.host
left join rejected on rejected.day = day.day and rejected.host = host.host
left join reading on reading.day = day.day
order by day.day, host.host
