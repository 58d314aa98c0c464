/*
id = "unreconciled-sources"
title = "Sources that do not add up"
question = "Of which source is a line or a byte not accounted for, or counted twice?"
kind = "control"
section = "S2"
severity = "critical"
key = ["source_id"]
population = "select count(distinct source_id) from segment where kind = 'access'"
unit = "sources"
limits = "Looks at the whole store, not only at the period; lines that were purged count as their certificates say. It compares the store with itself; the section on segments says how to compare it with the files."
*/
with piece as (
    select source_id, source, lines, access + quarantine as known, last_line as last_line_number, bytes, end_offset as last_byte
    from segment
    where kind = 'access'
    union all
    select source_id, source, lines, lines, line_number, end_offset - start_offset, end_offset
    from gone_segment
    where table_name = 'access_event'
),
line as (
    select
        source_id,
        arg_max(source, last_byte) as source,
        sum(lines)::bigint as lines,
        sum(known)::bigint as known,
        max(last_line_number) as last_line_number,
        sum(bytes)::bigint as bytes,
        max(last_byte) as last_byte
    from piece
    group by source_id
)
select
    source,
    source_id,
    lines,
    known as access_and_quarantine,
    last_line_number,
    bytes,
    last_byte
from line
where lines <> known or lines <> last_line_number or bytes <> last_byte
order by source, source_id
