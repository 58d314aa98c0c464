/*
id = "daily-outcomes"
title = "Requests a day, by how they were answered"
question = "How many requests of each day were answered, denied or failed?"
kind = "table"
section = "S16"
population = "select count(*) from access where time >= $start and time < $end"
unit = "lines of the period"
limits = """
`answered` is a status below 400, `denied` 401, 403, 407 or 429, `refused as wrong` any other below 500, `failed` one from 500. `without status` has none that could be read.
A websocket is one line, of the day on which it began, if the format of the log says when that was."""
*/
with day as (
    select d as day
    from generate_series(date_trunc('day', $start), $end - interval 1 microsecond, interval 1 day) as t(d)
),
line as (
    select
        to_timestamp(floor(extract(epoch from time) / 86400) * 86400) as day,
        count(*) filter (where status < 400) as answered,
        count(*) filter (where status in (401, 403, 407, 429)) as denied,
        count(*) filter (where status >= 400 and status < 500 and status not in (401, 403, 407, 429)) as wrong,
        count(*) filter (where status >= 500) as failed,
        count(*) filter (where status is null) as without_status
    from access
    where time >= $start and time < $end
    group by floor(extract(epoch from time) / 86400)
)
select
    day.day::date as day,
    coalesce(answered, 0) as answered,
    coalesce(denied, 0) as denied,
    coalesce(wrong, 0) as refused_as_wrong,
    coalesce(failed, 0) as failed,
    coalesce(without_status, 0) as without_status
from day
left join line on line.day = day.day
order by day.day
