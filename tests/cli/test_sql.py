"""`lpaudit sql`, `tables` and `status`: read-only, exact for programs, safe for eyes."""

import csv
import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from lpaudit.schema import tables as schemas

Lpaudit = Callable[..., subprocess.CompletedProcess[str]]

EVIL = 'a\x1b[31mb\u202ec|d`e<script>"f,g'
LOG = (
    b'192.0.2.1 gw alice [23/Nov/2026:10:15:00 +0000] "GET /a HTTP/1.1" 200 22 "-" "plain"\n'
    b'192.0.2.2 gw bob [23/Nov/2026:10:15:01 +0000] "DELETE /b?x=1 HTTP/1.1" 403 0 "http://r/" '
    b'"a\\x1B[31mb\\xE2\\x80\\xAEc|d`e<script>\\"f,g"\n'
    b"\x1b]0;owned\x07\n"
)


@pytest.fixture
def store(tmp_path: Path, lpaudit: Lpaudit) -> Path:
    """Make a store of two good lines, one of them hostile, and a bad one."""
    (tmp_path / "access.log").write_bytes(LOG)
    assert lpaudit("ingest", "--host", "gw1", "access.log").returncode == 0
    return tmp_path / "lpaudit-store"


def hashes(folder: Path) -> dict[str, str]:
    """Hash every file of a store but for those of the audit trail, to which every question adds."""
    files = (p for p in sorted(folder.rglob("*")) if p.is_file() and folder / "audit_trail" not in p.parents)
    return {str(p): sha256(p.read_bytes()).hexdigest() for p in files}


def test_views_have_the_columns_that_are_promised(store: Path, lpaudit: Lpaudit) -> None:
    promised = (
        'time, time_end, duration_us, client, client_port, "user", method, path, query, status, bytes, '
        "protocol, user_agent, referer, host, source, byte_offset, line_id"
    )
    ran = lpaudit("sql", "--format", "json", f"select {promised} from access order by byte_offset")
    assert ran.returncode == 0, ran.stderr
    good, evil = json.loads(ran.stdout)
    assert good == {
        "time": "2026-11-23T10:15:00Z",
        "time_end": "2026-11-23T10:15:00Z",
        "duration_us": None,
        "client": "192.0.2.1",
        "client_port": None,
        "user": "alice",
        "method": "GET",
        "path": "/a",
        "query": None,
        "status": 200,
        "bytes": 22,
        "protocol": "HTTP/1.1",
        "user_agent": "plain",
        "referer": None,
        "host": "gw1",
        "source": str(store.parent / "access.log"),
        "byte_offset": 0,
        "line_id": good["line_id"],
    }
    assert evil["query"] == "x=1"
    assert evil["user_agent"] == EVIL
    ran = lpaudit("sql", "--format", "json", "select reason, raw, source, byte_offset from quarantine")
    source = str(store.parent / "access.log")
    offset = LOG.rindex(b"\x1b]0")
    expected = {"reason": "no-match", "raw": "\x1b]0;owned\x07", "source": source, "byte_offset": offset}
    assert json.loads(ran.stdout) == [expected]
    ran = lpaudit("sql", "--format", "jsonl", "select count(*) n from access_event")
    assert json.loads(ran.stdout) == {"n": 3}


QUERY = "select user_agent, status from access order by status"


@pytest.mark.usefixtures("store")
class TestFormats:
    def test_json_is_exact_and_safe_at_once(self, lpaudit: Lpaudit) -> None:
        for form in ("json", "jsonl"):
            out = lpaudit("sql", "--format", form, QUERY).stdout
            assert "\x1b" not in out
            assert "\u202e" not in out
            last = json.loads(out)[-1] if form == "json" else json.loads(out.splitlines()[-1])
            assert last == {"user_agent": EVIL, "status": 403}

    def test_csv_to_a_pipe_is_exact(self, lpaudit: Lpaudit) -> None:
        out = lpaudit("sql", "--format", "csv", QUERY, text=False).stdout.decode()
        assert list(csv.reader(io.StringIO(out, newline=""))) == [
            ["user_agent", "status"], ["plain", "200"], [EVIL, "403"]
        ]  # fmt: skip

    @pytest.mark.parametrize("form", ["table", "markdown"])
    def test_what_people_read_has_no_terminal_escapes(self, form: str, lpaudit: Lpaudit) -> None:
        out = lpaudit("sql", "--format", form, QUERY).stdout
        assert "\x1b" not in out
        assert "\u202e" not in out
        assert "x1b[31m" in out.replace("\\", "")

    def test_markdown_keeps_text_text(self, lpaudit: Lpaudit) -> None:
        last = lpaudit("sql", "--format", "markdown", QUERY).stdout.splitlines()[-1]
        assert "<script>" not in last
        assert last.replace("\\|", "").count("|") == 3

    def test_output_file(self, tmp_path: Path, lpaudit: Lpaudit) -> None:
        ran = lpaudit("sql", "--format", "csv", "-o", "out.csv", QUERY)
        assert ran.returncode == 0
        assert ran.stdout == ""
        assert (tmp_path / "out.csv").read_bytes().startswith(b"user_agent,status\r\n")
        assert not list(tmp_path.glob(".*partial"))

    def test_output_file_that_cannot_be_written(self, lpaudit: Lpaudit) -> None:
        ran = lpaudit("sql", "-o", "no/such/dir/out.csv", QUERY)
        assert ran.returncode == 3
        assert "cannot write" in ran.stderr
        assert "Traceback" not in ran.stderr

    def test_output_is_never_put_in_the_place_of_what_is_no_file(
        self, tmp_path: Path, lpaudit: Lpaudit
    ) -> None:
        (tmp_path / "target.csv").write_text("old")
        (tmp_path / "link.csv").symlink_to("target.csv")
        assert lpaudit("sql", "--format", "csv", "-o", "link.csv", "select 1 as one").returncode == 0
        assert (tmp_path / "link.csv").is_symlink()
        assert (tmp_path / "target.csv").read_text() == "one\n1\n"
        os.mkfifo(tmp_path / "pipe")
        with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE) as reader:
            assert lpaudit("sql", "--format", "csv", "-o", "pipe", "select 1 as one").returncode == 0
            assert reader.communicate()[0] == b"one\r\n1\r\n"
        assert (tmp_path / "pipe").is_fifo()
        assert lpaudit("sql", "--format", "csv", "-o", "-", "select 1 as one").stdout == "one\n1\n"

    def test_standard_output_on_a_full_disk(self, tmp_path: Path) -> None:
        for command in (["status"], ["sql", "select 1"], ["--help"], ["tables"]):
            with Path("/dev/full").open("w") as full:
                ran = subprocess.run(
                    [sys.executable, "-m", "lpaudit", *command],
                    cwd=tmp_path,
                    stdout=full,
                    stderr=subprocess.PIPE,
                    text=True,
                    check=False,
                )
            assert ran.returncode == 3, ran.stderr
            assert "no space left on device" in ran.stderr
            assert "Traceback" not in ran.stderr

    def test_query_that_is_not_utf8(self, lpaudit: Lpaudit) -> None:
        for ran in (
            lpaudit("sql", b"select '\xff'".decode("utf-8", "surrogateescape")),
            lpaudit("sql", "-", input=b"select '\xff'", text=False),
        ):
            assert ran.returncode == 2
            assert "not UTF-8" in str(ran.stderr)

    def test_output_that_knows_fewer_characters(self, lpaudit: Lpaudit) -> None:
        ran = lpaudit("sql", "select '☃' as snow", env={"PYTHONIOENCODING": "latin1"})
        assert ran.returncode == 0
        assert "\\u2603" in ran.stdout

    def test_query_from_stdin(self, lpaudit: Lpaudit) -> None:
        assert lpaudit("sql", "--format", "csv", "-", input="select 1 as one").stdout == "one\n1\n"

    def test_closed_pipe_is_success(self, tmp_path: Path) -> None:
        query = "select * from range(200000)"
        command = f"'{sys.executable}' -m lpaudit sql --format csv '{query}' | head -1"
        ran = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {command}"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "range\n", "")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("selec 1", 'syntax error at or near "selec"\n\nLINE 1: selec 1\n        ^'),
        ("select nope from access", 'Referenced column "nope" not found'),
        ("select * from nope", "Table with name nope does not exist"),
        ("", "there is no query"),
        ("select 1; select 2", "one query at a time"),
        ("copy access to 'x.csv'", "COPY is refused"),
        ("explain analyze copy access to 'x.csv'", "EXPLAIN is refused"),
        ("create table x as select 1", "CREATE is refused"),
        ("drop view access", "DROP is refused"),
        ("delete from access_event", "DELETE is refused"),
        ("attach 'x.db'", "ATTACH is refused"),
        ("install httpfs", "refused"),
        ("load httpfs", "LOAD is refused"),
        ("set memory_limit = '1TB'", "SET is refused"),
        ("pragma version", "refused"),
        ("export database 'x'", "EXPORT is refused"),
        ("select * from read_text('/etc/hostname')", "file system operations are disabled"),
        ("select * from read_csv('access.log')", "file system operations are disabled"),
        ("select * from 'access.log'", "does not exist"),
        ("select * from glob('/*')", "file system operations are disabled"),
        ("select getenv('HOME')", "getenv"),
        ("select status from access where status = $x", "parameters: x"),
    ],
)
def test_refused_queries_are_explained_and_change_nothing(
    query: str, said: str, store: Path, lpaudit: Lpaudit
) -> None:
    before = hashes(store)
    ran = lpaudit("sql", query)
    assert ran.returncode == 2, ran.stdout
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
    assert hashes(store) == before
    assert not (store.parent / "x.csv").exists()


def test_filters_on_any_column_see_every_row(sample_logs: Path, lpaudit: Lpaudit) -> None:
    """A reader that skips files by statistics must not skip those whose statistics are not kept.

    What is counted with a filter must be what is counted without one.
    """
    assert lpaudit("ingest", sample_logs / "audit.log.gz", sample_logs / "default.log").returncode == 0
    for condition in ("status in (401, 403)", "\"user\" = 'alice'", "method = 'DELETE'", "client_port > 40000",
                      "time >= '2026-11-23 10:20:00Z'", "source like '%default.log'", "byte_offset > 100"):  # fmt: skip
        query = (
            f"select (select count(*) from access where {condition}) as filtered, "
            f"(select count(*) filter (where {condition}) from (select * from access limit 1000000)) as counted"
        )
        (row,) = json.loads(lpaudit("sql", "--format", "json", query).stdout)
        assert row["filtered"] == row["counted"] > 0, condition


@pytest.mark.usefixtures("store")
class TestValues:
    def test_columns_of_the_same_name(self, lpaudit: Lpaudit) -> None:
        query = "select 1 as a, 2 as a"
        assert lpaudit("sql", "--format", "csv", query, text=False).stdout == b"a,a\r\n1,2\r\n"
        assert json.loads(lpaudit("sql", "--format", "jsonl", query).stdout) == {"a": 1, "a_1": 2}

    @pytest.mark.parametrize(
        "value",
        [
            "'infinity'::timestamp", "'-infinity'::date", "'290000-01-01'::timestamp", "'0044-03-15 (BC)'::date",
            "'2026-01-01 00:00:00.123456789'::timestamp_ns", "'nan'::double", "1e308::double", "interval 1 month",
            "'1010'::bit", "'ab'::blob", "[1,2]", "{'a': 1}", "map {'k': 'v'}", "uuid()", "1.5::decimal(9,2)",
            "170141183460469231731687303715884105727::hugeint", "'10:00'::time", "null", "['infinity'::date]",
            "{'a': '-infinity'::timestamptz}", "[interval '2147483647 days']",
        ],
    )  # fmt: skip
    def test_every_type_has_a_text(self, value: str, lpaudit: Lpaudit) -> None:
        for form in ("table", "csv", "json"):
            ran = lpaudit("sql", "--format", form, f"select {value} as v")
            assert ran.returncode == 0, ran.stderr
        json.loads(ran.stdout)

    def test_interruption_of_a_query(self, tmp_path: Path) -> None:
        running = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "lpaudit",
                "sql",
                "select count(*) from range(100000000) a, range(1000000) b",
            ],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(5)
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=60)
        assert running.returncode == 130
        assert "Traceback" not in errors

    def test_closed_streams(self, tmp_path: Path) -> None:
        for redirection, status in ((">&-", 0), ("2>&-", 0), ("<&-", 0)):
            command = f"'{sys.executable}' -m lpaudit sql 'select 1' {redirection}"
            assert subprocess.run(["sh", "-c", command], cwd=tmp_path, check=False).returncode == status


def test_status_names_segments_that_are_gone(store: Path, lpaudit: Lpaudit) -> None:
    assert json.loads(lpaudit("status", "--format", "json").stdout)["missing_segments"] == []
    (segment,) = (store / "segments").rglob("*.zst")
    segment.unlink()
    missing = json.loads(lpaudit("status", "--format", "json").stdout)["missing_segments"]
    assert missing == [str(segment.relative_to(store))]
    assert "MISSING     1 segment of raw bytes" in lpaudit("status").stdout


def test_store_with_a_missing_file_is_damaged(store: Path, lpaudit: Lpaudit) -> None:
    for file in (store / "access_event").glob("part-*"):
        file.unlink()
    report = ["report", "access", "--from", "2026-11-23", "--to", "2026-11-23", "--out", "out"]
    with (store.parent / "access.log").open("a") as log:
        log.write("one more line\n")
    for command in (
        ["sql", "select count(status) from access"],
        ["status"],
        report,
        ["ingest", "--host", "gw1", "access.log"],
    ):
        ran = lpaudit(*command)
        assert ran.returncode == 3, (command, ran.stderr)
        assert "damaged" in ran.stderr
        assert "hint: " in ran.stderr
        assert "Traceback" not in ran.stderr


def test_store_that_is_not_there(tmp_path: Path, lpaudit: Lpaudit) -> None:
    for command in (["sql", "select 1"], ["status"], ["tables", "--files"]):
        ran = lpaudit(*command)
        assert ran.returncode == 3
        assert "there is no store at" in ran.stderr
        assert "hint: " in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_prompt_on_a_terminal(store: Path) -> None:
    primary, secondary = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "lpaudit", "sql"],
        cwd=store.parent,
        stdin=secondary,
        stdout=secondary,
        stderr=secondary,
        env={**os.environ, "TERM": "dumb"},
    )
    os.close(secondary)
    seen = b""

    def until(text: bytes) -> None:
        nonlocal seen
        deadline = time.monotonic() + 60
        while text not in seen:
            assert time.monotonic() < deadline, seen
            seen += os.read(primary, 4096)

    until(b"lpaudit>")
    os.write(primary, b"select count(*) as how_many\nfrom access;\n")
    until(b"how_many\r\n--------\r\n       2")
    os.write(primary, b"selec 1;\n")
    until(b"syntax error")
    os.write(primary, b"quit\n")
    assert process.wait(timeout=60) == 0
    os.close(primary)


def test_tables_lists_everything_with_descriptions(tmp_path: Path, lpaudit: Lpaudit) -> None:
    listed = {r["name"]: r for r in json.loads(lpaudit("tables", "--format", "json").stdout)}
    for table in schemas().values():
        assert listed[table.name]["description"] == table.description
        for view in table.views:
            assert listed[view.name]["kind"] == "view"
    columns = json.loads(lpaudit("tables", "--format", "json", "access").stdout)
    assert columns[0]["column"] == "time"
    assert all(c["description"] and c["type"] for c in columns)
    ran = lpaudit("tables", "acces")
    assert ran.returncode == 2
    assert "did you mean access?" in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_tables_files_is_the_true_list(store: Path, lpaudit: Lpaudit) -> None:
    (store / "access_event" / "part-left-behind.parquet").write_bytes(b"")
    listed = json.loads(lpaudit("tables", "--files", "--format", "json").stdout)
    assert [r["table"] for r in listed] == ["access_event", "log_format"]
    assert "left-behind" not in str(listed)
    assert all(Path(r["file"]).is_file() for r in listed)


def test_status(store: Path, lpaudit: Lpaudit) -> None:
    status = json.loads(lpaudit("status", "--format", "json").stdout)
    assert (status["lines"], status["access"], status["quarantine"]) == (3, 2, 1)
    assert status["store"] == str(store)
    assert status["store_version"] == 1
    assert status["first_time"] == "2026-11-23T10:15:00Z"
    assert status["last_time"] == "2026-11-23T10:15:01Z"
    assert status["bytes_on_disk"] > 0
    (source,) = status["sources"]
    assert source["source"] == str(store.parent / "access.log")
    assert source["offset"] == len(LOG)
    assert source["lines"] == source["access"] + source["quarantine"] == 3
    shown = lpaudit("status").stdout
    assert "3 = 2 access + 1 quarantine, from 1 source" in shown


def test_sync_takes_a_dump_once(tmp_path: Path, sample_logs: Path, lpaudit: Lpaudit) -> None:
    first = lpaudit("sync", "--from-dump", sample_logs / "prefect")
    assert first.returncode == 0, first.stderr
    assert "flow_run: 447 records" in first.stdout
    assert "nothing new" in lpaudit("sync", "--from-dump", sample_logs / "prefect").stdout
    query = "select count(*) n, count(distinct id) ids, min(state_type) s from flow_run_latest where name is not null"
    rows = json.loads(lpaudit("sql", "--format", "json", query).stdout)
    assert rows[0]["n"] == rows[0]["ids"] == 447
    assert json.loads(lpaudit("status", "--format", "json").stdout)["records"]["event"] == 8503
    (tmp_path / "dump").mkdir()
    (tmp_path / "dump" / "flow_runs.json").write_text("{")
    for folder in ("dump", "nope", "."):
        ran = lpaudit("sync", "--from-dump", folder)
        assert ran.returncode == 3
        assert "hint: " in ran.stderr
        assert "Traceback" not in ran.stderr


def test_exit_statuses_are_in_the_help(lpaudit: Lpaudit) -> None:
    text = " ".join(lpaudit("--help").stdout.split())
    assert (
        "0 done; 1 done, and the answer is no; 2 asked for something impossible; 3 could not finish" in text
    )
    assert "4 a bug in lpaudit; 5 another one is at it; 130 interrupted" in text


def test_an_interruption_that_duckdb_tells_of_is_one(tmp_path: Path) -> None:
    """Ctrl-C while DuckDB asks Python for rows: its error has nothing of it but the name."""
    code = (
        "import duckdb, pyarrow as pa, pyarrow.dataset as ds, lpaudit.pipeline, lpaudit.__main__ as m\n"
        "class Pressed(ds.InMemoryDataset):\n"
        "    def scanner(self, *_, **__): raise KeyboardInterrupt\n"
        "    def count_rows(self, *_, **__): raise KeyboardInterrupt\n"
        "def status(*_, **__):\n"
        "    connection = duckdb.connect()\n"
        "    connection.register('x', Pressed(pa.table({'a': [1]})))\n"
        "    connection.execute('select count(*) from x').fetchall()\n"
        "lpaudit.pipeline.status = status\n"
        "import sys; sys.exit(m.run(['status']))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 130, ran.stderr
    assert "interrupted; what was committed stays" in ran.stderr
    assert "bug" not in ran.stderr


def test_a_bug_is_four(tmp_path: Path) -> None:
    """A bug: an exception that no user can cause. It is provoked by breaking the program."""
    code = (
        "import lpaudit.pipeline, lpaudit.__main__ as m\n"
        "lpaudit.pipeline.status = None\n"
        "import sys; sys.exit(m.run(['status']))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 4
    assert "this is a bug in lpaudit" in ran.stderr


@pytest.mark.parametrize("row_format", ["table", "csv", "json", "markdown"])
def test_a_difference_of_times_is_written_as_duckdb_writes_it(row_format, lpaudit, tmp_path) -> None:
    spans = [
        "interval 0 second",
        "interval 792263027 microsecond",
        "interval 26 month",
        "-interval 14 month",
        "interval 1 day + interval 2 hour",
        "-interval 500 millisecond",
        "interval 100 hour",
    ]
    query = " union all ".join(f"select {n} as n, {one} as span" for n, one in enumerate(spans))
    written = f"select span, span::varchar as text from ({query}) order by n"
    ran = lpaudit("sql", "--format", row_format, written, "--store", made(lpaudit, tmp_path))
    assert ran.returncode == 0, ran.stderr
    assert "MonthDayNano" not in ran.stdout
    if row_format == "json":
        assert [row["span"] for row in json.loads(ran.stdout)] == [
            row["text"] for row in json.loads(ran.stdout)
        ]
    else:
        assert ran.stdout.count("00:13:12.263027") == 2


def made(lpaudit, folder):
    """Return a store with one line."""
    (folder / "one.log").write_bytes(
        b'1.2.3.4 h - [23/Nov/2026:10:15:00 +0000] "GET / HTTP/1.1" 200 2 "-" "-"\n'
    )
    assert (
        lpaudit("ingest", "-q", "--host", "gw1", "--store", folder / "one", folder / "one.log").returncode
        == 0
    )
    return folder / "one"


@pytest.mark.parametrize(
    "query",
    [
        *("select nosuch from access", "select cast('x' as int)", "select * from access where time > 'foo'"),
        *("selec 1", "select sum(path) from access", "select (select 1 union all select 2)"),
        "select nosuch.x",
    ],
)
def test_what_is_wrong_with_a_query_comes_with_a_hint(query, lpaudit, tmp_path) -> None:
    ran = lpaudit("sql", query, "--store", made(lpaudit, tmp_path))
    assert ran.returncode == 2, ran.stderr
    assert "hint:" in ran.stderr
