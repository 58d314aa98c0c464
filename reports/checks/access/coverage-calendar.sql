/*
id = "coverage-calendar"
title = "Coverage calendar: each day of each host"
question = "On which days are there lines of which host, and in how many hours of the day?"
kind = "table"
section = "S3"
population = "select count(*) from access where time >= $start and time < $end"
unit = "lines of the period"
limits = """
`hours with lines` of `hours`: the first and the last day of the period may have fewer than 24. An hour without lines may be one in which nobody asked: the log alone cannot tell.
A day without any line is a row, too. `known gaps` counts gaps, closed ones included, that overlap the day; a gap that nobody saw is not among them.
A host is listed if the store holds a line or a gap of it, whenever that was.
A day whose lines were purged has none, and is not told from a quiet one here: the section on what is not known of the period names it."""
*/
with day as (
    select d as day, greatest(d, $start) as first_instant, least(d + interval 1 day, $end) as last_instant
    from generate_series(date_trunc('day', $start), $end - interval 1 microsecond, interval 1 day) as t(d)
),
host as (
    select distinct host from segment where kind = 'access'
    union
    select distinct host_name from coverage_gap
),
hour as (
    select host, floor(extract(epoch from first_time) / 3600) as hour, sum(requests) as lines
    from access_tally
    where first_time >= $start and last_time < $end
    group by host, floor(extract(epoch from first_time) / 3600)
),
line as (
    select host, to_timestamp(floor(hour / 24) * 86400) as day, sum(lines)::bigint as lines, count(*) as hours_with_lines
    from hour
    group by host, floor(hour / 24)
),
gap as (
    select host_name as host, day.day, count(*) as gaps
    from coverage_gap
    join day on ("from" is null or "from" < last_instant) and ("to" is null or "to" >= first_instant)
    group by all
)
select
    day.day::date as day,
    host.host,
    coalesce(lines, 0) as lines,
    coalesce(hours_with_lines, 0) as hours_with_lines,
    date_diff('hour', first_instant, last_instant - interval 1 microsecond) + 1 as hours,
    coalesce(gaps, 0) as known_gaps
from day
cross join host
left join line on line.host = host.host and line.day = day.day
left join gap on gap.host = host.host and gap.day = day.day
order by host.host, day.day
