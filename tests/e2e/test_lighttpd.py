"""A real lighttpd, hostile requests, and the client's own list of what it sent."""

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lpaudit.logformat import PRESETS
from tests.conftest import find_lighttpd
from tests.rig import REQUESTS, Sent, base_configuration, exchange, free_ports, kept, request, running
from tests.stores import stored_bytes, without_fingerprints

pytestmark = pytest.mark.lighttpd

ZONE = "America/St_Johns"  # lighttpd's: its local times are three and a half hours off
# Every directive, with names that mean nothing to it, in JSON.
EVERYTHING = (
    '{"t":"%{%Y-%m-%dT%k:%M:%S%z}t","begin":%{begin:nsec}t,"took":[%D,%T,%{ms}T],"a":"%{mask}a","h":"%>h",'
    '"A":"%A","p":%{canonical}p,"rp":%{remote}p,"b":"%B","O":"%O","I":"%I","f":"%f","H":"%{x}H","k":%k,"l":"%l",'
    '"m":"%m","q":"%q","r":"%r","s":%<s,"u":"%u","U":"%U","v":"%v","V":"%V","X":"%X","P":"%P","100%%":"%{x}l",'
    '"any":"%{X-Anything}i","jar":"%{sid}C","who":"%{REMOTE_USER}n","type":"%{content-type}o",'
    '"referer":"%{Referer}i","agent":"%{User-Agent}i"}'
)
# Nothing is quoted; backslashes, and a time that says no zone.
TABS = (
    r"\\%{begin:%d.%m.%y %r}t.%{begin:usec_frac}t\t%{end:usec}t\t%{X-Anything}i\t%{sid}C\t%u\a\%m\v%{User-Agent}i\t"
    r"%{Referer}i\t%r\t%s|%%|%a|%{remote}p\t%{content-type}o\t%{REMOTE_USER}n\r"
)
FORMATS = {
    name: (PRESETS[name].format_string, str(PRESETS[name].escaping)) for name in PRESETS if name != "common"
} | {
    "everything": (EVERYTHING, "json"),
    "tabs": (TABS, "default"),
}
# Header and cookie as sent → as they must be found in the map column.
ANYTHING = {
    b'x" st=200 user="alice': 'x" st=200 user="alice',
    "Zürich ☃ \U0001f600".encode(): "Zürich ☃ \U0001f600",
    b"caf\xe9 \xff\xfe": "caf\\xe9 \\xff\\xfe",
    b"\x80\x9f": "\\x80\\x9f",
    b"back\\slash \\x41 \\": "back\\slash \\x41 \\",
    b"two  spaces": "two  spaces",
    b'","s":200,"u":"alice': '","s":200,"u":"alice',
    b"%s %{x}i %%": "%s %{x}i %%",
    b"-": None,
    b"": None,
}
MORE = tuple(
    Sent(
        f"anything-{number}",
        request(f"/j/any{number}?q=%22".encode(), b"X-Anything: " + value, b"Cookie: a=b; sid=" + value),
        "GET",
        f"/j/any{number}?q=%22",
        404,
        "bob",
    )
    for number, value in enumerate(ANYTHING)
)
SENT = (*REQUESTS, *MORE)


def configuration(folder: Path, ports: dict[str, int]) -> str:
    """Write a lighttpd configuration: one socket a format."""
    lines = [
        base_configuration(folder),
        'server.modules += ("mod_accesslog")',
        f'accesslog.filename = "{folder / "main.log"}"',
    ]
    for name, port in ports.items():
        format_string, escaping = FORMATS[name]
        quoted = format_string.replace('"', '\\"')
        lines += [
            f'$SERVER["socket"] == "127.0.0.1:{port}" {{',
            f'  accesslog.filename = "{folder / name}.log"',
            f'  accesslog.format = "{quoted}"',
            f'  accesslog.escaping = "{escaping}"',
            "}",
        ]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Send every request to every format; the logs, when lighttpd has flushed them."""
    lighttpd = find_lighttpd()
    assert lighttpd, "lighttpd is not installed: apt-get install lighttpd"
    folder = tmp_path_factory.mktemp("lighttpd")
    ports = dict(zip(FORMATS, free_ports(len(FORMATS)), strict=True))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TZ", ZONE)
        with running(lighttpd, folder, configuration(folder, ports)):
            for port in ports.values():
                for sent in SENT:
                    exchange(port, sent.raw)
    return {name: folder / f"{name}.log" for name in FORMATS}


@pytest.mark.parametrize("name", FORMATS)
def test_rows_say_what_the_client_sent(
    name: str, logs: dict[str, Path], tmp_path: Path, lpaudit: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """Each row against the client's list: nothing of lpaudit's reading decides what is right."""
    log = logs[name]
    format_string, escaping = FORMATS[name]
    told = ("--log-format", format_string, "--escaping", escaping, "--timezone", ZONE)
    ran = lpaudit("ingest", *told, "--host", "rig", "--store", "store", str(log))
    assert ran.returncode == 0, ran.stderr
    stored = stored_bytes(tmp_path / "store")
    assert {source: without_fingerprints(content) for source, content in stored.items()} == {
        str(log): kept(log.read_bytes())
    }
    columns = 'method, url_original, path, query, status, "user", user_agent, referer, client, protocol, host'
    ran = lpaudit(
        "sql", "--store", "store", "--format", "jsonl", f"select {columns} from access order by byte_offset"
    )
    assert ran.returncode == 0, ran.stderr
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(rows) == len(SENT)
    # A line is written when its request ends, and requests were sent one after another.
    for sent, row in zip(SENT, rows, strict=True):
        expected = {
            "method": sent.method,
            "url_original": sent.shown or "",
            "status": sent.status,
            "user": sent.user,
            "user_agent": sent.agent,
            "referer": sent.referer,
            "client": "127.0.0.1",
            "host": "rig",
        }
        assert {key: row[key] for key in expected} == expected, sent.tag
        if sent.method:
            assert row["protocol"] == "HTTP/1.1", sent.tag


def test_no_line_is_rejected(
    logs: dict[str, Path], lpaudit: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """Presets are recognised without being told, and every hostile line is read."""
    ran = lpaudit("ingest", "--store", "store", *(str(log) for name, log in logs.items() if name in PRESETS))
    assert ran.returncode == 0, ran.stderr
    ran = lpaudit("sql", "--store", "store", "--format", "csv", "select count(*) n from quarantine")
    assert ran.stdout.split() == ["n", "0"]


@pytest.mark.parametrize("name", ["everything", "tabs"])
def test_what_has_no_column_is_a_field_and_times_are_right(
    name: str, logs: dict[str, Path], lpaudit: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """Formats are taken from lighttpd's own configuration."""
    log = logs[name]
    told = ("--log-format", f"@{log.with_name('lighttpd.conf')}", "--timezone", ZONE)
    ran = lpaudit("ingest", *told, "--store", "store", str(log))
    assert ran.returncode == 0, ran.stderr
    ran = lpaudit(
        "sql", "--format", "jsonl", "select * from access_event order by byte_offset", "--store", "store"
    )
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [row["reject_reason"] for row in rows] == [None] * len(SENT)
    finished = datetime.fromtimestamp(log.stat().st_mtime, UTC)
    for sent, row in zip(SENT, rows, strict=True):
        begin, end = (datetime.fromisoformat(row[column]) for column in ("event_start", "event_end"))
        assert abs((finished - begin).total_seconds()) < 120, sent.tag
        assert abs((end - begin).total_seconds()) < 5, sent.tag
        assert (row["fields"] or {}).get("%{REMOTE_USER}n") == sent.user, sent.tag
        assert 1024 <= row["client_port"] <= 65535, sent.tag
    for (raw, found), row in zip(ANYTHING.items(), rows[-len(MORE) :], strict=True):
        assert row["fields"].get("%{X-Anything}i") == found, raw
        # A cookie that is not there is written as nothing, so a dash is a dash.
        assert row["fields"].get("%{sid}C") == (found if found is not None else raw.decode()), raw
    if name == "everything":
        for sent, row in zip(SENT, rows, strict=True):
            assert row["event_duration_us"] >= 0
            assert row["client_address"] == "127.0.0.1"
            assert row["fields"]["%{mask}a"] in ("127.0.0.1", "127.0.0.0")  # the latter since 1.4.70
            assert row["server_address"] == "127.0.0.1"
            assert row["connection_request_number"] == 0
            assert row["connection_state"] in ("+", "-", "X")
            assert row["http_request_bytes"] is None or row["http_request_bytes"] <= len(sent.raw) * 2
            if sent in MORE:
                assert (row["url_path"], row["url_query"]) == (sent.target.split("?")[0], "q=%22")
                assert row["url_domain"] == row["server_name"] == "rig"
                assert row["fields"]["%{content-type}o"] == "text/html"
                assert row["http_response_bytes"] > row["http_response_body_bytes"] > 0
