/*
id = "out-of-order-lines"
title = "Clocks that went backwards"
question = "Where does a log go back in time by more than $seconds seconds?"
kind = "control"
section = "S19"
severity = "medium"
tags = ["D22", "T1070.006"]
key = ["source_id", "from_line"]
population = "select count(distinct (source_id, floor(line_number / $block))) from access where time >= $start and time < $end and time_end is not null"
unit = "blocks of lines"
limits = """
lighttpd writes a line when its request ends, so the times of ends rise within a log. Looked at are blocks of $block lines: the earliest end of a block against the latest of all blocks before it; a step back within one block that makes up less time than the block took is not seen.
Only logs whose format has the time of the end can be looked at. A clock that goes forward leaves a silent stretch.
Several workers of lighttpd (server.max-worker) write into one log, each when its buffer is full: a few seconds are ordinary there."""
[parameters.seconds]
default = 10
why = "lighttpd writes its buffers every four seconds"
[parameters.block]
default = 1000
why = "blocks of this size are few even in a month of a busy log"
*/
with block as (
    select
        source_id,
        floor(line_number / $block) as number,
        min(source) as source,
        min(host) as host,
        min(time_end) as earliest,
        max(time_end) as latest,
        min(line_number) as from_line,
        max(line_number) as to_line
    from access
    where time >= $start and time < $end and time_end is not null
    group by source_id, floor(line_number / $block)
),
compared as (
    select *, max(latest) over (partition by source_id order by number rows between unbounded preceding and 1 preceding) as before
    from block
)
select
    host,
    source,
    source_id,
    from_line,
    to_line,
    before as latest_before,
    earliest,
    round(extract(epoch from before - earliest), 1) as seconds_back
from compared
where before - earliest > to_seconds($seconds)
order by host, source, source_id, from_line
