"""What the real lighttpd takes as a format is taken, and what it writes in it is read."""

import random
import re
import subprocess
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from lpaudit.errors import FormatError
from lpaudit.logformat import compile_layout, parse
from lpaudit.model import Escaping, LogFormat
from tests import oracle
from tests.reading import plain
from tests.rig import base_configuration, exchange, free_ports, request, running

pytestmark = pytest.mark.lighttpd

COUNT = 60
DIRECTIVES = [
    *(f"%{letter}" for letter in "aAbBDfhHIklmOpPqrsTuUvVX"),
    *("%>s", "%<s", "%>a", "%<l", "%>%", "%%", "%{x}b", "%{x}s", "%{x}U", "%{x}l", "%{y z}%", "%{x}P", "%{mask}a"),
    *("%{X-Anything}i", "%{x-anything}i", "%{Host}i", "%{no such}i", "%{sid}C", "%{none}C", "%{REMOTE_USER}e"),
    *("%{REMOTE_USER}n", "%{none}e", "%{Content-Type}o", "%{none}o", "%{remote}p", "%{local}p", "%{canonical}p"),
    *("%{s}T", "%{ms}T", "%{usec}T", "%{ns}T", "%{begin:usec}t", "%{usec}t", "%{end:msec}t", "%{begin:nsec}t"),
    *("..%{begin:msec_frac}t", "..%{end:usec_frac}t", "..%{nsec_frac}t"),
]  # fmt: skip
# One of these in a format.
CLOCKS = [
    "", "%t", "%{sec}t", "%{begin:sec}t..%{begin:usec_frac}t", "%{%s}t", "%{begin:%c}t", "%{end:%FT%T%z}t",
    "%{begin:%a, %e %B %Y %r %Z}t", "%{%G-W%V-%u %H:%M}t", "%{%T}t",
]  # fmt: skip
FENCES = [r"\t", '"', r"\v", r"\a\\b", r'"%%"', "\x01é☃", r'"\"', "\x1f-%%-"]
VALUES = [b'x" y=1', "Zürich ☃".encode(), b"caf\xe9\\", b"-", b"", b"\\x41\\u0041 %s"]


def formats(seed: str) -> list[str]:
    rng = random.Random(seed)
    made = []
    for _ in range(COUNT):
        chosen = [*rng.sample(DIRECTIVES, rng.randint(1, 9)), rng.choice(CLOCKS), "%h"]
        rng.shuffle(chosen)
        made.append(rng.choice(["", *FENCES]) + "".join(d + rng.choice(FENCES) for d in chosen if d))
    return made


def quoted(format_string: str) -> str:
    return format_string.replace('"', '\\"')


def plain_format(format_string: str, escaping: str = "default") -> LogFormat:
    return LogFormat("test", format_string, Escaping(escaping), ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize("escaping", Escaping)
def test_lines_of_any_format(
    escaping: str, tmp_path: Path, lighttpd: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against what the client sent, and against the second reader."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    ports = dict(zip(free_ports(COUNT), formats(escaping), strict=True))
    lines = [base_configuration(tmp_path), 'server.modules += ("mod_accesslog")']
    for port, format_string in ports.items():
        lines += [
            f'$SERVER["socket"] == "127.0.0.1:{port}" {{',
            f'accesslog.filename = "{tmp_path / str(port)}.log"',
            f'accesslog.format = "{quoted(format_string)}"',
            f'accesslog.escaping = "{escaping}"',
            "}",
        ]
    with running(lighttpd, tmp_path, "\n".join(lines) + "\n"):
        for port in ports:
            for number, value in enumerate(VALUES):
                exchange(port, request(b"/a b?%d" % number, b"X-Anything: " + value, b"Cookie: sid=" + value))
    for port, format_string in ports.items():
        log = (tmp_path / f"{port}.log").read_bytes()
        found = plain(parse(compile_layout(plain_format(format_string, escaping)), log).columns)
        json, zone = escaping == "json", ZoneInfo("Europe/Berlin")
        again = [oracle.read(line, format_string, json=json, zone=zone) for line in log.split(b"\n")[:-1]]
        assert found == again, format_string
        assert len(found) == len(VALUES), format_string
        for number, (value, row) in enumerate(zip(VALUES, found, strict=True)):
            text = None if value in (b"", b"-") else value.decode("utf-8", "backslashreplace")
            assert "reject_reason" not in row, format_string
            assert row["client_address"] == "127.0.0.1"
            fields = row.get("fields", {})
            without_times = re.sub(r"%\{[^}]*\}t", "", format_string)
            said = {
                "%r": row.get("url_original") == f"/a b?{number}",
                "%m": row.get("http_request_method") == "GET",
                "%q": row.get("url_query") == str(number),
                "%s": row.get("http_response_status_code") == 404,
                "%u": row.get("user_name") == "bob",
                "%{REMOTE_USER}n": fields.get("%{REMOTE_USER}n") == "bob",
                "%{X-Anything}i": fields.get("%{X-Anything}i") == text,
                "%{sid}C": fields.get("%{sid}C") == value.decode("utf-8", "backslashreplace"),
            }
            assert [d for d, right in said.items() if d in without_times and not right] == [], format_string


# In these lpaudit refuses what lighttpd takes.
REFUSED = ("no fields", "line end", "strftime conversion", "{c}")


def takes(lighttpd: str, folder: Path, format_string: str) -> bool:
    configuration = folder / "format.conf"
    configuration.write_text(
        f'server.modules = ("mod_accesslog")\nserver.document-root = "{folder}"\n'
        f'accesslog.format = "{quoted(format_string)}"\n'
    )
    return (
        subprocess.run([lighttpd, "-tt", "-f", configuration], capture_output=True, check=False).returncode
        == 0
    )


def why_not(format_string: str) -> str:
    try:
        compile_layout(plain_format(format_string))
    except FormatError as error:
        return error.reason
    return ""


def test_what_lighttpd_takes_is_taken(tmp_path: Path, lighttpd: str) -> None:
    pieces = [
        *DIRECTIVES, *CLOCKS, *FENCES, "%", "%%", "{", "}", "%{", "%{x}", "<", ">", "%>", "%{}", "%Z", "%{x}>s", "%S", "%L",
        "%400{x}i", "%{x}^ti", "%{x}p", "%{min}T", "%{begin:}t", "%{begin}t", "%{c}a", r"\%", r"\n", r"\\", "%e", "%C",
        "%{x\\}}i", "l", "t", "%{%Q}t", "%l" * 130, "%a" * 125,
    ]  # fmt: skip
    rng = random.Random(1)
    taken = 0
    for _ in range(300):
        format_string = "".join(rng.choices(pieces, k=rng.randint(1, 5)))
        if not takes(lighttpd, tmp_path, format_string):
            continue
        taken += 1
        reason = why_not(format_string)
        assert not reason or any(known in reason for known in REFUSED), format_string
    assert taken > 100


@pytest.mark.parametrize(
    ("format_string", "taken"),
    [
        ("%h" * 127, True),
        ("%h" * 128, False),
        ("%h " * 63 + "%h", True),
        ("%h " * 64, False),
        ("%l%%x" * 200 + "%h" * 126, True),
        ("%l%%x" * 200 + "%h" * 127, False),
    ],
)
def test_a_format_has_as_many_fields_as_lighttpd_takes(
    format_string: str, taken: bool, tmp_path: Path, lighttpd: str
) -> None:
    assert takes(lighttpd, tmp_path, format_string) is taken
    assert ("more than 127 fields" in why_not(format_string)) is not taken
