"""Every check does what its examples say; and examples that say something else are found out."""

import pytest

from lpaudit import query, report, trial
from lpaudit.errors import CheckError

CHECK = """/*
id = "mine"
title = "Mine"
question = "Who deleted?"
kind = "control"
severity = "high"
key = ["line_id"]
population = "select count(*) from access where time >= $start and time < $end"
unit = "lines"
limits = "-"
[parameters.least]
default = 400
why = "-"
*/
select line_id, "user" from access
where time >= $start and time < $end and action = 'delete' and status < $least
order by line_id
"""
DELETED = '2026-11-23T10:00:00 192.0.2.7 alice 204 0 "DELETE /api/flow_runs/0a000000-0000-4000-8000-000000000001 HTTP/1.1" "-"'
READ = '2026-11-23T10:00:00 192.0.2.7 alice 200 0 "GET /api/health HTTP/1.1" "-"'
EXAMPLES = f"""
[[fires]]
why = "deleted"
log = '{DELETED}'
rows = 1
expect = [{{ user = "alice" }}]
[[silent]]
why = "read"
log = '{READ}'
"""


@pytest.fixture(scope="module")
def connection():
    opened = query.connect({})
    yield opened
    opened.close()


# Those about identities and about nights have theirs as tests: test_identity_checks.py, tests/nightly/test_operation.py.
ELSEWHERE = {"identity", "operation"}


@pytest.mark.parametrize(
    "check_id",
    sorted(id_ for id_, found in report.checks().items() if found.path.parent.name not in ELSEWHERE),
)
def test_a_check_does_what_its_examples_say(check_id, connection):
    tried = trial.try_check(check_id, report.SHIPPED, connection)
    assert tried.problems == ()
    assert tried.examples


@pytest.fixture
def tried(tmp_path, connection):
    def try_it(check=CHECK, examples=EXAMPLES):
        folder = tmp_path / "checks" / "own"
        folder.mkdir(parents=True)
        (folder / "mine.sql").write_text(check)
        if examples:
            (folder / "mine.examples.toml").write_text(examples)
        return trial.try_check("mine", report.Library(own=(tmp_path,)), connection).problems

    return try_it


def test_a_good_check_has_no_problem(tried):
    assert tried() == ()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("'delete'", "'delet'", "action is never 'delet': did you mean 'delete'?"),
        ("action = 'delete'", "acton = 'delete'", '"acton" not found'),
        ("from access\n", "from acess\n", "acess does not exist"),
        ("status < $least", "status > $least", "found 0, not 1"),
        ("action = 'delete' and status", "status", "found 1, not 0"),
        ('key = ["line_id"]', 'key = ["line"]', "the key line is no column of it"),
        ('time >= $start and time < $end"', 'time >= $end and time < $start"', "its population is 0"),
        ('line_id, "user"', "line_id, 'bob' as \"user\"", "user is 'bob', not 'alice'"),
    ],
)
def test_a_slip_is_found(tried, old, new, problem):
    assert old in CHECK
    assert any(problem in found for found in tried(CHECK.replace(old, new, 1)))


def test_rows_in_no_order_are_found(tried):
    check = CHECK.replace("order by line_id", 'order by "user"')
    twice = EXAMPLES.replace("rows = 1", "rows = 2").replace(f"'{DELETED}'", f'"""\n{DELETED}\n{DELETED}"""')
    assert any("leaves something to chance" in found for found in tried(check, twice))


def test_two_exceptions_of_one_key_are_found(tried):
    check = CHECK.replace('key = ["line_id"]', 'key = ["user"]')
    twice = EXAMPLES.replace("rows = 1", "rows = 2").replace(f"'{DELETED}'", f'"""\n{DELETED}\n{DELETED}"""')
    assert "fires: deleted: two exceptions have the same key" in tried(check, twice)


@pytest.mark.parametrize(
    ("examples", "problem"),
    [
        ("", "it has no example that fires"),
        (EXAMPLES[: EXAMPLES.index("[[silent]]")], "it has no example that is silent"),
        (EXAMPLES.replace("rows = 1", "parameters = { least = 100 }"), "fires: deleted: found 0, not any"),
    ],
)
def test_examples_that_are_missing_or_wrong_are_found(tried, examples, problem):
    assert problem in tried(CHECK, examples)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("why =", "wy =", "unknown key 'wy'"),
        ("rows = 1", "rows = 0", "above 0 if it fires"),
        ("rows = 1", "parameters = { lest = 1 }", "unknown key 'lest'"),
        ("rows = 1", "period = [2026-11-23, 2026-11-24]", "two times with an offset"),
        ("rows = 1", "flow_runs = []", "unknown key 'flow_runs'"),
    ],
)
def test_examples_that_cannot_be_read_are_refused(tried, old, new, problem):
    with pytest.raises(CheckError, match=problem):
        tried(CHECK, EXAMPLES.replace(old, new, 1))


def test_a_record_with_an_unknown_column_is_a_problem(tried):
    examples = EXAMPLES.replace("rows = 1", "rows = 1\nflow_run = [{ nmae = 'x' }]")
    assert any("unknown key 'nmae'" in found for found in tried(CHECK, examples))
