/*
id = "unknown-identities"
title = "Logins that no directory has"
question = "Which logins were used of which nobody has said whose they are?"
kind = "control"
section = "S4"
severity = "high"
key = ["login"]
population = "select count(distinct login) from access_identity where time >= $start and time < $end"
unit = "logins that were used"
limits = """
A login is known if any version of any directory has it, as a name or an alias, written exactly as lighttpd logs it: upper case and lower case differ.
Whether the right person used it is not in any log."""
[needs]
identity_latest = "nobody has said who is behind the logins (`lpaudit identities import`)"
*/
select
    login,
    count(*) as requests,
    count(*) filter (where status < 400) as succeeded,
    count(*) filter (where privileged and status < 400) as privileged,
    count(distinct client) as clients,
    string_agg(distinct logged_groups, '; ' order by logged_groups) as logged_groups,
    min(time) as first,
    max(time) as last
from access_identity
where time >= $start and time < $end and state = 'unknown'
group by login
order by login
