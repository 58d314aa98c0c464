/*
id = "unknown-identities"
title = "Logins that no directory has"
question = "Which logins were used of which nobody has said whose they are?"
kind = "control"
section = "S4"
severity = "high"
key = ["login"]
population = "select count(distinct login) from access_identity_tally where first_time >= $start and last_time < $end"
unit = "logins that were used"
limits = """
A login is known if any version of any directory has it, as a name or an alias, written exactly as lighttpd logs it: upper case and lower case differ.
Whether the right person used it is not in any log."""
[needs]
identity_latest = "nobody has said who is behind the logins (`lpaudit identities import`)"
*/
select
    login,
    cast(sum(requests) as bigint) as requests,
    cast(sum(case when status < 400 then requests else 0 end) as bigint) as succeeded,
    cast(sum(case when privileged and status < 400 then requests else 0 end) as bigint) as privileged,
    count(distinct client) as clients,
    string_agg(distinct logged_groups, '; ' order by logged_groups) as logged_groups,
    min(first_time) as first,
    max(last_time) as last
from access_identity_tally
where first_time >= $start and last_time < $end and state = 'unknown'
group by login
order by login
