/*
id = "review-sign-off"
title = "Nights that nobody signed off"
question = "For which days was no report reviewed and accepted in time by somebody else than who made it?"
kind = "control"
section = "S20"
severity = "medium"
key = ["night"]
population = "select count(distinct night) from control_run_latest where period_start >= $start - to_days($within_days) and period_end <= $end and exit_status in (0, 1)"
unit = "days whose reports were made"
limits = """
A day is reviewed if a report about it, or about a period that holds it, was signed off as accepted (with exceptions or without), and nobody rejected one later. It counts as not reviewed $within_days days after its end, by the newest time of a run or sign-off that the store knows; so besides the days of the period it looks at those of $within_days days before it.
Reports are known by their SHA-256; a report that was changed after the night made it is another one.
That somebody signed does not show that he read, nor that he is who the key says: compare the keys' fingerprints with those that reviewers gave you themselves."""
[parameters.within_days]
default = 35
why = "a month's reports are read in the days after it"
*/
with known as (
    select max(time) as until from (
        select max(recorded_at) as time from control_run
        union all
        select max(signed_at) from signoff
    )
),
night as (
    select
        night,
        min(period_start) as period_start,
        max(period_end) as period_end,
        list(distinct run_id) as runs
    from control_run_latest
    where period_start >= $start - to_days($within_days) and period_end <= $end and exit_status in (0, 1)
    group by night
),
last_word as (
    select
        night.night,
        arg_max(decision, (signed_at, signoff_id)) as decision,
        arg_max(reviewer, (signed_at, signoff_id)) as reviewer,
        max(signed_at) as signed_at
    from night
    join signoff
    on list_contains(night.runs, signoff.run_id)
        or signoff.period_start <= night.period_start and signoff.period_end >= night.period_end
    where reviewer <> preparer
    group by night.night
)
select
    night.night,
    last_word.decision,
    last_word.reviewer,
    last_word.signed_at
from night
left join last_word using (night), known
where (decision is null or decision = 'rejected')
    and known.until > night.period_end + to_days($within_days)
order by night.night
