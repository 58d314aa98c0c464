"""An operator edits accesslog.format while the log goes on: each line is read in the format that it is in."""

import gzip
import json
import re
import subprocess
from collections.abc import Callable
from datetime import UTC
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lpaudit import logformat
from lpaudit.model import Provenance, Segment
from lpaudit.reading import AccessReading
from tests.follower import Driven, Following, append
from tests.stores import stored_bytes, stored_rows

Lpaudit = Callable[..., subprocess.CompletedProcess[str]]

DEFAULT = b'192.0.2.%d gw alice [23/Nov/2026:10:%02d:%02d +0000] "GET /a/%d HTTP/1.1" 200 22 "-" "-"\n'
ODD = "%h|%{%Y-%m-%d %H:%M:%S}t|%m|%U|%>s"
OTHER = "%{%Y-%m-%d %H:%M:%S}t;%a;%s"
FORMATS = ("default", "audit", "auditjson")
"""Presets of which none reads the lines of another."""


@pytest.fixture(scope="module")
def recorded(sample_logs: Path) -> dict[str, list[bytes]]:
    """Lines of each format, as lighttpd wrote them."""
    files = {"default": "default.log", "audit": "audit.log.gz", "auditjson": "audit.json.log"}
    contents = {name: (sample_logs / file).read_bytes() for name, file in files.items()}
    contents["audit"] = gzip.decompress(contents["audit"])
    return {name: content.splitlines(keepends=True)[:50] for name, content in contents.items()}


def default(first: int, count: int) -> bytes:
    return b"".join(DEFAULT % (n % 256, n // 60 % 60, n % 60, n) for n in range(first, first + count))


def odd(first: int, count: int) -> bytes:
    return b"".join(
        b"192.0.2.1|2026-11-23 11:%02d:%02d|GET|/b/%d|200\n" % (n // 60 % 60, n % 60, n)
        for n in range(first, first + count)
    )


def asked(lpaudit: Lpaudit, query: str) -> list[dict[str, object]]:
    ran = lpaudit("sql", "--format", "jsonl", query)
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


PROVENANCE = {"line_id", "byte_offset", "line_number", "segment", "source_id", "ingest_time"}


def read(layouts: list[logformat.Layout], block: bytes) -> list[dict[str, object]]:
    from tests.pieces import NOW

    segment = Segment.of("a" * 16, 0, block)
    where = Provenance("x", segment, "gw", NOW, layouts[0].log_format.name, 0, 1)
    return AccessReading(tuple(layouts)).rows(block, where).to_pylist()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(data=st.data())
def test_any_mixture_is_read_line_by_line(data: st.DataObject, recorded: dict[str, list[bytes]]) -> None:
    """Each line as it would be alone, in its own format; what is in none is rejected, by the first."""
    layouts = {name: logformat.compile_layout(logformat.PRESETS[name].log_format(UTC)) for name in FORMATS}
    kinds = data.draw(st.lists(st.sampled_from([*FORMATS, "garbage", "blank"]), max_size=12))
    order = data.draw(st.permutations(list(layouts)))
    lines = {"garbage": b"garbage\n", "blank": b"\n"}
    drawn = [
        (kind, lines[kind] if kind in lines else data.draw(st.sampled_from(recorded[kind]))) for kind in kinds
    ]
    block = b"".join(line for _, line in drawn)
    rows = read([layouts[name] for name in order], block)
    assert len(rows) == len(drawn)
    position = 0
    for number, ((kind, line), row) in enumerate(zip(drawn, rows, strict=True), 1):
        assert (row["byte_offset"], row["byte_length"], row["line_number"]) == (position, len(line), number)
        assert row["line_id"] == f"{'a' * 16}-{position:015}"
        [alone] = read([layouts[kind if kind in layouts else order[0]]], line)
        assert {k: v for k, v in row.items() if k not in PROVENANCE} == {
            k: v for k, v in alone.items() if k not in PROVENANCE
        }
        position += len(line)


def test_a_line_that_is_no_utf_8_is_read_in_the_format_that_allows_it(
    recorded: dict[str, list[bytes]],
) -> None:
    layouts = [logformat.compile_layout(logformat.PRESETS[name].log_format(UTC)) for name in FORMATS]
    [line] = [line for line in recorded["auditjson"] if b'"ua":"caf\xe9' in line]
    [row] = read(layouts, line)
    assert (row["log_format"], row["reject_reason"]) == ("auditjson", None)
    assert row["user_agent_original"] == r"caf\xe9 \xff\xfe"


def test_a_change_is_found_and_said(
    tmp_path: Path, lpaudit: Lpaudit, recorded: dict[str, list[bytes]]
) -> None:
    log = tmp_path / "access.log"
    log.write_bytes(default(0, 20) + b"garbage\n" + b"".join(recorded["audit"][:5]) + default(20, 3))
    ran = lpaudit("ingest", "access.log")
    assert "29 new lines, 1 rejected" in ran.stdout
    changes = asked(
        lpaudit, "select from_format, to_format, line_number from format_change order by line_number"
    )
    assert changes == [
        {"from_format": "default", "to_format": "audit", "line_number": 22},
        {"from_format": "audit", "to_format": "default", "line_number": 27},
    ]
    used = asked(lpaudit, "select log_format, count(*) as n from access group by all order by all")
    assert used == [{"log_format": "audit", "n": 5}, {"log_format": "default", "n": 23}]
    assert {row["log_format"] for row in asked(lpaudit, "from log_format")} == {"default", "audit"}
    assert stored_bytes(tmp_path / "lpaudit-store") == {str(log): log.read_bytes()}


def test_told_formats_are_the_sources_own(tmp_path: Path, lpaudit: Lpaudit) -> None:
    """The operator tells the new format; what was still written in the old one is read in that."""
    log = tmp_path / "access.log"
    log.write_bytes(odd(0, 10))
    assert lpaudit("ingest", "--log-format", ODD, "access.log").returncode == 0
    append(log, odd(10, 2) + default(0, 5))
    ran = lpaudit("ingest", "--log-format", "default", "access.log")
    assert "7 new lines, " in ran.stdout
    assert "rejected" not in ran.stdout
    formats = [row["log_format"] for row in stored_rows(tmp_path / "lpaudit-store")]
    assert formats[12:] == ["default"] * 5
    assert len(set(formats[:12])) == 1


def test_what_was_told_is_not_read_in_a_format_that_was_not(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "access.log").write_bytes(odd(0, 10) + default(0, 5))
    ran = lpaudit("ingest", "--log-format", ODD, "access.log")
    assert "15 new lines, 5 rejected" in ran.stdout


def configure(file: Path, log: Path, form: str) -> None:
    file.write_text(
        f'server.modules = ("mod_accesslog")\naccesslog.filename = "{log}"\naccesslog.format = "{form}"\n'
    )


def test_the_configuration_is_read_again_while_the_log_is_followed(tmp_path: Path) -> None:
    log, store, configuration = (tmp_path / name for name in ("access.log", "store", "lighttpd.conf"))
    configure(configuration, log, ODD)
    whole = append(log, odd(0, 3))
    with Following(store, log, options=("--log-format", f"@{configuration}")) as follower:
        follower.until_stored(3)
        configuration.write_text("accesslog.format = \n")  # half of it
        whole += append(log, b"garbage\n")
        follower.until_stored(4)
        configure(configuration, log, OTHER)
        whole += append(log, b"2026-11-23 12:00:00;192.0.2.7;404\n" * 2)
        follower.until_stored(6)
        follower.stop()
    reasons = [(row["reject_reason"], row["http_response_status_code"]) for row in stored_rows(store)]
    assert reasons == [(None, 200)] * 3 + [("no-match", None)] + [(None, 404)] * 2
    assert stored_bytes(store) == {str(log): whole}


def test_an_archive_of_formats_that_nobody_knows(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "access.log").write_bytes(odd(0, 5) + b"2026-11-23 12:00:00;192.0.2.7;404\n" + odd(5, 2))
    for told in ((ODD, OTHER), (OTHER, ODD)):
        ran = lpaudit("ingest", "--log-format", told[0], "--former-format", told[1], "access.log")
        assert ran.returncode == 0, ran.stderr
    assert asked(lpaudit, "select count(*) n, count(reject_reason) bad from access_event") == [
        {"n": 8, "bad": 0}
    ]
    lines = asked(lpaudit, "select line_number from format_change order by line_number")
    assert lines == [{"line_number": 6}, {"line_number": 7}]


@pytest.mark.parametrize("former", ["auto", "@lighttpd.conf", "nonsense"])
def test_what_is_no_former_format(lpaudit: Lpaudit, former: str) -> None:
    ran = lpaudit("ingest", "--former-format", former, "access.log")
    assert ran.returncode == 2
    assert former in ran.stderr
    assert "hint:" in ran.stderr


def test_the_newest_format_is_tried_first_the_next_time(
    tmp_path: Path, lpaudit: Lpaudit, recorded: dict[str, list[bytes]]
) -> None:
    log = tmp_path / "access.log"
    log.write_bytes(default(0, 20) + b"".join(recorded["audit"][:1]))
    assert lpaudit("ingest", "access.log").returncode == 0
    append(log, b"garbage\n")
    assert lpaudit("ingest", "access.log").returncode == 0
    assert stored_rows(tmp_path / "lpaudit-store")[-1]["log_format"] == "audit"


def test_while_it_is_followed(tmp_path: Path, recorded: dict[str, list[bytes]]) -> None:
    log, store = tmp_path / "access.log", tmp_path / "store"
    with Driven(store, log) as follower:
        whole, kinds = b"", []
        for name in ("default", "audit", "auditjson", "default"):
            for line in recorded[name][:3]:
                whole += append(log, line)
                kinds.append(name)
                follower.wait(3)
        follower.stop()
    assert [row["log_format"] for row in stored_rows(store)] == kinds
    assert all(row["reject_reason"] is None for row in stored_rows(store))
    assert stored_bytes(store) == {str(log): whole}


def test_what_is_stored_does_not_depend_on_which_piece_a_format_changes_in(
    lpaudit: Lpaudit, tmp_path: Path
) -> None:
    """Pieces are made ready ahead, in the format of those before: in another one they are not redacted again."""
    secret = "Bearer%20github_pat_" + "Ab3" * 10
    line = '192.0.2.1 gw - [29/Nov/2026:01:02:03 +0000] "GET /a?q=%s HTTP/1.1" 200 5 "-" "curl/8"\n'
    other = '192.0.2.1 - - [29/Nov/2026:01:02:03 +0000] "GET /a?q=%s HTTP/1.1" 200 5\n'
    texts = [secret if number % 500 == 0 else f"x{number}" for number in range(60_000)]
    log = "".join((line if number < 30_000 else other) % text for number, text in enumerate(texts))
    (tmp_path / "access.log").write_text(log)
    stored = {}
    for size in (1 << 20, 1 << 24):
        (tmp_path / "small.toml").write_text(f'segment_bytes = {size}\nfingerprint_key = "fingerprint.key"\n')
        told = ("--config", "small.toml", "--store", f"store-{size}")
        ran = lpaudit("ingest", "--host", "gw", *told, "access.log")
        assert ran.returncode == 0, ran.stderr
        [stored[size]] = stored_bytes(tmp_path / f"store-{size}").values()
    assert stored[1 << 20] == stored[1 << 24]
    fingerprints = re.findall(rb"github_pat_(\x1a[^ ]*)", stored[1 << 20])
    assert len(fingerprints) == texts.count(secret)
    assert len(set(fingerprints)) == 1
