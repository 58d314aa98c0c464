/*
id = "formats"
title = "Log formats in use"
question = "In which formats did each host log in the period, and since when?"
kind = "table"
section = "S1"
population = "select count(*) from access where time >= $start and time < $end"
unit = "lines of the period"
limits = """
A format says which facts a line can hold: one without %u names nobody, one without a begin says only when a request ended.
`since` is the time of the host's first stored line in that format: what was logged before the first log that was read is not known.
What lighttpd's configuration says beside the format is in no log (`lpaudit doctor` reads it)."""
*/
with used as (
    select
        host,
        log_format,
        cast(sum(case when first_time >= $start then requests else 0 end) as bigint) as lines,
        count(distinct source_id) as sources,
        min(first_time) as since,
        max(last_time) as last
    from access_tally
    where last_time < $end
    group by host, log_format
)
select
    used.host,
    used.log_format,
    lines,
    sources,
    since,
    last,
    escaping,
    timezone,
    format_string
from used
left join log_format on log_format.log_format = used.log_format
where lines > 0
order by used.host, since, used.log_format
