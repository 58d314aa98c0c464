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
        source_id,
        arg_max(source, byte_offset) as source,
        arg_max(host_name, byte_offset) as host,
        count(*) as lines,
        0 as purged,
        sum(byte_length)::bigint as bytes,
        max(byte_offset + byte_length) as last_byte
    from access_event
    group by source_id
    union all
    select source_id, source, host_name, lines, lines, end_offset - start_offset, end_offset
    from gone_segment
    where table_name = 'access_event'
),
line as (
    select
        source_id,
        arg_max(source, last_byte) as source,
        arg_max(host, last_byte) as host,
        sum(lines)::bigint as lines,
        sum(purged)::bigint as purged,
        sum(bytes)::bigint as bytes,
        max(last_byte) - sum(bytes)::bigint as missing_bytes
    from piece
    group by source_id
),
good as (
    select
        source_id,
        count(*) as access,
        count(*) filter (where time >= $start and time < $end) as in_period,
        count(*) filter (where time is null) as without_time,
        min(time) as first_time,
        max(coalesce(time_end, time)) as last_time
    from access
    group by source_id
),
bad as (
    select source_id, count(*) as quarantine
    from quarantine
    group by source_id
)
select
    source,
    line.source_id,
    host,
    lines,
    coalesce(access, 0) as access,
    coalesce(quarantine, 0) as quarantine,
    purged,
    lines - coalesce(access, 0) - coalesce(quarantine, 0) - purged as difference,
    bytes,
    missing_bytes,
    coalesce(in_period, 0) as in_period,
    coalesce(without_time, 0) as without_time,
    first_time,
    last_time
from line
left join good on good.source_id = line.source_id
left join bad on bad.source_id = line.source_id
order by source, line.source_id
