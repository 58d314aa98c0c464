/*
id = "open-exceptions"
title = "Exceptions that are overdue"
question = "Which exceptions were still open at the period's end after they were due, or had nobody to look into them?"
kind = "control"
section = "S17"
severity = "medium"
key = ["registered_id"]
population = "select count(distinct exception_id) from exception where first_seen < $end and check_id <> 'open-exceptions'"
unit = "exceptions that were seen before the period's end"
limits = """
It is about the register as it was at the period's end: what was assigned or closed later is open here. An exception is overdue from the day after its due date, or $unassigned_days days after it was first seen if nobody has been given it.
Exceptions of this check are left out of it: else each would become another one.
That an exception was closed does not mean that what was said of it is true."""
[parameters.unassigned_days]
default = 7
why = "whoever goes through exceptions once a week has gone through this one"
*/
with latest as (
    select * from exception
    where exception."at" < $end
    qualify row_number() over (partition by exception_id order by revision desc) = 1
)
select
    case when due is not null then due::date + 1 <= $end::date else first_seen < $end - to_days($unassigned_days) and owner is null end as finding,
    exception_id as registered_id,
    latest.check_id,
    severity,
    status,
    first_seen,
    owner,
    ticket,
    due,
    row_key
from latest
where status <> 'closed' and latest.check_id <> 'open-exceptions'
order by finding desc, due nulls last, first_seen, registered_id
