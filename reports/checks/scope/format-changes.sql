/*
id = "format-changes"
title = "Changes of a log's format"
question = "When did a host begin to log in another format?"
kind = "control"
section = "S1"
severity = "medium"
tags = ["D37", "T1562.006"]
key = ["host", "time", "to_format"]
population = "select count(distinct (host, log_format, source_id)) from access_tally where last_time < $end"
unit = "pairs of a source and a format"
limits = """
Somebody changed accesslog.format and lighttpd was started again, or two programs write into one log. From then on lines hold other facts than before: sections that need them are not comparable across that time.
A host that writes several logs in different formats shows one such change for each.
A change to the rest of the configuration, such as who may do what, leaves no trace in an access log."""
*/
with stretch as (
    select host, source_id, max(source) as source, log_format, min(first_time) as first
    from access_tally
    where last_time < $end
    group by host, source_id, log_format
),
followed as (
    select *, lag(log_format) over (partition by host order by first, source_id, log_format) as before
    from stretch
)
select
    first as time,
    host,
    source,
    before as from_format,
    followed.log_format as to_format,
    old.format_string as from_string,
    new.format_string as to_string
from followed
left join log_format as old on old.log_format = before
left join log_format as new on new.log_format = followed.log_format
where before <> followed.log_format and first >= $start
order by time, host, source, to_format
