/*
id = "out-of-hours-privileged"
title = "Privileged use out of hours"
question = "Which privileged requests did people make at night, at weekends or on holidays?"
kind = "control"
section = "S6"
severity = "medium"
key = ["line_id"]
population = """
select count(*) from access_identity
where time >= $start and time < $end and privileged and status < 400 and login is not null
    and coalesce(kind, 'human') = 'human'"""
unit = "privileged requests of people that succeeded"
limits = """
Hours are those of one time zone, summer time included; people in other places, and those on call, have other ones.
A login that no directory has counts as a person. Services, workers and AI agents have no hours.
Working days are numbered from 1 for Monday to 7 for Sunday; holidays are dates of that time zone."""
[needs]
identity_latest = "nobody has said who is behind the logins (`lpaudit identities import`)"
[parameters.time_zone]
default = "UTC"
why = "the times of the log; write the zone of the team, as in Europe/Berlin"
[parameters.opens]
default = 7
why = "hour of the day, early enough for those who begin early; 7.5 is half past seven"
[parameters.closes]
default = 20
why = "hour of the day, late enough for those who stay late; this moment itself is out of hours"
[parameters.working_days]
default = [1, 2, 3, 4, 5]
why = "Monday to Friday"
[parameters.holidays]
default = []
why = "every country has others; write dates, as in 2026-12-25"
*/
with request as (
    select
        *,
        time at time zone $time_zone as local_time,
        cast(time at time zone $time_zone as date) as local_date
    from access_identity
    where time >= $start and time < $end and privileged and status < 400 and login is not null
        and coalesce(kind, 'human') = 'human'
), judged as (
    select
        *,
        case
            when list_contains(cast($holidays as date[]), local_date) then 'holiday'
            -- 1 January 1900 was a Monday. Databases do not agree on how they number weekdays.
            when not list_contains(cast($working_days as bigint[]), date_diff('day', date '1900-01-01', local_date) % 7 + 1)
                then 'no working day'
            when extract(hour from local_time) + extract(minute from local_time) / 60.0 < $opens then 'hour'
            when extract(hour from local_time) + extract(minute from local_time) / 60.0 >= $closes then 'hour'
        end as reason
    from request
)
select
    time,
    local_time,
    reason,
    identity,
    kind,
    "groups",
    action,
    resource_type,
    resource_id,
    method,
    route,
    client,
    status,
    line_id
from judged
where reason is not null
order by time, line_id
