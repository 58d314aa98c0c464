/*
id = "denied-then-allowed"
title = "Refused, and then let in"
question = "Who was let in from an address where nobody had been let in under that name before, within $minutes minutes of $attempts refusals or more of that address?"
kind = "control"
section = "S17"
severity = "high"
tags = ["D4", "T1110", "T1078"]
key = ["client", "identity"]
population = "select count(distinct (client, \"user\")) from access_tally where first_time >= $start and last_time < $end and status < 400 and \"user\" is not null"
unit = "pairs of an address and an identity that were let in"
limits = """
Somebody new who mistypes a password looks like somebody who has guessed one. Before are the $days days before the period, as far as the store reaches: in a young store every address is new.
Behind a forwarder that hides addresses all clients are one, and nobody is new.
Refusals that Prefect's own clients cause in everyday work are left out."""
[parameters.attempts]
default = 5
why = "who has just been given a password mistypes it less often"
[parameters.minutes]
default = 15
why = "a password that was guessed is tried at once"
[parameters.days]
default = 30
why = "longer than a holiday"
*/
with met as (
    select client, "user", min(first_time) as time
    from access_tally
    where first_time >= $start - to_days($days) and last_time < $end and status < 400 and "user" is not null
    group by client, "user"
),
refused as (
    select client, time
    from failed_request
    where time >= $start - to_minutes($minutes) and time < $end and status in (401, 403, 407) and not noise
)
select
    met.client,
    met."user" as identity,
    met.time as let_in,
    min(refused.time) as first_refusal,
    max(refused.time) as last_refusal,
    count(*) as refusals
from met
join refused on refused.client = met.client
    and refused.time >= met.time - to_minutes($minutes) and refused.time <= met.time
where met.time >= $start
group by met.client, met."user", met.time
having count(*) >= $attempts
order by let_in, client, identity
