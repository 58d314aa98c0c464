/*
id = "nights"
title = "Nights: when the control operated"
question = "When did `lpaudit nightly` run for each day of the period, what came of it, and who ran it?"
kind = "table"
section = "S20"
population = "select count(*) from control_run_latest where period_start >= $start and period_start < $end"
unit = "runs for days of the period"
limits = """
A run records itself, as it goes: one that was killed has no end. Whether reports were read is in the sign-offs, and whether exceptions were looked into is in the register."""
*/
select
    night,
    run_id,
    started_at,
    ended_at,
    exit_status,
    host,
    "user",
    frameworks,
    array_to_string(
        list_transform(list_sort(map_keys(report_hashes)), lambda name: report_hashes[name] || '  ' || name), '; '
    ) as reports,
    error
from control_run_latest
where period_start >= $start and period_start < $end
order by night, started_at, run_id
