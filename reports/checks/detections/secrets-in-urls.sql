/*
id = "secrets-in-urls"
title = "Secrets in addresses"
question = "Who sent something that looks like a secret in a query, a path or a Referer, where logs keep it?"
kind = "control"
section = "S17"
severity = "high"
tags = ["D11", "T1552.001"]
key = ["identity", "client", "method", "route", "place", "looks_like"]
population = "select count(*) from access where time >= $start and time < $end"
unit = "lines of the period"
limits = """
The value itself is redacted in the store (`leaked_secret` has its fingerprint), but not in lighttpd's log. Whoever finds one should change it.
Looked for are names that secrets go by, and the beginnings of well-known keys; a secret without either is not found, and an example in a manual may look like one. Only the first of them counts of a line."""
[parameters.names]
default = "(?i)(^|[?&;_.-])(api_?key|auth_?string|access_?token|token|passw(or)?d|pwd|secret|client_secret|signature)=[^&]"
why = "names that Prefect, clouds and web programs give to secrets in queries"
[parameters.keys]
default = "pn[ub]_[A-Za-z0-9*]{16}|AKIA[0-9A-Z*]{16}|gh[opsu]_[A-Za-z0-9*]{20}|eyJ[*][a-z2-7*]{16}|eyJ[A-Za-z0-9_-]{10,}\\.eyJ|-----BEGIN"
why = "Prefect Cloud's keys, AWS, GitHub, signed tokens, and private keys; * stands for what was redacted"
*/
with seen as (
    select
        coalesce("user", '(unauthenticated)') as identity,
        client,
        method,
        coalesce(route, regexp_replace(path, '[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}', '{id}', 'g')) as route,
        case
            when regexp_matches(query, $names) or regexp_matches(query, $keys) then 'query'
            when regexp_matches(referer, $names) or regexp_matches(referer, $keys) then 'referer'
            else 'path'
        end as place,
        case
            when regexp_matches(concat_ws(' ', query, referer), $names) then 'name=value'
            else 'a key'
        end as looks_like,
        status,
        time
    from access
    where time >= $start and time < $end
        and (contains(query, '=') or contains(referer, '=') or length(query) > 20 or length(referer) > 20 or length(path) > 60)
        and (
            regexp_matches(query, $names) or regexp_matches(query, $keys)
            or regexp_matches(referer, $names) or regexp_matches(referer, $keys)
            or regexp_matches(path, $keys)
        )
)
select
    identity,
    client,
    method,
    case when place = 'path' then '(not shown: it holds what looks like a key)' else route end as route,
    place,
    looks_like,
    count(*) as requests,
    count(*) filter (where status < 400) as answered,
    min(time) as first,
    max(time) as last
from seen
group by 1, 2, 3, 4, 5, 6
order by first, identity, client, method, route, place, looks_like
