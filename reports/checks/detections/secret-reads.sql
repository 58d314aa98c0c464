/*
id = "secret-reads"
title = "Secrets of blocks that were read"
question = "Who read the secrets of $documents different blocks or more within an hour, or of any block with another program than Prefect's client?"
kind = "control"
section = "S17"
severity = "high"
tags = ["D12", "T1555", "T1552"]
key = ["identity", "client", "first"]
population = "select count(*) from access where time >= $start and time < $end"
unit = "lines of the period"
limits = """
Whether a GET asked for secrets stands in its query, which is read as Prefect reads it: decoded, `true`, `t`, `yes`, `y`, `on` and `1` in upper or lower case, and of several the last. A value that was redacted, because it is written in a way that is nobody's, counts as one. POST /block_documents/filter asks in its body, which no log has: each is taken for a reading of one more document.
Runs read the blocks that they need with Prefect's client; the user interface reads with a browser. A program can claim to be either in its User-Agent.
An hour slides: it is any, also one of which a part was before the period."""
[parameters.documents]
default = 20
why = "a flow needs a handful of blocks"
*/
with reading as (
    select
        coalesce("user", '(unauthenticated)') as identity,
        client,
        coalesce(resource_id, route, '') as document,
        coalesce(user_agent not like 'prefect/%', true) as other_program,
        -- An encoded & or = is no separator, and no other character of the name or of a value is beyond ASCII.
        coalesce(regexp_matches(
            regexp_extract(
                url_decode(regexp_replace(query, '%(26|3[dD]|[89a-fA-F][0-9a-fA-F])', '?', 'g')), '(?s).*(^|&)include_secrets=([^&]*)', 2
            ),
            '(?i)^(true|t|yes|y|on|1|[*].*)$'
        ), false) as asked,
        method = 'POST' as in_a_body,
        time
    from access
    where time >= $start - interval 1 hour and time < $end and status < 400
        and (contains(path, 'block_') or contains(path, '%')) and action = 'secret_read'
),
asked as (
    select *,
        lag(time) over (partition by identity, client, document order by time) as earlier,
        lead(time) over (partition by identity, client, document order by time) as later
    from reading
    where asked or in_a_body
),
edge as (
    -- A block counts from a reading of it until an hour later: once, however often it is read meanwhile.
    select identity, client, document, time, other_program and asked as by_other_program, true as is_reading,
        case when earlier is null or time - earlier > interval 1 hour then 1 else 0 end as more
    from asked
    union all
    select identity, client, document, time + interval 1 hour, false, false, -1
    from asked
    where later is null or later - time > interval 1 hour
),
counted as (
    select *,
        sum(more) over (partition by identity, client order by time, more desc rows between unbounded preceding and current row) as within_an_hour
    from edge
)
select
    identity,
    client,
    min(time) as first,
    max(time) as last,
    count(distinct document) as documents,
    max(within_an_hour)::bigint as most_within_an_hour,
    count(*) as requests,
    count(*) filter (where by_other_program) as by_other_programs
from counted
where is_reading and time >= $start
group by identity, client
having max(within_an_hour) >= $documents or count(*) filter (where by_other_program) > 0
order by first, identity, client
