/*
id = "hours"
title = "Coverage by hour"
question = "In which hours of the period are there lines, and in which are there none?"
kind = "table"
section = "S3"
population = "select count(*) from access where time >= $start and time < $end"
unit = "lines of the period"
limits = """
An hour without lines is an hour in which nobody asked, lighttpd did not run, or its log was not read: the log alone cannot tell which. The first and the last hour may be cut by the period.
Lines are counted by their time; rejected lines have none and belong to no hour."""
*/
with hour as (
    select h as hour
    from generate_series(date_trunc('hour', $start), $end - interval 1 microsecond, interval 1 hour) as t(h)
),
line as (
    select to_timestamp(floor(extract(epoch from first_time) / 3600) * 3600) as hour, sum(requests)::bigint as lines, count(distinct source_id) as sources
    from access_tally
    where first_time >= $start and last_time < $end
    group by floor(extract(epoch from first_time) / 3600)
)
select hour.hour, coalesce(lines, 0) as lines, coalesce(sources, 0) as sources
from hour
left join line on line.hour = hour.hour
order by hour.hour
