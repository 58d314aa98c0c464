/*
id = "admin-routes"
title = "The server itself, automations and limits"
question = "Who acted on the server as a whole, changed an automation, or deleted a concurrency limit?"
kind = "control"
section = "S17"
severity = "high"
tags = ["D34", "T1562", "T1546"]
key = ["line_id"]
population = "select count(*) from access where time >= $start and time < $end"
unit = "lines of the period"
limits = """
An automation acts by itself and with the server's rights, so that a change of one is a change of what happens unattended. What was changed is in the body, which no log has.
Attempts that were refused or failed are in the table, and are no finding."""
*/
select
    coalesce(status < 400, false) as finding,
    time,
    coalesce("user", '(unauthenticated)') as identity,
    client,
    action,
    resource_type,
    resource_id,
    method,
    route,
    status,
    line_id
from access
where time >= $start and time < $end
    and (method in ('POST', 'PUT', 'PATCH', 'DELETE') or contains(path, '%'))
    and (contains(path, '/admin/') or contains(path, '/automations') or contains(path, 'concurrency_limits') or contains(path, '%'))
    and (
        action = 'admin'
        or resource_type = 'automation' and action in ('create', 'update', 'delete', 'bulk_delete')
        or resource_type = 'concurrency_limit' and action = 'delete'
    )
order by finding desc, time, line_id
