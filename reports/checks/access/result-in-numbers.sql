/*
id = "result-in-numbers"
title = "Result in numbers"
question = "How much is there, and how much of it belongs to the period?"
kind = "table"
population = "select count(*) from access_event"
unit = "stored lines"
limits = "Rejected lines have no time that could be trusted, so they belong to no period: they are counted over the whole store. The same is true of lines of a format that logs no time."
*/
with period as (
    select * from access where time >= $start and time < $end
),
hour as (
    select h as hour
    from generate_series(date_trunc('hour', $start), $end - interval 1 microsecond, interval 1 hour) as t(h)
),
figures(position, figure, value, meaning) as (
    values
    (1, 'sources', (select count(distinct source_id) from access_event), 'logs that were read'),
    (2, 'lines', (select count(*) from access_event), 'lines in the store, good and rejected'),
    (3, 'access', (select count(*) from access), 'lines that could be read'),
    (4, 'quarantine', (select count(*) from quarantine), 'lines that could not be read'),
    (5, 'without_time', (select count(*) from access where time is null), 'read, but their format logs no time'),
    (6, 'in_period', (select count(*) from period), 'read, with a time in the period'),
    (7, 'identities', (select count(distinct "user") from period), 'users that lighttpd authenticated in the period'),
    (8, 'unauthenticated', (select count(*) from period where "user" is null), 'lines in the period without a user'),
    (9, 'denied', (select count(*) from period where status in (401, 403, 407, 429)), 'answered 401, 403, 407 or 429 in the period'),
    (10, 'hours', (select count(*) from hour), 'hours of the period, begun ones included'),
    (11, 'silent_hours', (select count(*) from hour where hour not in (select date_trunc('hour', time) from period)), 'hours of the period without any line'),
    (12, 'api', (select count(*) from period where api_path is not null), 'requests of Prefect''s API in the period'),
    (13, 'unmatched', (select count(*) from period where api_path is not null and route is null), 'of them, those that fit no route of the catalogue'),
    (14, 'catalogue', (select max(catalogue) from route), 'version of the route catalogue')
)
select figure, value, meaning
from figures
order by position
