"""Words that cannot be there: found wherever a query compares them, and nowhere else."""

import pytest

from lpaudit import report
from lpaudit.correlation import Confidence, Method, Relation
from lpaudit.errorlog.messages import EVENTS
from lpaudit.model import Escaping, GapCause, RejectReason, SourceChange
from lpaudit.roster.records import KINDS
from lpaudit.schema import tables


@pytest.mark.parametrize(
    ("table", "column", "words"),
    [
        ("access_event", "reject_reason", RejectReason),
        ("coverage_gap", "cause", GapCause),
        ("source_event", "event", SourceChange),
        ("log_format", "escaping", Escaping),
        ("flow_run_link", "relation", Relation),
        ("identity", "kind", KINDS),
        ("flow_run_link", "method", Method),
        ("flow_run_link", "confidence", Confidence),
        ("server_event", "event", EVENTS),
    ],
)
def test_the_schema_has_the_words_that_are_written(table, column, words):
    [field] = [f for f in tables()[table].fields if f.name == column]
    assert set(field.words) == {str(word) for word in words}
    assert not field.open_words


@pytest.mark.parametrize(
    ("sql", "slip"),
    [
        ("select 1 from access where action = 'delet'", "action is never 'delet': did you mean 'delete'?"),
        ("select 1 from access where 'delet' = action", "action is never 'delet'"),
        ("select 1 from access where action <> 'delet'", "action is never 'delet'"),
        ("select 1 from access where action is distinct from 'delet'", "action is never 'delet'"),
        ("select 1 from access where resource_type in ('flow_run', 'flowrun')", "never 'flowrun'"),
        ("select 1 from access where resource_type not in ('flowrun')", "never 'flowrun'"),
        ("select 1 from access where method = 'DELTE'", "did you mean 'DELETE'?"),
        ("select 1 from access where route like '/flowruns/%'", "never '/flowruns/%'"),
        ("select 1 from access where starts_with(route, '/flowruns')", "never '/flowruns'"),
        ("select case action when 'raed' then 1 end from access", "never 'raed'"),
        ("select count(*) filter (where action = 'raed') from access", "never 'raed'"),
        ("select 1 from access as a join route as r on r.action = 'raed'", "r.action is never 'raed'"),
        ("select 1 from failed_request as f where f.layer = 'throtle'", "did you mean 'throttle'?"),
        ("select 1 from failed_request where cause = 'forbiden'", "did you mean 'forbidden'?"),
        ("select 1 from open_gap where cause = 'lost'", "there are: damaged, deleted"),
        ("select 1 from access_run where relation = 'targets'", "did you mean 'target'?"),
        ("select 1 from flow_run_link where confidence = 'sure'", "there are: exact, likely"),
        ("select 1 from snapshot where table_name = 'flow_runs'", "did you mean 'flow_run'?"),
        ("select 1 from quarantine where reason = 'nomatch'", "did you mean 'no-match'?"),
        ("select 1 from log_line where kind = 'acces'", "did you mean 'access'?"),
        ("select 1 from event_latest where event = 'prefect.flow-run.Runing'", "did you mean"),
        ("with a as (select * from access) select 1 from a where action = 'raed'", "never 'raed'"),
        ("with a(x) as (select action from access) select 1 from a where x = 'raed'", "never 'raed'"),
        ("with a as (select max(action) as x from access) select 1 from a where x = 'raed'", "never 'raed'"),
        (
            "with a as (select if(status < 400, 'good', 'bad') as x from access) select 1 from a where x = 'goood'",
            "did you mean 'good'?",
        ),
        ("select * from (select 'a' as x union all select 'b') where x = 'c'", "there are: a, b"),
        (
            "select (select count(*) from open_gap where outer_one.action = 'zap') from access as outer_one",
            "outer_one.action is never 'zap'",
        ),
        ("select 1 from access group by action having action = 'raed'", "never 'raed'"),
        ("select 1 from access_identity where kind = 'bot'", "there are: agent, human, service, worker"),
        ("select 1 from access_identity where coalesce(kind, 'unknown') = 'humann'", "mean 'human'?"),
        ("select 1 from identity_latest where kind in ('agent', 'agents')", "did you mean 'agent'?"),
        ("select 1 from access where method = 'delete'", "did you mean 'DELETE'?"),
        ("select 1 from access where method in ('post', 'PUT')", "did you mean 'POST'?"),
        ("select 1 from access where lower(action) = 'delet'", "LOWER(action) is never 'delet'"),
        ("select 1 from access where upper(action) = 'delete'", "did you mean 'DELETE'?"),
        ("select 1 from access where lower(method) = 'DELETE'", "did you mean 'delete'?"),
        ("select 1 from access where trim(resource_type) = 'flowrun'", "did you mean 'flow_run'?"),
        ("select 1 from access where action = lower('DELET')", "never 'delet'"),
        ("select 1 from access where action = 'delet'::varchar", "never 'delet'"),
        ("select 1 from access where action ilike 'DELET'", "action is never 'DELET'"),
        ("select 1 from access where action not ilike '%raed%'", "never '%raed%'"),
        ("select 1 from access where action between 'x' and 'z'", "never between 'x' and 'z': there are"),
        ("select 1 from access where action = any(['read', 'delet'])", "never 'delet'"),
        ("select 1 from access where list_contains(['read', 'delet'], action)", "never 'delet'"),
        ("select 1 from access where action in ['delet']", "never 'delet'"),
        ("select 1 from access where (method, action) = ('DELETE', 'delet')", "never 'delet'"),
        ("select 1 from access where (status, action) in ((200, 'read'), (200, 'raed'))", "never 'raed'"),
        ("select 1 from access where (action, method) is not distinct from ('read', 'get')", "mean 'GET'?"),
    ],
)
def test_a_slip_is_found(sql, slip):
    found = report.slips(sql)
    assert len(found) == 1
    assert slip in found[0]


@pytest.mark.parametrize(
    "sql",
    [
        "select 1 from access where action = 'delete' and route like '/flow_runs/%' and method = 'BREW'",
        "select 1 from access where \"user\" = 'delet' or path like '%/delet'",
        "select 1 from failed_request where cause = 'refused by the gateway: expired' or cause like 'refused%'",
        "select 1 from event_latest where event = 'etl.done' or event = 'prefect.flow-run.MyOwnState'",
        "select coalesce(\"user\", 'nobody') as u from access where u = 'anybody'",
        "select 1 from access where action = $action",
        "with a as (select action || '!' as x from access) select 1 from a where x = 'read!'",
        "select 1 from access_identity where kind = 'agent' or coalesce(kind, 'unknown') <> 'unknown'",
        "select 1 from access where lower(action) = 'delete' or upper(action) = 'DELETE' or trim(action) = 'read'",
        "select 1 from access where lower(method) = 'delete' or method ilike 'delete'",
        "select 1 from access where action ilike 'DEL%' or action like 'delet_' or action ilike 'BULK_DELETE'",
        "select 1 from access where action like 'bulk!_delet' escape '!'",
        "select 1 from access where action between 'd' and 'e' or status between 200 and 299",
        "select 1 from access where action = any(['read']) or list_contains(['read'], action) or action = any($some)",
        "select 1 from access where (method, action) in (('GET', 'read'), ('POST', $action))",
        "select 1 from access where route = '/flow_runs/' || $rest",
        "select 1 from access where contains([\"user\"], 'delet') or contains(path, 'delet')",
    ],
)
def test_what_can_be_there_is_let_be(sql):
    assert report.slips(sql) == []


@pytest.mark.parametrize("check_id", sorted(report.checks()))
def test_no_check_has_one(check_id):
    check = report.load_check(check_id)
    assert report.slips(check.sql) + report.slips(check.population) == []
