/*
id = "unmatched-routes"
title = "Requests of the API without a route"
question = "Which requests of Prefect's API fit no route of the catalogue, so that nobody can say what they did?"
kind = "table"
section = "S1"
population = "select count(*) from access where api_path is not null and time >= $start and time < $end"
unit = "requests below the configured prefix in the period"
limits = """
A request is one of the API's if its path is below the configured prefix (`api_prefix`); with a prefix that is not the proxy's, there are none at all.
The catalogue covers the versions of Prefect that the view `route` names; an operation that another version has is here. So is what no version has: misspelt paths, methods that Prefect refuses, and attempts.
A request that is written unusually is here too, if Prefect would not have taken it for any route as it was logged: a format that logs the path before lighttpd has normalised it shows more of them.
UUIDs in paths are written {id}; path shape is the path below the prefix, percent-decoded."""
*/
select
    method,
    regexp_replace(api_path, '[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}', '{id}', 'g') as path_shape,
    count(*) as requests,
    count(*) filter (where status < 400) as succeeded,
    string_agg(distinct status::varchar, ', ' order by status::varchar) as statuses,
    string_agg(distinct coalesce("user", '(unauthenticated)'), ', ' order by coalesce("user", '(unauthenticated)')) as users,
    min(time) as first,
    max(time) as last,
    (select max(catalogue) from route) as catalogue
from access
where api_path is not null and route is null and time >= $start and time < $end
group by method, path_shape
order by requests desc, method nulls last, path_shape
