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
        to_timestamp(floor(extract(epoch from first_time) / 86400) * 86400) as day,
        sum(case when status < 400 then requests else 0 end)::bigint as answered,
        sum(case when status in (401, 403, 407, 429) then requests else 0 end)::bigint as denied,
        sum(case when status >= 400 and status < 500 and status not in (401, 403, 407, 429) then requests else 0 end)::bigint as wrong,
        sum(case when status >= 500 then requests else 0 end)::bigint as failed,
        sum(case when status is null then requests else 0 end)::bigint as without_status
    from access_tally
    where first_time >= $start and last_time < $end
    group by floor(extract(epoch from first_time) / 86400)
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
