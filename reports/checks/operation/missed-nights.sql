/*
id = "missed-nights"
title = "Missed nights"
question = "For which days did nobody finish `lpaudit nightly` in time?"
kind = "control"
section = "S20"
severity = "high"
key = ["night"]
population = "select greatest(0, date_diff('day', date_trunc('day', $start + interval 1 day - interval 1 microsecond), date_trunc('day', $end)))"
unit = "whole days of the period"
limits = """
A day counts as missed if no run for it ended without a failed step, and the store knows of a time more than $within_hours hours after that day: this check has no clock of its own, so the newest record of a run or of a line says how late it is. The last day of a period is therefore judged by what came after it.
Besides the days of the period it looks at the $days_before days before it, if there was a run for an earlier one: so a night tells of the nights before that did not come. A missed day has the same exception id in each of these reports.
Rows with `finding` false are days that were done, but late. The run that asks counts as ended, as it stands: whoever makes up for a day is doing it.
A run is taken at its word: that its steps did what they should, the reports show."""
[parameters.within_hours]
default = 36
why = "a day that is not done when the next one should have been for half a day is late, in whatever time zone the night is"
[parameters.days_before]
default = 7
why = "a week of holidays with nobody looking"
*/
with known as (
    select max(time) as until from (
        select max(recorded_at) as time from control_run
        union all
        select max(ingest_time) from segment where kind = 'access'
    )
),
first_run as (
    select min(period_start) as day from control_run
),
wanted as (
    select days.day
    from generate_series(
        date_trunc('day', $start + interval 1 day - interval 1 microsecond) - to_days($days_before),
        $end - interval 1 day,
        interval 1 day
    ) as days(day), first_run
    where days.day >= $start or days.day > first_run.day
),
run as (
    select
        period_start as day,
        count(*) as runs,
        min(started_at) as first_started_at,
        min(ended_at) filter (exit_status in (0, 1)) as done_at,
        arg_max(coalesce(error, 'it was not finished'), started_at) as error
    from control_run_latest
    group by period_start
)
select
    run.done_at is null as finding,
    strftime(wanted.day, '%Y-%m-%d') as night,
    coalesce(run.runs, 0) as runs,
    run.first_started_at,
    run.done_at,
    case
        when run.done_at is not null then 'done, but late'
        when run.runs is null then 'no run'
        else run.error
    end as reason
from wanted
left join run on run.day = wanted.day, known
where known.until > wanted.day + interval 1 day + to_hours($within_hours)
    and (run.done_at is null or run.done_at > wanted.day + interval 1 day + to_hours($within_hours))
order by night
