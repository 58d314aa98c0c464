"""Logs to measure with: what lighttpd writes in front of a Prefect server, every line another request."""

import random
from collections.abc import Iterator
from pathlib import Path
from time import gmtime, strftime

SAMPLES = Path(__file__).resolve().parent.parent / "sample_logs" / "default.log"
BEGIN = 1_795_392_000  # the first line's time
PER_SECOND = 60  # lines
ODD = 1000
"""One line of so many is odd."""

_CHUNK = 20_000
_HOSTS = ("prefect.example.org", "prefect.example.org", "gw1", "10.0.0.5:4200")
_USERS = ("-", "alice", "bob", "worker-etl", "ci", "dora.meyer@example.org")
_AGENTS = (
    "prefect/3.9.1 (API 0.8.4)",
    "prefect/3.9.1 (API 0.8.4)",
    "prefect/3.8.2 (API 0.8.4)",
    "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "curl/8.14.1",
)
_REFERRERS = (
    "-",
    "-",
    "-",
    "https://prefect.example.org/dashboard",
    "https://prefect.example.org/runs?page=2",
)
# Method, and what stands before and behind the UUID in the target.
_ROUTES = (
    ("GET", "/api/flow_runs/", ""),
    ("POST", "/api/flow_runs/", "/set_state"),
    ("GET", "/api/task_runs/", ""),
    ("POST", "/api/task_runs/", "/set_state"),
    ("GET", "/api/deployments/", ""),
    ("POST", "/api/deployments/", "/create_flow_run"),
    ("GET", "/api/work_pools/default/queues/", "?limit=200&offset=0"),
    ("POST", "/api/logs/filter?run=", "&sort=TIMESTAMP_ASC"),
)
_STATUSES = (200, 200, 200, 200, 200, 201, 201, 204, 304, 401, 403, 404, 409, 500)
_ESCAPES = (rb"\"", rb"\\", rb"\xC3\xBC", rb"\x1B", rb"\t", rb"\xFF")
# Beside the lines that a real lighttpd wrote of hostile requests: what is no line of lighttpd's at all.
_NO_LINES = (
    b"",
    b"   ",
    b"\0\0\0\0\0\0\0\0",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\xe9\xa4",
    b"(server.c.1704) server started (lighttpd/1.4.69)",
    b'203.0.113.9 gw1 - [23/Nov/2026:10:15:45 +0000] "GET / HT',
    b'203.0.113.9 gw1 - [31/Feb/2026:10:15:45 +0000] "GET / HTTP/1.1" 200 5 "-" "-"',
    b'203.0.113.9 gw1 - [23/Nov/2026:10:15:45 +0000] "GET / HTTP/1.1" 200 99999999999999999999 "-" "-"',
    b'203.0.113.9 gw1 - [23/Nov/2026:10:15:45 +0000] "  " 400 0 "-" "-"',
    b'203.0.113.9 gw1 - [23/Nov/2026:10:15:45 +0000] "PRI * HTTP/2.0" 100 0 "-" "-"',
    b'203.0.113.9 gw1 - [23/Nov/2026:10:15:45 +0000] "GET /a b c HTTP/1.1" 404 22 "-" "\xe9t\xe9"',
    rb'203.0.113.9 gw1 - [23/Nov/2026:10:15:45 +0000] "\x16\x03\x01\x02" 400 0 "-" "-"',
)


def write(path: Path, lines: int, *, escapes: bool = False, tokens: bool = False, seed: int = 1) -> None:
    """Write a log of so many lines; with ``escapes`` or ``tokens``, every line has some, and no two lines the same.

    The same arguments write the same bytes.
    """
    pick = random.Random(seed)  # noqa: S311 -- to be repeatable, not secret
    odd = SAMPLES.read_bytes().splitlines() + list(_NO_LINES)
    with path.open("wb") as file:
        for start in range(0, lines, _CHUNK):
            some = range(start, min(start + _CHUNK, lines))
            made = list((_escaped if escapes else _with_tokens if tokens else _requests)(pick, some))
            if not escapes and not tokens:
                for number in range(ODD // 2, len(made), ODD):
                    made[number] = odd[(start + number) // ODD % len(odd)]
            file.write(b"\n".join(made) + b"\n")


def _requests(pick: random.Random, numbers: range) -> Iterator[bytes]:
    random_bits, chance, clock, second = pick.getrandbits, pick.random, "", -1
    clients = [f"10.{n % 3}.{n % 7}.{n}" for n in range(200)]
    for number in numbers:
        if number // PER_SECOND != second:
            second = number // PER_SECOND
            clock = strftime("%d/%b/%Y:%H:%M:%S", gmtime(BEGIN + second))
        some = random_bits(48)
        method, before, behind = _ROUTES[some & 7]
        uuid = f"{random_bits(128):032x}"
        uuid = f"{uuid[:8]}-{uuid[8:12]}-{uuid[12:16]}-{uuid[16:20]}-{uuid[20:]}"
        agent, referrer = _AGENTS[(some >> 3) % 6], _REFERRERS[(some >> 7) % 5]
        status, size = _STATUSES[(some >> 11) % 14], int(1 / (1e-5 + chance())) * 97
        yield (
            f"{clients[(some >> 16) % 200]} {_HOSTS[(some >> 25) & 3]} {_USERS[(some >> 28) % 6]} "
            f'[{clock} +0000] "{method} {before}{uuid}{behind} HTTP/1.1" {status} {size} '
            f'"{referrer}" "{agent}"'
        ).encode()


def _escaped(pick: random.Random, numbers: range) -> Iterator[bytes]:
    for number, line in zip(numbers, _requests(pick, numbers), strict=True):
        first, second = (_ESCAPES[(number + more) % len(_ESCAPES)] for more in (0, number // len(_ESCAPES)))
        before, protocol, behind = line.partition(b" HTTP/1.1")
        target = before + first + second
        yield target + protocol + behind[:-1] + b" %x" % number + second + b"x" + first + b'"'


def _with_tokens(pick: random.Random, numbers: range) -> Iterator[bytes]:
    for line in _requests(pick, numbers):
        before, protocol, behind = line.partition(b" HTTP/1.1")
        yield (
            before + b"%ctoken=%032x" % (b"&?"[b"?" not in before], pick.getrandbits(128)) + protocol + behind
        )
