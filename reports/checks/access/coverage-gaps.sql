/*
id = "coverage-gaps"
title = "Gaps: what is known to be missing"
question = "Which parts of which log are known to be missing in the period, and which of them are still open?"
kind = "control"
section = "S3"
severity = "high"
key = ["source_id", "from_offset", "cause"]
population = "select count(*) from (select source_id from segment where kind = 'access' union select source_id from coverage_gap)"
unit = "sources"
limits = """
A gap counts for the period if its time overlaps it; an end of it that is not known counts as overlapping. The time is that of the last line stored before the gap and that of its discovery, so it is rather too long than too short.
Gaps are found by `lpaudit ingest --follow`, which knows how far it has read a log. A gap that nobody saw is not in here: a log that was written and deleted while nothing followed it, or that was read only from time to time.
`open` is false when lines from the gap on were found and stored later, in a copy of the log for instance; whether those are all that was missing, only their bytes can tell.
`bytes` and `lines` are null where nobody knows them: that is not 0."""
*/
select
    gap.source,
    gap.source_id,
    gap.host_name as host,
    gap."from",
    gap."to",
    gap.bytes,
    gap.lines,
    gap.cause,
    gap.from_offset,
    gap.detected_at,
    open_gap.gap_id is not null as open
from coverage_gap as gap
left join open_gap on open_gap.gap_id = gap.gap_id
where (gap."from" is null or gap."from" < $end) and (gap."to" is null or gap."to" >= $start)
order by gap."from" nulls first, gap.source, gap.gap_id
