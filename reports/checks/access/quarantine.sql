/*
id = "quarantine"
title = "Lines that could not be read"
question = "How many lines of which source were set aside, and why?"
kind = "table"
section = "S2"
population = "select count(*) from access_event"
unit = "stored lines"
limits = "Rejected lines have no time that could be trusted: this is the whole store, not the period. Nothing in them counts as a request anywhere else in this report; their text is in the view `quarantine`, their bytes in the segments."
*/
select
    reason,
    source,
    source_id,
    count(*) as lines,
    sum(byte_length)::bigint as bytes,
    min(line_number) as first_line,
    max(line_number) as last_line
from quarantine
group by reason, source, source_id
order by reason, source, source_id
