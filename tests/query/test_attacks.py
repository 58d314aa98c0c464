"""SQL that wants to write, to look elsewhere, or to take the machine: refused, or ended in time.

Every attack is asked of the same connection, as the shell and checks of users do; whether it left a trace
is seen at the bytes of the store and of the directory that it ran in.
"""

import os
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest

from lpaudit import console, pipeline, shell
from lpaudit.errors import LpauditError, QueryError, QueryLimit
from lpaudit.query import connect

SECRET = "CANARY-7f3a91"
LOG = b'192.0.2.1 gw alice [23/Nov/2026:10:15:00 +0000] "GET /a HTTP/1.1" 200 22 "-" "plain"\n'
N = 10_000

REFUSED = {
    "copy to csv": "copy (select 1) to 'x.csv'",
    "copy a table": "copy access_event to 'x.csv' (header)",
    "copy to parquet": "copy access to 'x.parquet' (format parquet)",
    "copy partitioned": "copy access to 'x' (format parquet, partition_by (method))",
    "copy to stdout": "copy (select 1) to '/dev/stdout'",
    "copy into the store": "copy (select 1) to 'lpaudit-store/access_event/part.parquet'",
    "copy from": "copy access_event from 'canary.csv'",
    "copy from a database": "copy from database memory to memory",
    "copy in a with": "with x as (copy (select 1) to 'x.csv') select * from x",
    "export": "export database 'x'",
    "import": "import database 'x'",
    "attach": "attach 'x.db' as x",
    "attach memory": "attach ':memory:' as x",
    "detach": "detach memory",
    "use": "use memory",
    "install": "install httpfs",
    "force install": "force install httpfs",
    "install from": "install x from 'http://127.0.0.1:9'",
    "load": "load httpfs",
    "load a file": "load './x.duckdb_extension'",
    "update extensions": "update extensions",
    "pragma": "pragma version",
    "pragma that profiles into a file": "pragma profiling_output='x.json'",
    "pragma that executes": "pragma json_execute_serialized_sql('x')",
    "set": "set memory_limit = '1TB'",
    "set global": "set global enable_external_access = true",
    "set session": "set session threads = 1000",
    "set lock": "set lock_configuration = false",
    "set variable": "set variable x = 1",
    "reset": "reset memory_limit",
    "call": "call enable_logging()",
    "call that looks harmless": "call pragma_version()",
    "checkpoint": "checkpoint",
    "force checkpoint": "force checkpoint",
    "vacuum": "vacuum",
    "analyze": "analyze",
    "create table": "create table x as select 1",
    "create temporary table": "create temp table x as select 1",
    "create view": "create or replace temp view access as select 1",
    "create macro": "create macro x() as 1",
    "create secret": "create persistent secret s (type s3, key_id 'a', secret 'b')",
    "create type": "create type x as enum ('a')",
    "create sequence": "create sequence x",
    "create schema": "create schema x",
    "insert": "insert into access_event select * from access_event",
    "update": "update access_event set host_name = 'x'",
    "delete": "delete from access_event",
    "merge": "merge into access_event using (select 1) on true when matched then delete",
    "drop": "drop view access",
    "alter": "alter view access rename to x",
    "truncate": "truncate access_event",
    "comment": "comment on view access is 'x'",
    "prepare": "prepare p as select 1",
    "execute": "execute p",
    "deallocate": "deallocate p",
    "begin": "begin",
    "commit": "commit",
    "explain": "explain select 1",
    "explain analyze of a write": "explain analyze copy access to 'x.csv'",
    "insert in a with": "with x as (insert into access_event select * from access_event returning *) from x",
    "delete in a with": "with x as (delete from access_event returning *) select * from x",
    "two statements": "select 1; copy (select 1) to 'x.csv'",
    "second behind a comment": "select 1 /* ; */ ; -- x\n drop view access",
    "second behind a Greek question mark": "select 1 \u037e drop view access",
    "second behind a fullwidth semicolon": "select 1 \uff1b drop view access",
    "second in query()": "select * from query('select 1; drop view access')",
    "write in query()": "select * from query('copy (select 1) to ''x.csv''')",
    "read in query()": "select * from query('from read_text(''canary.csv'')')",
    "query_table of a file": "select * from query_table('canary.csv')",
    "query_table of files": "select * from query_table(['canary.csv', 'canary.json'])",
    "nul": "select 1 \x00; drop view access",
    "read_text": "select * from read_text('canary.csv')",
    "read_blob": "select * from read_blob('canary.csv')",
    "read_csv": "select * from read_csv('canary.csv')",
    "read_parquet": "select * from read_parquet('canary.parquet')",
    "parquet_scan": "select * from parquet_scan(['canary.parquet'])",
    "read_json": "select * from read_json('canary.json')",
    "read_json_objects": "select * from read_json_objects('canary.json')",
    "read_duckdb": "select * from read_duckdb('x.db', table_name := 't')",
    "glob": "select * from glob('*')",
    "parquet_metadata": "select * from parquet_metadata('canary.parquet')",
    "parquet_schema": "select * from parquet_schema('canary.parquet')",
    "parquet_kv_metadata": "select * from parquet_kv_metadata('canary.parquet')",
    "sniff_csv": "select * from sniff_csv('canary.csv')",
    "a file as a table": "select * from 'canary.csv'",
    "a quoted file as a table": 'select * from "canary.json"',
    "from first": "from 'canary.csv'",
    "another user's file": "from read_text('/etc/shadow')",
    "the process": "from read_text('/proc/self/environ')",
    "a device": "from read_blob('/dev/zero')",
    "describe a file": "describe 'canary.csv'",
    "summarize a file": "summarize 'canary.csv'",
    "a file in a subquery": "select (select a from 'canary.csv')",
    "a file in a lateral join": "select * from access, lateral (from 'canary.csv')",
    "a file as a table statement": "table 'canary.csv'",
    "a pivoted file": "pivot 'canary.csv' on a in ('x') using count(*)",
    "an unpivoted file": "unpivot 'canary.csv' on a",
    "a file beside others": "from range(3) t(x) positional join 'canary.csv'",
    "describe what reads": "describe select * from 'canary.csv'",
    "summarize what reads": "summarize select * from read_csv('canary.csv')",
    "a file as a URL": "from 'file:///etc/passwd'",
    "a quoted file as a URL": 'from "file:///etc/passwd"',
    "a name that is put together": "from range(1), lateral (select * from read_text('/etc/' || 'passwd'))",
    "a name that is asked for": "from read_text((select '/etc/passwd'))",
    "read_csv_auto": "from read_csv_auto('/etc/passwd')",
    "read_ndjson_auto": "from read_ndjson_auto('canary.json')",
    "parquet_file_metadata": "from parquet_file_metadata('canary.parquet')",
    "parquet_full_metadata": "from parquet_full_metadata('canary.parquet')",
    "parquet_bloom_probe": "from parquet_bloom_probe('canary.parquet', 'a', 1)",
    "a directory of extensions": "from duckdb_extensions()",
    "what completes names of files": "from sql_auto_complete('from ''/etc/')",
    "pragma_last_profiling_output": "from pragma_last_profiling_output()",
    "tables without end": "from dbgen(sf = 1000)",
    "a spreadsheet": "from read_xlsx('canary.csv')",
    "a setting in a select": "select set_config('memory_limit', '1TB')",
    "a sequence": "select nextval('x')",
    "execute immediate": "execute immediate 'select 1'",
    "getenv": "select getenv('CANARY')",
    "http": "select * from read_text('http://127.0.0.1:9/x')",
    "https": "select * from 'https://127.0.0.1:9/x.csv'",
    "s3": "select * from read_parquet('s3://bucket/x')",
    "sqlite": "select * from sqlite_scan('x', 'y')",
    "postgres": "select * from postgres_scan('host=127.0.0.1', 'p', 't')",
    "delta": "select * from delta_scan('lpaudit-store/access_event')",
    "iceberg": "select * from iceberg_scan('x')",
    "a name of Python": "select * from canary",
    "a name of Python's module": "select * from REFUSED",
    "pandas_scan": "select * from pandas_scan(140000000000000)",
    "arrow_scan": "select * from arrow_scan(140000000000000, 140000000000000, 140000000000000)",
    "arrow_scan of a pointer": "select * from arrow_scan(1::pointer, 1::pointer, 1::pointer)",
    "python_map_function": "select * from python_map_function((select 1))",
    "json plan": """from json_execute_serialized_sql('{"error":false,"statements":[{}]}')""",
    "a written plan": "from json_execute_serialized_sql(json_serialize_sql('copy (select 1) to ''x.csv'''))",
    "a plan that reads": "from json_execute_serialized_sql(json_serialize_sql('from ''canary.csv'''))",
    "enable_logging": "select * from enable_logging()",
    "enable_profiling": "select * from enable_profiling()",
    "force_checkpoint": "select * from force_checkpoint()",
    "setvariable": "select setvariable('x', 1)",
    "select into": "select 1 as a into x",
    "pivot that makes a type": "pivot access on method using count(*)",
    "parentheses": f"select {'(' * N}1{')' * N}",
    "brackets": f"select {'[' * N}1{']' * N}",
    "functions": f"select {'abs(' * N}1{')' * N}",
    "cases": f"select {'case when true then ' * N}1{' end' * N}",
    "subqueries": f"select * from {'(select * from ' * N}range(1){')' * N}",
    "sums": f"select 1{'+1' * N}",
    "casts": f"select 1{'::int' * N}",
    "negations": f"select {'not ' * N}true",
    "signs": f"select {'- ' * N}1",
    "a string of many bytes": "select length(repeat('x', 100000000000))",
    "a list of many numbers": "select range(100000000000)",
}
HARMLESS = {
    "two semicolons": "select 1 as a;;",
    "a semicolon in a comment": "select 1 as a -- ; drop view access",
    "a line separator in a comment": "select 1 as a -- \u2028 ; drop view access",
    "a semicolon in a text": "select '; drop view access' as a",
    "secrets": "select * from duckdb_secrets()",
    "which_secret": "from which_secret('s3://bucket/x', 's3')",
    "settings": "select * from duckdb_settings()",
    "variables": "select * from duckdb_variables() where name = 'canary'",
    "directories": "select current_setting('secret_directory'), current_setting('temp_directory')",
    "values that Python has no words for": "select * from test_all_types()",
    "databases": "select * from duckdb_databases()",
    "sizes": "from pragma_database_size()",
    "what was logged": "from duckdb_logs",
    "files that are cached": "from duckdb_external_file_cache()",
    "proxies": "select current_setting('http_proxy_password'), current_setting('home_directory')",
    "a log": f"select write_log('{SECRET[:3]}')",
    "getvariable": "select getvariable('CANARY')",
    "parentheses around a query": f"{'(' * N}select 1 as a{')' * N}",
    "a pivot with values": "pivot (select 1 as a, 2 as b) on a in (1) using sum(b)",
    "a regular expression": r"select regexp_matches(repeat('a', 100000) || '!', '^(a+)+$')",
    "a nested text as JSON": "select json_valid(repeat('[', 100000))",
    "describe": "describe access",
    "show": "show tables",
}
BOUNDED = {
    "recursion without end": "with recursive t(x) as (select 1 union all select x + 1 from t) select count(*) from t",
    "recursion that doubles": "with recursive t(x) as (select 'a' union all select x || x from t) select length(x) from t",
    "cross join": "select count(*) from range(100000000) a, range(1000000) b",
    "cross join that is sorted": "select a.range from range(100000000) a, range(1000000) b order by hash(a.range)",
    "many groups": "select range, count(*) from range(1000000000) group by 1 order by 2",
    "many different": "select count(distinct range) from range(1000000000)",
    "one list of all": "select list(range) from range(10000000000)",
    "one text of all": "select length(string_agg(repeat('x', 1000000), '')) from range(100000)",
    "sleep": "select sleep_ms(100000)",
    "sleep like PostgreSQL": "select pg_sleep(100000)",
}
UNSTOPPABLE = {
    "a plan that doubles": "with "
    + ", ".join(f"a{n} as (from {f'a{n - 1} x, a{n - 1} y' if n else 'range(2)'})" for n in range(60))
    + " select count(*) from a59",
}
"""What DuckDB does not stop, however often it is interrupted: only its parent can."""

BOMBS = {
    "a function that takes long": "select levenshtein(repeat('a', 1000000), repeat('b', 1000000))",
    "texts that double": "with "
    + ", ".join(f"a{n} as (select {f'v || v as v from a{n - 1}' if n else '1 as v'})" for n in range(40))
    + " select v from a39",
    "a text": "select length(repeat('x', 4000000000))",
    "a number with many digits": "select length(printf('%2000000000d', 1))",
    "padding": "select lpad('x', 2000000000, 'y')",
    "a list": "select count(*) from unnest(range(1000000000))",
    "a hash": "select sha256(repeat('x', 1000000000))",
    "many statements in a text": "select json_serialize_sql(repeat('select 1;', 1000000))",
    "a list that is made larger": "select len(list_resize([1], 2000000000, 1))",
    "a list of values": f"select 1 in ({','.join(map(str, range(1000000)))})",
    "a comparison": "select levenshtein(repeat('a', 3000000000), 'a')",
}


def hashes(folder):
    """What everything holds, but for the trail: that somebody asked is to be there."""
    files = (p for p in folder.rglob("*") if p.is_file() and "audit_trail" not in p.parts)
    return {str(p): sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def place(tmp_path_factory, nursery):
    """A directory with a store and files that hold a secret."""
    where = tmp_path_factory.mktemp("attacked")
    (where / "access.log").write_bytes(LOG)
    environment = {"HOME": str(where), "PATH": os.environ["PATH"]}
    status, _, errors = nursery.run(["ingest", "--host", "gw1", "access.log"], where, environment, None, 60)
    assert status == 0, errors
    (where / "canary.csv").write_text(f"a\n{SECRET}\n")
    (where / "canary.json").write_text(f'{{"a": "{SECRET}"}}\n')
    import pyarrow.parquet as pq

    pq.write_table(
        pq.read_table(next((where / "lpaudit-store" / "access_event").glob("*.parquet"))),
        where / "canary.parquet",
    )
    return where


@pytest.fixture
def ask(place, monkeypatch, capsys):
    """Ask as the shell does; what came of it is the text that a person would see."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("CANARY", SECRET)
    canary = [SECRET]  # a variable that a query could name
    before = hashes(place)
    with pipeline.opened("lpaudit-store") as (connection, _):

        def answer(sql, seconds=20.0):
            error = None
            try:
                shell.answer(connection, sql, console.WRITERS["json"], None, seconds)
            except LpauditError as failed:
                error = failed
            seen = capsys.readouterr().out + (f"{error.message}{error.hint}" if error else "")
            assert canary[0] not in seen
            assert os.environ["HOME"] not in seen
            return error

        yield answer
        # The connection is what it was.
        assert connection.select("select count(*) as n from access").to_pylist() == [{"n": 1}]
    assert hashes(place) == before


def test_what_is_no_question_to_the_store_is_refused(ask):
    wrong = {}
    for name, sql in REFUSED.items():
        error = ask(sql)
        if not isinstance(error, QueryError):
            wrong[name] = repr(error)
    assert wrong == {}


def test_what_looks_dangerous_and_is_not_is_answered(ask):
    assert {name: error for name, sql in HARMLESS.items() if (error := ask(sql)) is not None} == {}


@pytest.mark.parametrize("name", BOUNDED)
def test_what_takes_too_much_is_ended(name):
    connection = connect({})
    begun = time.monotonic()
    with pytest.raises(QueryLimit):
        connection.select(BOUNDED[name], seconds=0.4)
    assert time.monotonic() - begun < 30
    connection.close()


def test_rows_that_do_not_end_are_ended():
    """Each of its batches is made in no time."""
    connection = connect({})
    _, batches = connection.stream("select a.range from range(100000000) a, range(1000000) b", seconds=0.5)
    with pytest.raises(QueryLimit, match=r"longer than 0\.5 seconds"):
        for _ in batches:
            pass
    connection.close()


@pytest.mark.parametrize("name", UNSTOPPABLE)
def test_what_nothing_stops_is_ended_with_its_process(name, place, lpaudit):
    before = hashes(place)
    ran = lpaudit("sql", "--timeout", "1", UNSTOPPABLE[name], cwd=place)
    assert ran.returncode == 3, ran.stderr
    assert ran.stdout == ""
    assert "took longer than 1 seconds" in ran.stderr
    assert "hint: " in ran.stderr
    assert hashes(place) == before


@pytest.mark.soak
@pytest.mark.parametrize("name", BOMBS)
def test_memory_and_time_of_bombs_are_bounded(name, place):
    """Whatever the allocations are in, the process that makes them has no more than 4 GiB, or ends in time."""
    ran = subprocess.run(
        [sys.executable, "-c", MEASURED, "sql", "--timeout", "3", "-"],
        cwd=place, input=BOMBS[name], capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    status, seconds, peak = map(float, ran.stdout.splitlines()[-1].split())
    assert status == 3, ran.stderr
    assert seconds < 20
    assert peak < 5.5 * (1 << 30)


MEASURED = """
import resource, subprocess, sys, time
begun = time.monotonic()
status = subprocess.run([sys.executable, "-m", "lpaudit", *sys.argv[1:]]).returncode
print(status, time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10)
"""

GUARDED = """
import os, signal, sys, time
from lpaudit import guard
from lpaudit.errors import QueryLimit
try:
    guard.watch(256 << 20)
    {inside}
except guard.Ended as ended:
    print("ended", ended.status)
except QueryLimit as limit:
    print("limit", limit.message)
"""


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        ("sys.exit(7)", "ended 7"),
        ("held = bytes(b'x') * (1 << 30); time.sleep(60)", "limit the query needs more memory than 0 GiB"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "limit the process that asked was ended (SIGSEGV)"),
        ("with guard.limited(-1.5, 2): time.sleep(60)", "limit the query took longer than 2 seconds"),
    ],
)
def test_the_parent_says_what_became_of_its_child(inside, said):
    assert watched(inside) == said + "\n"


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("held = bytes(b'x') * (1 << 30); time.sleep(60)", "the query needs more memory than 0 GiB"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "the process that asked was ended (SIGSEGV)"),
        ("with guard.limited(-1.5, 2): time.sleep(60)", "the query took longer than 2 seconds"),
    ],
)
def test_what_a_child_was_ended_for_is_left_out_by_the_next(what, said):
    inside = f"""folder = guard.scratch()
    print(folder.__enter__(), flush=True)
    with guard.asking("good"): pass
    try:
        with guard.asking("bad"):
            {what}
    except QueryLimit as limit:
        print("refused", limit.message)
    sys.exit(3)"""
    first, _second, *rest = watched(inside).splitlines()
    assert rest == [f"refused {said}", "ended 3"]
    assert not Path(first).exists()


def watched(inside):
    ran = subprocess.run(
        [sys.executable, "-c", GUARDED.format(inside=inside)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert not ran.stderr
    return ran.stdout


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_running_when_the_parent_is_ended(sent):
    inside = "print(os.getpid(), flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", GUARDED.format(inside=inside)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as parent:
        child = int(parent.stdout.readline())
        assert child != parent.pid
        parent.send_signal(sent)
        parent.wait(timeout=10)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
