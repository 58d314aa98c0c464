/*
id = "scanner-probes"
title = "Probing"
question = "Which address asked for $paths different paths or more within $minutes minutes that are not there, or for one of the paths that scanners ask for?"
kind = "control"
section = "S17"
severity = "low"
tags = ["D29", "T1595.002", "T1595.003"]
key = ["client", "first"]
population = "select count(*) from access where time >= $start and time < $end"
unit = "lines of the period"
limits = """
A path counts at its first request by that address in the period, and not at all if it is one of Prefect's API. Every address of the internet is probed, so these are many where lighttpd can be reached from there; what matters is whether `answered` is more than 0.
A gateway that asks everybody for a login answers 401 before it looks whether a path is there: then only the paths that scanners ask for count, and brute-force has such refusals.
Behind a forwarder all addresses may be one."""
[parameters.paths]
default = 15
why = "somebody who mistypes an address tries a few"
[parameters.minutes]
default = 5
why = "scanners ask several times a second"
[parameters.known]
default = "(?i)/(\\.env|\\.git/|\\.aws/|wp-(login|admin|content)|actuator|phpmyadmin|cgi-bin/|vendor/phpunit|server-status|\\.ssh/)"
why = "paths of programs that are not Prefect, which only scanners ask for"
*/
with probe as (
    select client, path, min(time) as time, count(*) as requests,
        regexp_matches(path, $known) as known,
        count(*) filter (where status < 400) as answered
    from access
    where time >= $start and time < $end and client is not null and path is not null
        and (status in (400, 403, 404, 405) or regexp_matches(path, $known))
        and route is null
    group by client, path
),
counted as (
    select *,
        count(*) over (partition by client order by time range between to_minutes($minutes) preceding and current row) as before
    from probe
),
reached as (
    -- Of a window that is full all are part, also those in its middle.
    select *, max(before) over (partition by client order by time range between current row and to_minutes($minutes) following) as most
    from counted
)
select
    client,
    min(time) as first,
    max(time) as last,
    count(*) as paths,
    count(*) filter (where known) as known_paths,
    sum(requests)::bigint as requests,
    sum(answered)::bigint as answered
from reached
where known or most >= $paths
group by client
order by first, client
