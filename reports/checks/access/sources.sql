/*
id = "sources"
title = "Sources, and whether every line is accounted for"
question = "What was read from each log, and is every line either in access or in quarantine?"
kind = "table"
section = "S2"
population = "select count(*) from access_event"
unit = "stored lines"
limits = """
`difference` is lines − access − quarantine − purged, and `missing bytes` is the last byte's offset − the sum of all lines' bytes: both must be 0.
`purged` lines were read and stored, and are no longer there: their number and bytes are those of their certificates.
They show that nothing was lost between the file and the store. They cannot show what lighttpd never wrote, nor what was cut from a file before it was read.
`first time` and `last time` are of all lines of the source, not only of the period; rejected lines have no time."""
*/
with piece as (
    select
        source_id, source, host, lines, access, quarantine, without_time, 0 as purged, bytes, end_offset as last_byte,
        first_time, last_time
    from segment
    where kind = 'access'
    union all
    select source_id, source, host_name, lines, 0, 0, 0, lines, end_offset - start_offset, end_offset, null, null
    from gone_segment
    where table_name = 'access_event'
),
line as (
    select
        source_id,
        arg_max(source, last_byte) as source,
        arg_max(host, last_byte) as host,
        sum(lines)::bigint as lines,
        sum(access)::bigint as access,
        sum(quarantine)::bigint as quarantine,
        sum(without_time)::bigint as without_time,
        sum(purged)::bigint as purged,
        sum(bytes)::bigint as bytes,
        max(last_byte) - sum(bytes)::bigint as missing_bytes,
        min(first_time) as first_time,
        max(last_time) as last_time
    from piece
    group by source_id
),
period as (
    select source_id, count(*) as lines
    from access
    where time >= $start and time < $end
    group by source_id
)
select
    source,
    line.source_id,
    host,
    line.lines,
    access,
    quarantine,
    purged,
    line.lines - access - quarantine - purged as difference,
    bytes,
    missing_bytes,
    coalesce(period.lines, 0) as in_period,
    without_time,
    first_time,
    last_time
from line
left join period on period.source_id = line.source_id
order by source, line.source_id
