/*
id = "versions"
title = "Versions"
question = "Which versions of what took part?"
kind = "table"
section = "S1"
population = "select (select count(*) from access where time >= $start and time < $end) + (select count(*) from snapshot where fetched_at >= $start and fetched_at < $end)"
unit = "lines, and readings of records, of the period"
limits = """
The version of a client is what it claims in its User-Agent. That of Prefect's server is what the server answered to `lpaudit sync`; of lighttpd, what it wrote into its error log when it was started, if that log is read.
Which operating system, or which version of a flow's code, took part is in none of these records."""
*/
with told(what, version, from_where, times, first, last) as (
    select 'lighttpd', regexp_extract(message, 'lighttpd/([0-9][0-9.]*)', 1), 'its error log', 1, time, time
    from server_event
    where event = 'server-started' and time >= $start and time < $end
    union all
    select 'Prefect server', server_version, 'its answer to a sync', 1, fetched_at, fetched_at
    from snapshot
    where fetched_at >= $start and fetched_at < $end
    union all
    select 'lpaudit', lpaudit_version, 'the sync that it made', 1, fetched_at, fetched_at
    from snapshot
    where fetched_at >= $start and fetched_at < $end
    union all
    select 'Prefect client', regexp_extract(user_agent, '^prefect/([0-9][0-9A-Za-z.+-]{0,30})', 1), 'the User-Agent that clients claim', requests, first_time, last_time
    from access_tally
    where first_time >= $start and last_time < $end and user_agent like 'prefect/%'
)
select what, version, from_where, cast(sum(times) as bigint) as times, min(first) as first, max(last) as last
from told
where version <> ''
group by what, version, from_where
order by what, version
