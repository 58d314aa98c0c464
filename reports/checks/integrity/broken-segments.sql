/*
id = "broken-segments"
title = "Segments that do not join"
question = "Where do the segments of a source overlap, leave out bytes, or hold other lines than they say?"
kind = "control"
section = "S18"
severity = "critical"
tags = ["D38", "T1565.001"]
key = ["source_id", "start"]
population = "select count(distinct segment) from segment"
unit = "segments"
limits = """
Compared is the store with itself, the whole of it: each segment's name says from which byte to which it reaches, and its rows must fill exactly that, next to the segment before.
Of segments that were purged, their certificates say where they began and ended.
Whether the bytes in a segment's file still have the hash in its name, the rows do not show: the section on segments says how to recompute it. Somebody who can write the store could change rows and names together."""
*/
with piece as (
    select source_id, segment, source, start_offset as start, end_offset as stop, bytes, lines, last_line - first_line + 1 as numbers
    from segment
    union all
    select source_id, segment, source, start_offset, end_offset, end_offset - start_offset, lines, lines
    from gone_segment
),
joined as (
    select
        *,
        lag(stop) over (partition by source_id order by start, segment) as before,
        regexp_extract(segment, '/([0-9]+)-[0-9]+-[0-9a-f]+\.zst$', 1) as named_start,
        regexp_extract(segment, '/[0-9]+-([0-9]+)-[0-9a-f]+\.zst$', 1) as named_stop
    from piece
)
select
    source,
    source_id,
    start,
    stop,
    segment,
    lines,
    case
        when start <> coalesce(before, 0) then 'it begins at byte ' || start || ', and the one before it ended at ' || coalesce(before, 0)
        when stop - start <> bytes then 'its lines have ' || bytes || ' bytes, and it has ' || (stop - start)
        when numbers <> lines then 'it has ' || lines || ' lines, and their numbers are ' || numbers
        else 'its name says bytes ' || named_start || ' to ' || named_stop
    end as what
from joined
where start <> coalesce(before, 0) or stop - start <> bytes or numbers <> lines
    or try_cast(named_start as bigint) is distinct from start or try_cast(named_stop as bigint) is distinct from stop
order by source, source_id, start, segment
