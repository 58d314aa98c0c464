/*
id = "sign-offs"
title = "Sign-offs"
question = "Who reviewed reports about the period, and what did he decide?"
kind = "table"
section = "S20"
population = "select count(*) from signoff where period_start < $end and period_end > $start"
unit = "sign-offs of reports about the period"
limits = """
Signatures are checked by `lpaudit signoff --verify REPORT`, not here. A sign-off of a report of which nobody said the period is not listed.
That somebody signed does not show that he read."""
*/
select
    signed_at,
    report,
    report_sha256,
    period_start,
    period_end,
    preparer,
    reviewer,
    decision,
    comment,
    key_id,
    signoff_id
from signoff
where period_start < $end and period_end > $start
order by signed_at, signoff_id
