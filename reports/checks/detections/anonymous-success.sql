/*
id = "anonymous-success"
title = "Answered without a login"
question = "Which requests of Prefect's API were answered though lighttpd had authenticated nobody?"
kind = "control"
section = "S17"
severity = "critical"
tags = ["D5", "T1190"]
key = ["method", "route", "client"]
population = "select count(*) from access where time >= $start and time < $end and status < 400 and api_path is not null"
unit = "requests below the prefix that were answered"
limits = """
Answered is a status below 400. What may be asked by anybody is in `open`: it tells nothing but that the server is there.
If Prefect checks credentials itself (PREFECT_SERVER_API_AUTH_STRING), lighttpd names nobody, and everything is in this table: then who did what is in no log.
With a format that does not log the user, everything is in this table as well."""
[parameters.open]
default = ["/health", "/ready", "/hello", "/version", "/csrf-token", "/admin/version"]
why = "monitors and clients ask these before they have logged in, and nothing is told or changed"
*/
select
    coalesce(method, '(none)') as method,
    coalesce(route, '(no route)') as route,
    client,
    coalesce(any_value(action), '(no route)') as action,
    coalesce(any_value(privileged), false) as privileged,
    count(*) as requests,
    min(time) as first,
    max(time) as last
from access
where time >= $start and time < $end and status < 400 and "user" is null and api_path is not null
    and coalesce(not list_contains($open, route), true)
group by coalesce(method, '(none)'), coalesce(route, '(no route)'), client
order by privileged desc, requests desc, route, method, client
