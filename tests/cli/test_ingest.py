"""`lpaudit ingest` as a person runs it: what is stored, what is said, and with which exit status."""

import bz2
import gzip
import json
import lzma
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.stores import stored_bytes, stored_rows

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Lpaudit = Callable[..., subprocess.CompletedProcess[str]]

GOOD = b'192.0.2.%d gw alice [23/Nov/2026:10:15:%02d +0000] "GET /api/health HTTP/1.1" 200 22 "-" "-"\n'


def lines(count: int, start: int = 0) -> bytes:
    """Good lines in lighttpd's default format."""
    return b"".join(GOOD % (number % 256, number % 60) for number in range(start, start + count))


def counts(lpaudit: Lpaudit, store: str = "lpaudit-store") -> tuple[int, int]:
    """Return how many rows are in access and in quarantine."""
    ran = lpaudit("status", "--store", store, "--format", "json")
    assert ran.returncode == 0, ran.stderr
    status = json.loads(ran.stdout)
    return status["access"], status["quarantine"]


def clean(ran: subprocess.CompletedProcess[str], status: int) -> None:
    """An error that a user can cause: its exit status, one line, a hint, and no traceback."""
    assert ran.returncode == status, ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stderr.startswith("lpaudit: ")
    assert "\nhint: " in ran.stderr


def test_second_run_adds_nothing_and_says_so(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "access.log").write_bytes(lines(10))
    first = lpaudit("ingest", "access.log")
    assert first.returncode == 0
    assert "ingested 10 lines from 1 source: 10 access, 0 quarantine" in first.stdout
    assert "next: lpaudit sql" in first.stdout
    before = sorted(p for p in (tmp_path / "lpaudit-store").rglob("*"))
    second = lpaudit("ingest", "access.log")
    assert second.returncode == 0
    assert "nothing new in 1 source" in second.stdout
    assert sorted(p for p in (tmp_path / "lpaudit-store").rglob("*")) == before


def test_growing_file_is_read_on_from_where_it_ended(tmp_path: Path, lpaudit: Lpaudit) -> None:
    log = tmp_path / "access.log"
    log.write_bytes(lines(10))
    assert lpaudit("ingest", "access.log").returncode == 0
    with log.open("ab") as file:
        file.write(lines(5, start=10))
    assert "ingested 5 lines" in lpaudit("ingest", "access.log").stdout
    assert stored_bytes(tmp_path / "lpaudit-store") == {str(log): lines(15)}
    assert [r["line_number"] for r in stored_rows(tmp_path / "lpaudit-store")] == list(range(1, 16))


def committed(store: Path) -> list[int]:
    """Return how many segments each commit has added to access_event."""
    found = []
    for entry in sorted((store / "access_event" / "_delta_log").glob("*.json")):
        told = [json.loads(line).get("commitInfo", {}) for line in entry.read_text().splitlines()]
        found += [len(json.loads(one["segments"])) for one in told if "segments" in one]
    return found


def test_segments_of_a_file_are_committed_together_more_and_more(tmp_path: Path, lpaudit: Lpaudit) -> None:
    log, each = tmp_path / "access.log", lines(1)
    log.write_bytes(lines(20))
    env = {"LPAUDIT_SEGMENT_BYTES": str(len(each) + 4)}
    assert "ingested 20 lines" in lpaudit("ingest", "access.log", env=env).stdout
    assert committed(tmp_path / "lpaudit-store") == [1, 2, 4, 8, 5]
    assert stored_bytes(tmp_path / "lpaudit-store") == {str(log): lines(20)}
    assert [r["line_number"] for r in stored_rows(tmp_path / "lpaudit-store")] == list(range(1, 21))


def test_line_ids_are_the_same_in_another_store_and_after_rotation(tmp_path: Path, lpaudit: Lpaudit) -> None:
    log = tmp_path / "access.log"
    log.write_bytes(lines(10))
    assert lpaudit("ingest", "--store", "one", "access.log").returncode == 0
    log.rename(tmp_path / "access.log.1")
    (tmp_path / "access.log.2.gz").write_bytes(gzip.compress(lines(10)))
    for name, store in (("access.log.1", "two"), ("access.log.2.gz", "three")):
        assert lpaudit("ingest", "--store", store, name).returncode == 0
    ids = [[r["line_id"] for r in stored_rows(tmp_path / store)] for store in ("one", "two", "three")]
    assert len(set(ids[0])) == 10
    assert ids[0] == ids[1] == ids[2]
    assert "nothing new" in lpaudit("ingest", "--store", "one", "access.log.1", "access.log.2.gz").stdout


@pytest.mark.parametrize(
    ("name", "compress"),
    [
        ("access.log.gz", gzip.compress),
        ("access.log.zst", zstd.compress),
        ("access.log.bz2", bz2.compress),
        ("access.log.xz", lzma.compress),
        ("access.log.old", gzip.compress),  # the bytes tell, not the name
        ("plain.gz", bytes),
    ],
)
def test_compressed_files(
    name: str, compress: Callable[[bytes], bytes], tmp_path: Path, lpaudit: Lpaudit
) -> None:
    (tmp_path / name).write_bytes(compress(lines(7)))
    ran = lpaudit("ingest", name)
    assert ran.returncode == 0, ran.stderr
    assert stored_bytes(tmp_path / "lpaudit-store") == {str(tmp_path / name): lines(7)}
    assert "nothing new" in lpaudit("ingest", name).stdout


def test_rest_of_a_compressed_file_that_was_read_in_part(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "access.log").write_bytes(lines(10))
    assert lpaudit("ingest", "access.log").returncode == 0
    (tmp_path / "access.log.1.gz").write_bytes(gzip.compress(lines(25)))
    assert "ingested 15 lines" in lpaudit("ingest", "access.log.1.gz").stdout
    assert counts(lpaudit) == (25, 0)


def test_older_copy_of_a_file_adds_nothing(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "access.log").write_bytes(lines(10))
    (tmp_path / "copy.log").write_bytes(lines(4))
    assert lpaudit("ingest", "access.log").returncode == 0
    assert "nothing new" in lpaudit("ingest", "copy.log").stdout
    assert counts(lpaudit) == (10, 0)


def test_files_that_begin_alike_are_two_sources(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "a.log").write_bytes(lines(3) + lines(3, start=50))
    (tmp_path / "b.log").write_bytes(lines(3) + lines(4, start=20))
    ran = lpaudit("ingest", "a.log", "b.log")
    assert ran.returncode == 0
    assert "begins like another source, but goes on differently" in ran.stdout
    assert counts(lpaudit) == (13, 0)
    assert "nothing new" in lpaudit("ingest", "b.log", "a.log").stdout


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_stdin_twice_adds_once(compress: Callable[[bytes], bytes], tmp_path: Path, lpaudit: Lpaudit) -> None:
    data = compress(lines(10))
    ran = lpaudit("ingest", "-", input=data, text=False)
    assert ran.returncode == 0, ran.stderr
    assert b"nothing new" in lpaudit("ingest", "-", input=data, text=False).stdout
    grown = lpaudit("ingest", "-", input=compress(lines(12)), text=False)
    assert b"ingested 2 lines" in grown.stdout
    other = lpaudit("ingest", "-", input=compress(lines(1) + lines(5, start=30)), text=False)
    assert b"ingested 6 lines" in other.stdout
    assert counts(lpaudit) == (18, 0)
    assert len(stored_rows(tmp_path / "lpaudit-store")) == 18


def test_every_line_is_a_row_also_blank_and_broken_ones(tmp_path: Path, lpaudit: Lpaudit) -> None:
    broken = b"\n  \ngarbage\n\x00\x00\ncaf\xe9\n" + b"x" * (2 << 20) + b"\n"
    bad_time = b'192.0.2.1 gw - [31/Feb/2026:10:15:00 +0000] "GET / HTTP/1.1" 200 1 "-" "-"\n'
    (tmp_path / "access.log").write_bytes(lines(2) + broken + bad_time + lines(2))
    ran = lpaudit("ingest", "access.log")
    assert ran.returncode == 0
    assert "7 rejected" in ran.stdout
    assert "quarantine" in ran.stdout
    assert "\0" not in ran.stdout
    rows = stored_rows(tmp_path / "lpaudit-store")
    reasons = [r["reject_reason"] for r in rows]
    assert reasons == [
        None, None, "blank", "blank", "no-match", "nul-bytes", "invalid-utf8", "too-long", "bad-timestamp", None, None
    ]  # fmt: skip
    assert [r["raw"] for r in rows[2:7]] == ["", "  ", "garbage", "\x00\x00", "caf\\xe9"]
    assert rows[7]["byte_length"] == (2 << 20) + 1
    assert rows[8]["raw"] == bad_time.decode().rstrip("\n")
    assert rows[8]["client_address"] is None
    assert all(r["raw"] is None for r in rows if r["reject_reason"] is None)


def test_last_line_without_its_end_waits(tmp_path: Path, lpaudit: Lpaudit) -> None:
    log = tmp_path / "access.log"
    log.write_bytes(lines(3)[:-10])
    ran = lpaudit("ingest", "access.log")
    assert ran.returncode == 0
    assert "a last line without its end" in ran.stdout
    assert counts(lpaudit) == (2, 0)
    log.write_bytes(lines(3))
    assert "ingested 1 line from" in lpaudit("ingest", "access.log").stdout
    assert counts(lpaudit) == (3, 0)


def test_last_line_without_its_end_is_taken_when_the_file_is_final(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "access.log").write_bytes(lines(3)[:-1])
    assert lpaudit("ingest", "--final", "access.log").returncode == 0
    assert counts(lpaudit) == (3, 0)
    (row,) = [r for r in stored_rows(tmp_path / "lpaudit-store") if r["parse_note"]]
    assert (row["line_number"], row["parse_note"]) == (3, "no-line-end")
    # A compressed file does not grow; a pipe may have been cut.
    (tmp_path / "access.log.gz").write_bytes(gzip.compress(lines(3)[:-1]))
    assert lpaudit("ingest", "--store", "two", "access.log.gz").returncode == 0
    assert counts(lpaudit, "two") == (3, 0)
    cut = lpaudit("ingest", "--store", "three", "-", input=lines(3)[:-1].decode())
    assert "a last line without its end" in cut.stdout
    assert counts(lpaudit, "three") == (2, 0)
    assert lpaudit("ingest", "--store", "three", "-", input=lines(4).decode()).returncode == 0
    assert counts(lpaudit, "three") == (4, 0)


def test_directories_and_globs(tmp_path: Path, lpaudit: Lpaudit) -> None:
    logs = tmp_path / "logs"
    (logs / "old").mkdir(parents=True)
    (logs / "access.log").write_bytes(lines(3))
    (logs / "old" / "access.log.1").write_bytes(lines(4, start=10))
    (logs / ".hidden").write_bytes(lines(5, start=20))
    (logs / "error.log").write_text("2026-11-23 10:13:43: (server.c.1704) server started (lighttpd/1.4.69)\n")
    ran = lpaudit("ingest", "--kind", "access", "logs")
    assert ran.returncode == 0, ran.stderr
    assert "error.log: 0 new lines, lighttpd's error log, not an access log: skipped" in ran.stdout
    assert counts(lpaudit) == (7, 0)
    assert "nothing new in 2 sources" in lpaudit("ingest", "logs/**/access.log*").stdout


def test_formats_are_told_by_the_lines(tmp_path: Path, sample_logs: Path, lpaudit: Lpaudit) -> None:
    ran = lpaudit("ingest", *(sample_logs / n for n in ("default.log", "audit.json.log", "audit.log.gz")))
    assert ran.returncode == 0, ran.stderr
    formats = {Path(r["source"]).name: r["log_format"] for r in stored_rows(tmp_path / "lpaudit-store")}
    assert formats == {"default.log": "default", "audit.json.log": "auditjson", "audit.log.gz": "audit"}


def test_format_that_only_looks_alike_is_not_taken(tmp_path: Path, lpaudit: Lpaudit) -> None:
    """Apache's vhost_combined: its virtual host stands where ours has the client."""
    (tmp_path / "access.log").write_bytes(b"example.com:80 " + lines(1))
    ran = lpaudit("ingest", "access.log")
    clean(ran, 3)
    assert "in none of the known formats" in ran.stderr


def test_format_string_and_escaping(tmp_path: Path, sample_logs: Path, lpaudit: Lpaudit) -> None:
    frac = '%{begin:sec}t.%{begin:msec_frac}t %{end:msec}t %T %D "%r" %s'
    assert lpaudit("ingest", "--log-format", frac, sample_logs / "frac.log").returncode == 0
    assert counts(lpaudit) == (331, 0)
    (tmp_path / "json.log").write_text('{"ua":"Z\\u000bü"}\n')
    ran = lpaudit("ingest", "--log-format", '{"ua":"%{User-Agent}i"}', "--escaping", "json", "json.log")
    assert ran.returncode == 0, ran.stderr
    agents = {r["user_agent_original"] for r in stored_rows(tmp_path / "lpaudit-store")}
    assert "Z\x0bü" in agents


def test_dry_run_stores_nothing(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "access.log").write_bytes(lines(3))
    ran = lpaudit("ingest", "--dry-run", "access.log")
    assert "read 3 lines from 1 source" in ran.stdout
    (tmp_path / "empty").mkdir()
    assert lpaudit("ingest", "--dry-run", "--store", "empty", "access.log").returncode == 0
    clean(lpaudit("ingest", "--dry-run", "--store", "access.log", "access.log"), 3)
    assert not (tmp_path / "lpaudit-store").exists()


def test_dry_run_does_not_say_that_anything_is_stored(tmp_path: Path, lpaudit: Lpaudit) -> None:
    """Neither of a log that breaks off, nor of lines that no format fits."""
    (tmp_path / "access.log.gz").write_bytes(gzip.compress(lines(3))[:-9])
    (tmp_path / "access.log").write_bytes(lines(3) + b"garbage\n" * 2)
    broken = lpaudit("ingest", "--dry-run", "access.log.gz")
    rejected = lpaudit("ingest", "--dry-run", "--max-rejects", "1", "access.log")
    assert (broken.returncode, rejected.returncode) == (3, 1)
    assert "stored" not in broken.stderr + rejected.stderr
    assert "lines stored before that: 3" in lpaudit("ingest", "access.log.gz").stderr


def test_too_many_rejects_is_a_no(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "access.log").write_bytes(lines(3) + b"garbage\n" * 2)
    assert lpaudit("ingest", "--max-rejects", "2", "--store", "a", "access.log").returncode == 0
    ran = lpaudit("ingest", "--max-rejects", "1", "--store", "b", "access.log")
    assert ran.returncode == 1
    assert "2 lines rejected, more than 1" in ran.stderr


def test_terminal_escapes_of_a_line_are_shown_not_sent(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "\x1b[31mevil.log").write_bytes(lines(1) + b"\x1b]0;owned\x07 \xc2\x9b31m garbage\n")
    ran = lpaudit("ingest", "\x1b[31mevil.log")
    assert ran.returncode == 0
    assert not {"\x1b", "\x07", "\x9b"} & set(ran.stdout + ran.stderr)
    assert "\\x1b]0;owned\\x07 \\x9b31m" in ran.stdout


def test_line_end_in_a_name_forges_no_line(tmp_path: Path, lpaudit: Lpaudit) -> None:
    ran = lpaudit("ingest", "nope\nhint: run rm -rf /")
    assert ran.stderr.count("\nhint: ") == 1
    (tmp_path / "x\nhint: run rm -rf").write_text("garbage\n")
    ran = lpaudit("ingest", "x\nhint: run rm -rf")
    assert ran.stderr.count("\nhint: ") == 1


def test_missing_file(lpaudit: Lpaudit) -> None:
    ran = lpaudit("ingest", "nope.log")
    clean(ran, 3)
    assert "cannot read nope.log: no such file or directory" in ran.stderr


def test_one_bad_file_does_not_stop_the_others(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "access.log").write_bytes(lines(3))
    clean(lpaudit("ingest", "nope.log", "access.log"), 3)
    assert counts(lpaudit) == (3, 0)


def test_glob_without_match(lpaudit: Lpaudit) -> None:
    clean(lpaudit("ingest", "*.nope"), 3)


def test_empty_directory(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "logs").mkdir()
    clean(lpaudit("ingest", "logs"), 3)


def test_empty_file(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "access.log").touch()
    ran = lpaudit("ingest", "access.log")
    assert ran.returncode == 0, ran.stderr
    assert "access.log: 0 new lines, empty" in ran.stdout
    assert counts(lpaudit) == (0, 0)


def test_binary_file(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "program").write_bytes(Path(sys.executable).read_bytes()[:200_000])
    ran = lpaudit("ingest", "program")
    clean(ran, 3)
    assert "is not a log" in ran.stderr
    assert not set(map(chr, range(9))) & set(ran.stderr)
    assert counts(lpaudit) == (0, 0)


def test_binary_file_without_a_line_end(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "program").write_bytes(Path(sys.executable).read_bytes()[:500].replace(b"\n", b""))
    ran = lpaudit("ingest", "program")
    clean(ran, 3)
    assert "is not a log" in ran.stderr


@pytest.mark.parametrize("option", ["--host", "--log-format", "--store"])
def test_options_that_are_not_utf8(option: str, tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "access.log").write_bytes(lines(1))
    ran = lpaudit("ingest", option, b"%h\xff".decode("utf-8", "surrogateescape"), "access.log")
    clean(ran, 2)
    assert "is not UTF-8" in ran.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["access.log"]


def test_file_names_that_are_not_utf8(tmp_path: Path, lpaudit: Lpaudit) -> None:
    folder = tmp_path / b"d\xff".decode("utf-8", "surrogateescape")
    folder.mkdir()
    (folder / "access.log").write_bytes(lines(1))
    assert lpaudit("ingest", folder).returncode == 0
    assert stored_rows(tmp_path / "lpaudit-store")[0]["source"] == f"{tmp_path}/d\\xff/access.log"


def test_store_paths_of_all_kinds(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "access.log").write_bytes(lines(3))
    for store in (
        "with space",
        "ünï☃",
        "quote'\"",
        "plus+and&",
        "$HOME",
        "dir/under/dir",
        "100%",
        "what?",
        "g[ab]",
        "#1",
    ):
        assert lpaudit("ingest", "--store", store, "access.log").returncode == 0, store
        assert "nothing new" in lpaudit("ingest", "--store", store, "access.log").stdout
        assert counts(lpaudit, store) == (3, 0)


@pytest.mark.parametrize(
    "store", ["a%20b", "back\\slash", "s3:/bucket/store", "gs://bucket/store", "S3://bucket/store"]
)
def test_store_paths_that_cannot_be(store: str, tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "access.log").write_bytes(lines(3))
    clean(lpaudit("ingest", "--store", store, "access.log"), 3)
    assert [p.name for p in tmp_path.iterdir()] == ["access.log"]


def test_truncated_gzip_keeps_what_is_good_and_goes_on_when_it_is_whole(
    tmp_path: Path, lpaudit: Lpaudit
) -> None:
    content = b"".join(
        GOOD.replace(b"/api/health", b"/" + os.urandom(20).hex().encode()) % (n % 256, n % 60)
        for n in range(5_000)
    )
    whole = gzip.compress(content)
    log = tmp_path / "access.log.gz"
    log.write_bytes(whole[: len(whole) // 2])
    ran = lpaudit("ingest", "access.log.gz")
    clean(ran, 3)
    assert "the compressed data ends early" in ran.stderr
    stored, rejected = counts(lpaudit)
    assert 0 < stored < 5_000
    assert rejected == 0
    log.write_bytes(whole)
    assert lpaudit("ingest", "access.log.gz").returncode == 0
    assert stored_bytes(tmp_path / "lpaudit-store") == {str(log): content}


@pytest.mark.parametrize("piped", [False, True])
def test_nothing_of_a_damaged_gzip_is_stored(piped: bool, tmp_path: Path, lpaudit: Lpaudit) -> None:
    """Its bytes are handed out before its checksum is looked at: they may be anything."""
    whole = gzip.compress(lines(20_000))
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    (tmp_path / "access.log.gz").write_bytes(flipped)
    if piped:
        ran = lpaudit("ingest", "-", input=bytes(flipped), text=False)
        assert ran.returncode == 3
        assert b"nothing of it was stored" in ran.stderr
    else:
        ran = lpaudit("ingest", "access.log.gz")
        clean(ran, 3)
        assert "nothing of it was stored" in ran.stderr
    assert counts(lpaudit) == (0, 0)
    (tmp_path / "access.log.gz").write_bytes(whole)
    assert lpaudit("ingest", "access.log.gz").returncode == 0
    assert counts(lpaudit) == (20_000, 0)


def test_file_that_is_written_again_while_it_is_read_is_not_taken_for_its_rest(
    tmp_path: Path, lpaudit: Lpaudit
) -> None:
    """cp over yesterday's copy: the file is shorter than what is stored, and grows."""
    log = tmp_path / "access.log"
    log.write_bytes(lines(40_000))
    assert lpaudit("ingest", "access.log").returncode == 0
    with log.open("wb") as file:
        file.write(lines(15_000))
        file.flush()
        running = subprocess.Popen(
            [sys.executable, "-m", "lpaudit", "ingest", "access.log"], cwd=tmp_path, stdout=subprocess.DEVNULL
        )
        for start in range(15_000, 45_000, 1_000):
            file.write(lines(1_000, start))
            file.flush()
            time.sleep(0.05)
        assert running.wait() == 0
    assert lpaudit("ingest", "access.log").returncode == 0
    assert stored_bytes(tmp_path / "lpaudit-store") == {str(log): lines(45_000)}


def test_log_that_grows_all_the_time_is_read_to_where_it_was(tmp_path: Path, lpaudit: Lpaudit) -> None:
    log = tmp_path / "access.log"
    log.write_bytes(lines(100))
    command = "while :; do tail -n 1 access.log >> access.log; sleep 0.001; done"
    writer = subprocess.Popen(["sh", "-c", command], cwd=tmp_path)
    try:
        assert lpaudit("ingest", "access.log", timeout=60).returncode == 0
    finally:
        writer.kill()
        writer.wait()
    assert len(list((tmp_path / "lpaudit-store" / "access_event").glob("part-*"))) == 1


def test_source_in_a_format_string_goes_on_without_being_told_again(tmp_path: Path, lpaudit: Lpaudit) -> None:
    log = tmp_path / "access.log"
    log.write_bytes(b"".join(b"%d /path-%d\n" % (200 + n, n) for n in range(60)))
    assert lpaudit("ingest", "--log-format", "%s %U", "access.log").returncode == 0
    with log.open("ab") as file:
        file.write(b"".join(b"%d /path-%d\n" % (300 + n, n) for n in range(40)))
    ran = lpaudit("ingest", "access.log")
    assert ran.returncode == 0, ran.stderr
    assert counts(lpaudit) == (100, 0)
    rows = stored_rows(tmp_path / "lpaudit-store")
    assert len({r["log_format"] for r in rows}) == 1
    ran = lpaudit("sql", "--format", "json", "select format_string, escaping from log_format")
    assert json.loads(ran.stdout) == [{"format_string": "%s %U", "escaping": "default"}]
    with log.open("ab") as file:
        file.write(b"100 /more\n")
    clean(lpaudit("ingest", "--log-format", "common", "access.log"), 3)
    assert counts(lpaudit) == (100, 0)


def test_format_that_changes_between_two_runs_is_noticed(
    tmp_path: Path, sample_logs: Path, lpaudit: Lpaudit
) -> None:
    log = tmp_path / "access.log"
    log.write_bytes(lines(5))
    assert lpaudit("ingest", "access.log").returncode == 0
    with log.open("ab") as file:
        file.write((sample_logs / "audit.json.log").read_bytes())
    assert lpaudit("ingest", "access.log").returncode == 0
    assert counts(lpaudit) == (62, 0)


def test_formats_name_says_how_a_line_was_read(tmp_path: Path, sample_logs: Path, lpaudit: Lpaudit) -> None:
    log = sample_logs / "audit.json.log"
    names = set()
    for number, options in enumerate(([], ["--escaping", "default"], ["--timezone", "America/New_York"])):
        ran = lpaudit("ingest", "--log-format", "auditjson", *options, "--store", f"s{number}", log)
        assert ran.returncode == 0, ran.stderr
        rows = stored_rows(tmp_path / f"s{number}")
        names.add(rows[0]["log_format"])
    assert len(names) == 3
    assert "auditjson" in names
    assert "begins-after-end" in {r["parse_note"] for r in rows}


def test_first_line_that_is_too_long_to_read(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "access.log").write_bytes(b"A" * 1_100_000 + b"\n" + lines(100))
    assert lpaudit("ingest", "access.log").returncode == 0
    assert counts(lpaudit) == (100, 1)


def test_dry_run_counts_what_a_run_would_store(tmp_path: Path, lpaudit: Lpaudit) -> None:
    log = tmp_path / "access.log"
    log.write_bytes(lines(10))
    assert lpaudit("ingest", "access.log").returncode == 0
    assert "nothing new" in lpaudit("ingest", "--dry-run", "access.log").stdout
    with log.open("ab") as file:
        file.write(lines(5, 10))
    assert "read 5 lines" in lpaudit("ingest", "--dry-run", "access.log").stdout
    assert counts(lpaudit) == (10, 0)


def test_log_in_another_format_names_the_line_and_what_was_expected(
    sample_logs: Path, lpaudit: Lpaudit
) -> None:
    ran = lpaudit("ingest", "--log-format", "combined", sample_logs / "audit.log.gz")
    clean(ran, 3)
    assert "line 1 does not match it" in ran.stderr
    assert "v=1 ts=1795428823" in ran.stderr
    assert 'expected: %h %l %u %t "%r" %>s %b' in ran.stderr
    assert "hint: it looks like the format audit: --log-format audit" in ran.stderr


def test_log_in_no_known_format(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "syslog").write_text("Nov 23 10:00:00 host cron[1]: hello\n")
    ran = lpaudit("ingest", "syslog")
    clean(ran, 3)
    assert "line 1 reads:\n  Nov 23 10:00:00 host cron[1]: hello" in ran.stderr


def test_unknown_directive_is_shown_with_a_caret(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "access.log").write_bytes(lines(1))
    ran = lpaudit("ingest", "--log-format", "%h %Y %s", "access.log")
    clean(ran, 2)
    assert "unknown directive %Y\n  %h %Y %s\n     ^\n" in ran.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--log-format", "audt"),
        ("--escaping", "json"),
        ("--log-format", "default", "--escaping", "xml"),
        ("--timezone", "Mars/Olympus"),
        ("--nope",),
        ("--max-rejects", "-1"),
    ],
)
def test_impossible_options(arguments: tuple[str, ...], tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "access.log").write_bytes(lines(1))
    clean(lpaudit("ingest", *arguments, "access.log"), 2)
    assert not (tmp_path / "lpaudit-store").exists()


def test_no_paths(lpaudit: Lpaudit) -> None:
    clean(lpaudit("ingest"), 2)


def test_store_that_is_a_file(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "access.log").write_bytes(lines(1))
    ran = lpaudit("ingest", "--store", "access.log", "access.log")
    clean(ran, 3)
    assert "is a file, not a store" in ran.stderr
    assert (tmp_path / "access.log").read_bytes() == lines(1)


def test_directory_that_is_not_a_store_is_left_alone(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "access.log").write_bytes(lines(1))
    clean(lpaudit("ingest", "--store", ".", "access.log"), 3)
    assert [p.name for p in tmp_path.iterdir()] == ["access.log"]


def test_store_of_a_newer_version(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "access.log").write_bytes(lines(1))
    assert lpaudit("ingest", "access.log").returncode == 0
    (tmp_path / "lpaudit-store" / "lpaudit-store.json").write_text('{"store_version": 99}')
    for command in (["ingest", "access.log"], ["sql", "select 1"], ["status"]):
        ran = lpaudit(*command)
        clean(ran, 3)
        assert "version 99" in ran.stderr
        assert "upgrade" in ran.stderr


def test_damaged_marker(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "access.log").write_bytes(lines(1))
    assert lpaudit("ingest", "access.log").returncode == 0
    (tmp_path / "lpaudit-store" / "lpaudit-store.json").write_text("{")
    clean(lpaudit("ingest", "access.log"), 3)


def test_ctrl_c_keeps_what_was_committed(tmp_path: Path, lpaudit: Lpaudit) -> None:
    log = tmp_path / "access.log"
    log.write_bytes(lines(60_000))
    process = subprocess.Popen(
        [sys.executable, "-m", "lpaudit", "ingest", "access.log"],
        cwd=tmp_path,
        env={**os.environ, "LPAUDIT_SEGMENT_BYTES": "6000"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    commits = tmp_path / "lpaudit-store" / "access_event" / "_delta_log"
    while len(list(commits.glob("*.json"))) < 4:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "interrupted" in errors
    assert 0 < counts(lpaudit)[0] < 60_000
    assert lpaudit("ingest", "access.log").returncode == 0
    assert stored_bytes(tmp_path / "lpaudit-store") == {str(log): lines(60_000)}


def test_progress_bar_on_a_terminal_only(tmp_path: Path) -> None:
    (tmp_path / "access.log").write_bytes(lines(2_000))
    primary, secondary = pty.openpty()
    process = subprocess.run(
        [sys.executable, "-m", "lpaudit", "ingest", "access.log"],
        cwd=tmp_path,
        env={**os.environ, "TERM": "xterm-256color"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=secondary,
        check=True,
    )
    os.close(secondary)
    drawn = os.read(primary, 1 << 16)
    os.close(primary)
    assert b"access.log" in drawn
    assert b"ingested 2,000 lines" in process.stdout


def test_host_and_settings_of_the_environment_and_the_file(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "access.log").write_bytes(lines(1))
    (tmp_path / "lpaudit.toml").write_text('host = "file"\nstore = "from-file"\n')
    assert lpaudit("ingest", "access.log").returncode == 0
    assert stored_rows(tmp_path / "from-file")[0]["host_name"] == "file"
    assert lpaudit("ingest", "access.log", env={"LPAUDIT_STORE": "from-env"}).returncode == 0
    assert stored_rows(tmp_path / "from-env")[0]["host_name"] == "file"
    assert lpaudit("ingest", "--store", "opt", "--host", "opt", "access.log").returncode == 0
    assert stored_rows(tmp_path / "opt")[0]["host_name"] == "opt"
    (tmp_path / "lpaudit.toml").write_text("stroe = 1\n")
    ran = lpaudit("ingest", "access.log")
    clean(ran, 2)
    assert "did you mean store?" in ran.stderr


def test_what_is_shown_of_lines_holds_no_secret(tmp_path: Path, lpaudit: Lpaudit) -> None:
    secret = "pnu_0123456789abcdef"
    (tmp_path / "other.log").write_text(f"hello {secret} world\n")
    refused = lpaudit("ingest", "other.log")
    assert refused.returncode == 3
    (tmp_path / "access.log").write_bytes(lines(5) + f"hello {secret} world\n".encode())
    rejected = lpaudit("ingest", "access.log")
    for shown in (refused.stderr, rejected.stdout):
        assert "hello pnu" in shown
        assert secret not in shown
