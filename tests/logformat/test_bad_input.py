"""What is no access log, or was one: an answer in words, a reason for every line."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from reading import DEFAULT, layout, rejected, row, rows

Lpaudit = Callable[..., subprocess.CompletedProcess[str]]
LINE = b'192.0.2.1 gw bob [23/Nov/2026:10:15:45 +0000] "GET / HTTP/1.1" 200 7 "-" "curl/8"'
READ = row(DEFAULT, LINE)

OTHERS = {
    "nginx error log": b'2026/11/23 10:15:45 [error] 1234#1234: *1 open() "/srv/x" failed (2: No such file or directory),'
    b' client: 192.0.2.1, server: gw, request: "GET /x HTTP/1.1", host: "gw"\n',
    "Apache vhost_combined": b'www.example.com:443 192.0.2.1 - bob [23/Nov/2026:10:15:45 +0000] "GET / HTTP/1.1" 200 7 "-"'
    b' "curl/8"\n',
    "Caddy": json.dumps({
        "level": "info", "ts": 1795428945.6547, "logger": "http.log.access", "msg": "handled request",
        "request": {"remote_ip": "192.0.2.1", "method": "GET", "host": "gw", "uri": "/"}, "status": 200,
    }).encode() + b"\n",
    "syslog": b"Nov 23 10:15:45 gw lighttpd[7]: " + LINE + b"\n",
    "PNG": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    "UTF-16": (LINE.decode() + "\n").encode("utf-16"),
}  # fmt: skip

# They fit, with something else in the place of the client: recognition must not take them for ours.
FITTING = {"Apache vhost_combined": "www.example.com:443", "syslog": "Nov"}


@pytest.mark.parametrize("name", OTHERS)
def test_a_log_of_another_server_is_refused_in_one_sentence(
    name: str, tmp_path: Path, lpaudit: Lpaudit
) -> None:
    (tmp_path / "access.log").write_bytes(OTHERS[name] * 3)
    ran = lpaudit("ingest", "access.log")
    assert ran.returncode == 3
    assert "access.log" in ran.stderr
    assert "hint: " in ran.stderr
    assert "Traceback" not in ran.stderr
    ran = lpaudit("sql", "--format", "csv", "select count(*) n from access_event")
    assert ran.stdout.split() == ["n", "0"]


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("json_lines", [False, True])
def test_its_lines_are_no_lines_of_ours(name: str, json_lines: bool) -> None:
    """Also where somebody insists on the format."""
    compiled = layout(DEFAULT, json=json_lines)
    found = rows(compiled, OTHERS[name] * 2)
    if name in FITTING:
        assert [r["client_address"] for r in found] == [FITTING[name]] * 2
    else:
        assert all("reject_reason" in r for r in found)


def test_the_format_of_a_virtual_host_can_be_told() -> None:
    form = '%v:%p %h %l %u %t "%r" %>s %O "%{Referer}i" "%{User-Agent}i"'
    got = row(form, OTHERS["Apache vhost_combined"].rstrip(b"\n"))
    assert (got["server_name"], got["server_port"], got["client_address"]) == (
        "www.example.com",
        443,
        "192.0.2.1",
    )


def test_nul_bytes_among_good_lines() -> None:
    """A disk that was full, or a file that was cut under its writer."""
    found = rows(
        layout(DEFAULT), LINE + b"\n" + b"\0" * 5000 + LINE + b"\n" + LINE[:20] + b"\0\n" + LINE + b"\n"
    )
    assert [r.get("reject_reason") for r in found] == [None, "nul-bytes", "nul-bytes", None]
    assert found[1]["raw"] == "\0" * 5000 + LINE.decode()


def test_line_ends_of_another_system() -> None:
    assert rows(layout(DEFAULT), (LINE + b"\r\n") * 3) == [READ] * 3
    assert rows(layout('"%u"'), b'"bob"\r\r\n') == [{"reject_reason": "no-match", "raw": '"bob"'}]
    assert rejected(DEFAULT, LINE + b"\r" + LINE) == "no-match"


@pytest.mark.parametrize("json_lines", [False, True])
def test_a_byte_order_mark_costs_one_line(json_lines: bool) -> None:
    """It is in quarantine with the mark, and can be told from the others by it."""
    found = rows(layout(DEFAULT, json=json_lines), b"\xef\xbb\xbf" + LINE + b"\n" + LINE + b"\n")
    assert found == [{"reject_reason": "no-match", "raw": "\ufeff" + LINE.decode()}, READ]


MEGABYTES = 100


def test_a_line_of_a_hundred_megabytes_among_others(tmp_path: Path, lpaudit: Lpaudit) -> None:
    log = tmp_path / "access.log"
    with log.open("wb") as file:
        file.write(LINE + b"\n")
        for _ in range(MEGABYTES):
            file.write(LINE[:-1] + b"x" * ((1 << 20) - len(LINE) + 1))
        file.write(b'"\n' + LINE + b"\n")
    ran = lpaudit("ingest", "access.log")
    assert ran.returncode == 0, ran.stderr
    assert "1 rejected" in ran.stdout
    columns = 'reject_reason, byte_length, length(raw) n, "user_name"'
    ran = lpaudit("sql", "--format", "jsonl", f"select {columns} from access_event order by byte_offset")
    assert [json.loads(line) for line in ran.stdout.splitlines()] == [
        {"reject_reason": None, "byte_length": len(LINE) + 1, "n": None, "user_name": "bob"},
        {"reject_reason": "too-long", "byte_length": (MEGABYTES << 20) + 2, "n": 1 << 16, "user_name": None},
        {"reject_reason": None, "byte_length": len(LINE) + 1, "n": None, "user_name": "bob"},
    ]
