/*
id = "run-timeline"
title = "What happened to a run"
question = "Who created this run, who approved it, who changed its state, and what was refused or failed?"
kind = "table"
population = "select count(*) from access"
unit = "requests in the store"
limits = """
Requests that only read, poll or report are left out, unless they were refused or failed ($everything shows them).
relation and confidence say how a request is tied to the run: docs/correlation.md has the measured precision of each word. Who changed a task's state is in no access log.
What Prefect recorded bears no user: Prefect does not know who did it."""
[parameters.run]
default = ""
why = "the id of a flow run; its subflows belong to it"
[parameters.everything]
default = false
why = "most of what a run sends only reads"
*/
with family as (
    select $run as flow_run_id
    union
    select flow_run_id from flow_run_tree where root_flow_run_id = $run
), linked as (
    select line_id, flow_run_id, relation, method as link_method, confidence, evidence
    from access_run where flow_run_id in (select flow_run_id from family)
    union
    select line_id, resource_id, 'target', 'path', 'exact', null
    from access where resource_type = 'flow_run' and resource_id in (select flow_run_id from family)
        and resource_id not in (select id from flow_run)
    union
    select line_id, try_cast(prefect_flow_run_id as uuid)::varchar, 'claim', 'header', 'weak', null
    from access where try_cast(prefect_flow_run_id as uuid)::varchar in (select flow_run_id from family)
        and try_cast(prefect_flow_run_id as uuid)::varchar not in (select id from flow_run)
), line as (
    select line_id, min_by(flow_run_id, rank) as flow_run_id, min_by(relation, rank) as relation,
        min_by(confidence, rank) as confidence, min_by(link_method, rank) as link_method
    from (
        select *, list_position(['created', 'claim', 'target', 'origin'], relation) as rank from linked)
    group by line_id
), state as (
    select occurred, resource_id[18:] as flow_run_id, regexp_extract(event, '[^.]+$') as name
    from event_latest
    where regexp_matches(event, '^prefect\.flow-run\.[A-Z]') and resource_id[18:] in (select flow_run_id from family)
), request as (
    select
        access.time, access.line_id, access."user", access.client, access.method || ' ' || coalesce(access.route, access.path) as request,
        case line.relation when 'created' then 'created the run' when 'claim' then 'claimed to be the run' else coalesce('set ' || (
            -- The state that Prefect recorded during the request.
            select arg_min(state.name, state.occurred) from state
            where access.status < 400 and access.action in ('execute', 'approve') and line.relation = 'target'
                and state.flow_run_id = line.flow_run_id
                and state.occurred between access.time - interval 20 millisecond and coalesce(access.time_end, access.time) + interval 20 millisecond
        ), access.action) end as what,
        access.status, failed.layer, failed.cause, coalesce(failed.noise, false) as noise, access.action,
        line.relation, line.confidence, line.link_method, line.flow_run_id,
        min(case when access.status < 400 then access.time end) over (
            partition by access.method, coalesce(access.route, access.path), access.resource_id
            order by access.time, access.line_id rows between 1 following and unbounded following
        ) as good
    from line
    join access using (line_id)
    left join failed_request as failed using (line_id)
), told as (
    select
        case relation
            when 'claim' then true
            else layer is not null and not noise and good is null
        end as finding,
        time,
        'access' as source,
        what,
        "user",
        client,
        request,
        status,
        layer,
        cause,
        case
            when layer is null or noise then null
            when good is null then 'not recovered'
            else 'recovered after ' || round(extract(epoch from good) - extract(epoch from time), 1)::varchar || ' s'
        end as outcome,
        relation,
        confidence,
        link_method as method,
        flow_run_id,
        line_id
    from request
    where $everything or relation in ('created', 'claim') or layer is not null and not noise
        or action not in ('read', 'poll', 'telemetry')
    union all
    select false, occurred, 'prefect', 'state ' || name, null, null, null, null, null, null, null, null,
        null, null, flow_run_id, null
    from state
)
select told.*, run.name as flow_run_name
from told left join flow_run_latest as run on run.id = told.flow_run_id
order by time, source, line_id, what
