/*
id = "clock-comparison"
title = "Clocks compared"
question = "How far was Prefect's clock ahead of the clock of each host, day by day?"
kind = "table"
section = "S19"
population = "select count(*) from access where time >= $start and time < $end and method = 'POST' and status < 400 and (contains(path, 'set_state') or contains(path, '%')) and route = '/flow_runs/{id}/set_state'"
unit = "requests of the period that set the state of a run"
limits = """
Compared is the time at which Prefect says that a run got a state with the request that set it: with right clocks it lies between the request's begin and end. The one that is nearest counts; where it is within, the difference is 0.
Both clocks may be wrong together. A format with whole seconds shows differences of up to a second that are none.
Prefect keeps events for seven days by default: what was not synced in time cannot be compared."""
[needs]
event = "Prefect's events are not in the store (`lpaudit sync`)"
[parameters.window_seconds]
default = 60
why = "a clock that is wrong by more finds no pair, and shows as few compared requests"
*/
with state as (
    select resource_id[18:] as flow_run_id, occurred
    from event_latest
    where occurred >= $start - interval 1 hour and occurred < $end + interval 1 hour
        and event in (
            'prefect.flow-run.Pending', 'prefect.flow-run.Running', 'prefect.flow-run.Completed', 'prefect.flow-run.Failed',
            'prefect.flow-run.Cancelling', 'prefect.flow-run.Paused'
        )
),
request as (
    select line_id, host, time as begin, coalesce(time_end, time) as "end", resource_id as flow_run_id
    from access
    where time >= $start and time < $end and method = 'POST' and status < 400
        and (contains(path, 'set_state') or contains(path, '%')) and route = '/flow_runs/{id}/set_state'
),
pair as (
    -- 0 if Prefect's time lies within the request, else how far it is outside of it.
    select
        request.host,
        request.line_id,
        request.begin,
        min_by(
            case
                when state.occurred < request.begin then extract(epoch from state.occurred - request.begin)
                when state.occurred > request."end" then extract(epoch from state.occurred - request."end")
                else 0
            end,
            greatest(extract(epoch from request.begin - state.occurred), extract(epoch from state.occurred - request."end"), 0)
        ) as ahead
    from request
    join state on state.flow_run_id = request.flow_run_id
        and state.occurred between request.begin - to_seconds($window_seconds) and request."end" + to_seconds($window_seconds)
    group by request.host, request.line_id, request.begin
)
select
    host,
    to_timestamp(floor(extract(epoch from begin) / 86400) * 86400) as day,
    count(*) as compared,
    count(*) filter (where ahead = 0) as within_the_request,
    round(median(ahead), 3) as median_seconds_ahead,
    round(min(ahead), 3) as least,
    round(max(ahead), 3) as most
from pair
group by host, floor(extract(epoch from begin) / 86400)
order by host, day
