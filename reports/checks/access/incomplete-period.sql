/*
id = "incomplete-period"
title = "What is not known of the period"
question = "Is there a part of the period of which the store cannot know everything?"
kind = "control"
section = "S3"
severity = "high"
key = ["concerns", "host", "reason"]
population = "select count(*) from (select distinct host from segment where kind = 'access' union select distinct host_name from coverage_gap)"
unit = "hosts"
limits = """
A host's log is known from its first line to its last. A night without requests has no line either: then this check says `incomplete` until a later line shows that the log was read on, and that is right, as nobody can tell a quiet log from one that is not read. A probe that asks for `/api/health` each minute makes the difference visible.
A host whose first line is of the period is named, too: that it went into service only then is for somebody to confirm.
A host whose last line is older than $silent_days days at the period's start is taken for one that is no longer there.
Lines that were purged are not known any more (`lpaudit retain`): which these were, their certificate says.
Prefect's records are known up to the last reading of flow runs that was whole (`lpaudit sync`), its events from the first one on. Where more than $event_days days were between two readings, Prefect had forgotten some."""
[parameters.silent_days]
default = 7
why = "longer than any weekend with holidays around it; shorter than a quarter, so that an old host does not make every report incomplete"
[parameters.event_days]
default = 7
why = "for so long Prefect keeps events, unless PREFECT_EVENTS_RETENTION_PERIOD says otherwise"
*/
with host as (
    select host, min(first_time) as first_line, max(last_time) as last_line
    from segment
    where kind = 'access' and first_time is not null
    group by host
),
expected as (
    select * from host where last_line >= $start - to_days($silent_days)
),
snapshot_end as (
    select max(coalesce(window_end, fetched_at)) as last_read
    from snapshot
    where complete and table_name = 'flow_run'
),
event_reading as (
    select fetched_at, lag(fetched_at) over (order by fetched_at) as before
    from snapshot
    where complete and table_name = 'event'
),
found(concerns, host, reason) as (
    select 'access', null, coalesce(
        'the last line of any log is of ' || strftime(last_line, '%Y-%m-%d %H:%M:%S') || ' UTC',
        'no log was read of which a line has a time')
    from (select max(last_line) as last_line from host) as latest
    where (select count(*) from expected) = 0
    union all
    select 'access', null, 'the first line of any log is of ' || strftime(first_line, '%Y-%m-%d %H:%M:%S') || ' UTC'
    from (select min(first_line) as first_line from expected) as earliest
    where first_line > $start
    union all
    select 'access', host, 'the first line of a host is of ' || strftime(first_line, '%Y-%m-%d %H:%M:%S') || ' UTC'
    from expected
    where first_line > $start and first_line > (select min(first_line) from expected)
    union all
    select 'access', host, 'the last line of a host is of ' || strftime(last_line, '%Y-%m-%d %H:%M:%S') || ' UTC'
    from expected
    where last_line < $end
    union all
    select 'access', host_name, 'a part of a log is missing (' || cause || ', found ' || strftime(detected_at, '%Y-%m-%d %H:%M:%S') || ' UTC)'
    from open_gap
    where ("from" is null or "from" < $end) and ("to" is null or "to" >= $start)
    union all
    select case table_name when 'access_event' then 'access' else table_name end, host_name,
        sum(lines) || ' lines of ' || strftime(min(first_time), '%Y-%m-%d %H:%M:%S') || ' to '
            || strftime(max(last_time), '%Y-%m-%d %H:%M:%S') || ' UTC were purged (certificate ' || purge_id || ', '
            || strftime(min(purged_at), '%Y-%m-%d %H:%M:%S') || ' UTC)'
    from purged_segment
    where first_time < $end and last_time >= $start
    group by table_name, host_name, purge_id
    union all
    select 'flow_run', null, 'the last whole reading of Prefect''s flow runs is of ' || strftime(last_read, '%Y-%m-%d %H:%M:%S') || ' UTC'
    from snapshot_end
    where last_read < $end
    union all
    select 'event', null, 'the first event of Prefect''s that is known is of ' || strftime(first_event, '%Y-%m-%d %H:%M:%S') || ' UTC'
    from (select min(occurred) as first_event from event_latest) as known
    where first_event > $start
    union all
    select 'event', null, 'Prefect''s events were not read between ' || strftime(before, '%Y-%m-%d %H:%M:%S')
            || ' and ' || strftime(fetched_at, '%Y-%m-%d %H:%M:%S') || ' UTC'
    from event_reading
    where fetched_at > before + to_days($event_days) and before < $end and fetched_at - to_days($event_days) > $start
)
select distinct concerns, host, reason
from found
order by concerns, host nulls first, reason
