/*
id = "result-in-numbers"
title = "Result in numbers"
question = "How much is there, and how much of it belongs to the period?"
kind = "table"
population = "select count(*) from access_event"
unit = "stored lines"
limits = "Rejected lines have no time that could be trusted, so they belong to no period: they are counted over the whole store. The same is true of lines of a format that logs no time."
*/
with stored as (
    select
        count(distinct source_id) as sources,
        coalesce(sum(lines), 0)::bigint as lines,
        coalesce(sum(access), 0)::bigint as access,
        coalesce(sum(quarantine), 0)::bigint as quarantine,
        coalesce(sum(without_time), 0)::bigint as without_time
    from segment
    where kind = 'access'
),
gone as (
    select coalesce(sum(lines), 0)::bigint as lines from gone_segment where table_name = 'access_event'
),
period as (
    select
        coalesce(sum(requests), 0)::bigint as lines,
        count(distinct "user") as identities,
        coalesce(sum(case when "user" is null then requests end), 0)::bigint as unauthenticated,
        coalesce(sum(case when status in (401, 403, 407, 429) then requests end), 0)::bigint as denied,
        coalesce(sum(case when route is not null or api_path is not null then requests end), 0)::bigint as api,
        coalesce(sum(case when api_path is not null and route is null then requests end), 0)::bigint as unmatched,
        count(distinct floor(extract(epoch from first_time) / 3600)) as hours_with_lines
    from access_tally
    where first_time >= $start and last_time < $end
),
hour as (
    select count(*) as hours
    from generate_series(date_trunc('hour', $start), $end - interval 1 microsecond, interval 1 hour) as t(h)
),
catalogue as (
    select max(catalogue) as version from route
),
figures(position, figure, value, meaning) as (
    select 1, 'sources', sources, 'logs that were read' from stored
    union all
    select 2, 'lines', lines, 'lines in the store, good and rejected' from stored
    union all
    select 3, 'access', access, 'lines that could be read' from stored
    union all
    select 4, 'quarantine', quarantine, 'lines that could not be read' from stored
    union all
    select 5, 'without_time', without_time, 'read, but their format logs no time' from stored
    union all
    select 6, 'in_period', lines, 'read, with a time in the period' from period
    union all
    select 7, 'identities', identities, 'users that lighttpd authenticated in the period' from period
    union all
    select 8, 'unauthenticated', unauthenticated, 'lines in the period without a user' from period
    union all
    select 9, 'denied', denied, 'answered 401, 403, 407 or 429 in the period' from period
    union all
    select 10, 'hours', hours, 'hours of the period, begun ones included' from hour
    union all
    select 11, 'silent_hours', hours - hours_with_lines, 'hours of the period without any line' from hour, period
    union all
    select 12, 'api', api, 'requests of Prefect''s API in the period' from period
    union all
    select 13, 'unmatched', unmatched, 'of them, those that fit no route of the catalogue' from period
    union all
    select 14, 'catalogue', version, 'version of the route catalogue' from catalogue
    union all
    select 15, 'purged', lines, 'lines that were read and purged since' from gone
)
select figure, value, meaning
from figures
order by position
