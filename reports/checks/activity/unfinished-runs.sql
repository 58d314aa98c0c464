/*
id = "unfinished-runs"
title = "Runs that failed or did not end"
question = "Which runs failed, crashed, or have not ended $hours hours after they should have begun?"
kind = "control"
section = "S11"
severity = "medium"
key = ["flow_run_id"]
population = "select count(*) from flow_run_latest where coalesce(expected_start_time, created) >= $start and coalesce(expected_start_time, created) < $end"
unit = "flow runs that should have begun in the period"
limits = """
States are those of the newest record that was synced: a run that was retried since, and worked, is not here, and one that was deleted before it was ever synced is not known.
Whether somebody has looked at a failure, and what a run should have done, is not in these records."""
[needs]
flow_run = "Prefect's flow runs are not in the store (`lpaudit sync`)"
[parameters.hours]
default = 24
why = "most runs end within a day; those that may last longer need a value of their own"
*/
select
    run.id as flow_run_id,
    run.name as flow_run_name,
    deployment.name as deployment_name,
    run.state_type,
    run.state_name as state,
    coalesce(run.expected_start_time, run.created) as expected,
    run.start_time,
    run.end_time,
    run.last_seen as recorded
from flow_run_latest as run
left join deployment_latest as deployment on deployment.id = run.deployment_id
where coalesce(run.expected_start_time, run.created) >= $start and coalesce(run.expected_start_time, run.created) < $end
    and (
        run.state_type in ('FAILED', 'CRASHED')
        or run.state_type not in ('COMPLETED', 'CANCELLED')
            and run.last_seen > coalesce(run.expected_start_time, run.created) + to_hours($hours)
    )
order by expected, flow_run_id
