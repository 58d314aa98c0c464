/*
id = "unreconciled-sources"
title = "Sources that do not add up"
question = "Of which source is a line or a byte not accounted for, or counted twice?"
kind = "control"
section = "S2"
severity = "critical"
key = ["source_id"]
population = "select count(distinct source_id) from access_event"
unit = "sources"
limits = "Looks at the whole store, not only at the period; lines that were purged count as their certificates say. It compares the store with itself; the section on segments says how to compare it with the files."
*/
with piece as (
    select
        source_id,
        arg_max(source, byte_offset) as source,
        count(*) as lines,
        max(line_number) as last_line_number,
        sum(byte_length)::bigint as bytes,
        max(byte_offset + byte_length) as last_byte
    from access_event
    group by source_id
    union all
    select source_id, source, lines, line_number, end_offset - start_offset, end_offset
    from gone_segment
    where table_name = 'access_event'
),
line as (
    select
        source_id,
        arg_max(source, last_byte) as source,
        sum(lines)::bigint as lines,
        max(last_line_number) as last_line_number,
        sum(bytes)::bigint as bytes,
        max(last_byte) as last_byte
    from piece
    group by source_id
),
sorted as (
    select source_id, sum(lines)::bigint as lines from gone_segment where table_name = 'access_event' group by source_id
    union all
    select source_id, count(*) as lines from access group by source_id
    union all
    select source_id, count(*) as lines from quarantine group by source_id
),
known as (
    select source_id, sum(lines)::bigint as lines from sorted group by source_id
)
select
    source,
    line.source_id,
    line.lines,
    coalesce(known.lines, 0) as access_and_quarantine,
    last_line_number,
    bytes,
    last_byte
from line
left join known on known.source_id = line.source_id
where line.lines <> coalesce(known.lines, 0) or line.lines <> last_line_number or bytes <> last_byte
order by source, line.source_id
