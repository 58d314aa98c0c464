/*
id = "privileged-hours"
title = "When privileged requests were made"
question = "At which hours of which weekdays were privileged requests made?"
kind = "table"
section = "S6"
population = "select count(*) from access where time >= $start and time < $end"
unit = "lines of the period"
limits = """
Hours and weekdays are UTC: whether they are somebody's working hours, only that person's time zone tells. Hours without any are no rows.
Counted is what the section on privileged and destructive requests lists, whatever it was answered; `succeeded` is a status below 400."""
*/
select
    isodow(time) as weekday,
    hour(time) as hour,
    count(*) as requests,
    count(*) filter (where status < 400) as succeeded,
    count(distinct "user") as identities
from access
where time >= $start and time < $end and (
    privileged
    or (route is null and (method = 'DELETE' or (api_path is not null and coalesce(method, '') not in ('GET', 'HEAD', 'OPTIONS'))))
)
group by 1, 2
order by 1, 2
