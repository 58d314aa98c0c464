/*
id = "agent-actions"
title = "What AI agents did"
question = "Which AI agent did what, on whose behalf, and what was it refused?"
kind = "table"
section = "S6"
population = "select count(*) from access_identity where time >= $start and time < $end and kind = 'agent'"
unit = "requests of ai agents"
limits = """
An AI agent is an identity that a directory calls one. An agent that uses a person's login is that person here.
What was in a request is in no log: which state was set, with which parameters a run was started. Succeeded is a status below 400, refused 401, 403, 407 or 429."""
[needs]
identity_latest = "nobody has said who is behind the logins (`lpaudit identities import`)"
*/
select
    identity,
    owner,
    coalesce(action, '(no route)') as action,
    resource_type,
    coalesce(privileged, false) as privileged,
    count(*) as requests,
    count(*) filter (where status < 400) as succeeded,
    count(*) filter (where status in (401, 403, 407, 429)) as refused,
    count(distinct resource_id) as resources,
    min(time) as first,
    max(time) as last
from access_identity
where time >= $start and time < $end and kind = 'agent'
group by identity, owner, action, resource_type, privileged
order by identity, owner, privileged desc, action, resource_type
