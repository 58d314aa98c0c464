/*
id = "path-traversal"
title = "Paths that are written to mislead"
question = "Who sent a path with parent folders, encoded separators or NUL bytes?"
kind = "control"
section = "S17"
severity = "high"
tags = ["D30", "T1190", "T1083"]
key = ["client", "identity", "what"]
population = "select count(*) from access where time >= $start and time < $end"
unit = "lines of the period"
limits = """
Looked for is in the target as it was sent, if the format logs it, else in the path. lighttpd decodes and shortens paths before it applies its rules; whether what Prefect then saw was allowed, the answer tells: `answered` counts those with a status below 400.
With a format that logs the path after that, little of it is left to be seen."""
*/
with sent as (
    select
        client,
        coalesce("user", '(unauthenticated)') as identity,
        lower(split_part(coalesce(url_original, path), '?', 1)) as target,
        status,
        time
    from access
    where time >= $start and time < $end
        and (
            contains(url_original, '%') or contains(url_original, '..') or contains(url_original, '\')
            or (url_original is null and (contains(path, '%') or contains(path, '..') or contains(path, '\')))
        )
),
told as (
    select *,
        case
            when contains(target, '%00') then 'a NUL byte'
            when contains(target, '%25') then 'an encoded percent sign'
            when contains(target, '../') or contains(target, '..%2f') or contains(target, '%2e%2e') or contains(target, '/.%2e') or contains(target, '%2e.')
                or contains(target, '..\') or contains(target, '/..;') or target like '%/..' then 'a parent folder'
            when contains(target, '%2f') or contains(target, '%5c') then 'an encoded separator'
        end as what
    from sent
)
select
    client,
    identity,
    what,
    count(*) as requests,
    count(*) filter (where status < 400) as answered,
    min(time) as first,
    max(time) as last,
    min(target) as an_example
from told
where what is not null
group by client, identity, what
order by answered desc, first, client, identity, what
