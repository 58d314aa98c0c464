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
A path does not count if it is one of Prefect's API. A window slides: it is any $minutes minutes, also those of which a part was before the period; of requests that are in none which is full, only those for paths that scanners ask for are counted. Every address of the internet is probed, so these are many where lighttpd can be reached from there; what matters is whether `answered` is more than 0.
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
    select client, path, time, known, answered,
        lag(time) over (partition by client, path order by time) as earlier,
        lead(time) over (partition by client, path order by time) as later
    from (
        select client, path, time, status, regexp_matches(path, $known) as known, coalesce(status < 400, false) as answered
        from access
        where time >= $start - to_minutes($minutes) and time < $end and client is not null and path is not null and route is null
    ) as request
    where known or status in (400, 403, 404, 405)
),
edge as (
    -- A path counts from a request for it until a window later: once, however often it is asked for meanwhile.
    select client, path, time, known, answered, true as is_request,
        case when earlier is null or time - earlier > to_minutes($minutes) then 1 else 0 end as more
    from probe
    union all
    select client, path, time + to_minutes($minutes), known, answered, false, -1
    from probe
    where later is null or later - time > to_minutes($minutes)
),
counted as (
    select *, sum(more) over (partition by client order by time, more desc rows between unbounded preceding and current row) as paths
    from edge
),
reached as (
    -- Of a window that is full all are part: those that have one, which ends in the period, at most a window later.
    select *,
        min(case when is_request and paths >= $paths and time >= $start then time end)
            over (partition by client order by time range between current row and unbounded following) as full_at
    from counted
)
select
    client,
    min(time) as first,
    max(time) as last,
    count(distinct path) as paths,
    count(distinct case when known then path end) as known_paths,
    count(*) as requests,
    count(*) filter (where answered) as answered
from reached
where is_request and (known and time >= $start or coalesce(full_at - time <= to_minutes($minutes), false))
group by client
having max(time) >= $start
order by first, client
