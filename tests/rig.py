"""A real lighttpd for tests: hostile requests, and the client's own list of what it sent."""

import base64
import contextlib
import itertools
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BASIC = b"Authorization: Basic " + base64.b64encode(b"bob:bob-pw") + b"\r\n"

SECRET = "FAKE"  # of a Prefect API key in a URL, behind what says that it is one


@dataclass(frozen=True)
class Sent:
    """A request, and what a faithful log says of it."""

    tag: str
    raw: bytes
    method: str
    target: str | None
    status: int
    user: str | None = None
    agent: str | None = None
    referer: str | None = None

    @property
    def shown(self) -> str | None:
        """The target as rows have it: without the one secret that is ever sent."""
        return self.target and self.target.replace(SECRET, "*" * len(SECRET))


def kept(log: bytes) -> bytes:
    """Return what is stored of a log: all of it but the one secret, which has too few letters for a fingerprint."""
    return log.replace(f"pnu_{SECRET}".encode(), b"pnu_" + b"\x1a" * len(SECRET))


def request(target: bytes, *headers: bytes, method: bytes = b"GET", login: bool = True) -> bytes:
    """Build a request."""
    lines = [method + b" " + target + b" HTTP/1.1\r\n", b"Host: rig\r\n", b"Connection: close\r\n"]
    return b"".join([*lines, BASIC if login else b"", *(h + b"\r\n" for h in headers), b"\r\n"])


def good(tag: str, agent: bytes | None = None, shown: str | None = None, **more: str) -> Sent:
    """Build a request that is answered with 404, with a User-Agent of any bytes."""
    target = f"/j/{tag}"
    headers = [] if agent is None else [b"User-Agent: " + agent]
    if "referer" in more:
        headers.append(b"Referer: " + more["referer"].encode())
    return Sent(
        tag, request(target.encode(), *headers), "GET", target, 404, "bob", shown, more.get("referer")
    )


REQUESTS = (
    good("plain"),
    good("quote", b'ev"il\\ \\" \\x41 ua', 'ev"il\\ \\" \\x41 ua', referer='http://x/"q" \\n'),
    good("utf8", "Zürich ☃ 日本".encode(), "Zürich ☃ 日本"),
    good("latin1", b"caf\xe9 \xff\xfe", "caf\\xe9 \\xff\\xfe"),
    good("half", b"\xe2\x98", "\\xe2\\x98"),
    good("tab", b"a\tb", "a\tb"),
    good("empty", b"", None),
    good("dash", b"-", None),  # the log cannot tell it from an absent one
    good("inject", b'x" st=200 user="alice" frid="forged', 'x" st=200 user="alice" frid="forged'),
    good("json", b'x","user":"alice","st":200,"y":"', 'x","user":"alice","st":200,"y":"'),
    good("sql", b"'; drop table access; --", "'; drop table access; --"),
    good("html", b"<script>alert(1)</script>", "<script>alert(1)</script>"),
    good("formula", b"=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0"),
    good("shell", b"() { :; }; /bin/bash -c 'id'", "() { :; }; /bin/bash -c 'id'"),
    good("jndi", b"${jndi:ldap://x/a}", "${jndi:ldap://x/a}"),
    good("bidi", "a\u202eb".encode(), "a\u202eb"),
    good("percent", b"%s%n%t %h", "%s%n%t %h"),
    good("long", b"A" * 7000, "A" * 7000),
    good("long-escaped", "é".encode() * 3000, "é" * 3000),
    good("spaces-in-value", b"a  b   c", "a  b   c"),
    good("trailing-backslash", b"a\\", "a\\"),
    good("brackets", b"[23/Nov/2026:10:15:45 +0000]", "[23/Nov/2026:10:15:45 +0000]"),
    Sent("noauth", request(b"/j/noauth", login=False), "GET", "/j/noauth", 401),
    Sent("query", request(b"/j/query?a=1&b=%22%20"), "GET", "/j/query?a=1&b=%22%20", 404, "bob"),
    Sent("empty-query", request(b"/j/eq?"), "GET", "/j/eq?", 404, "bob"),
    Sent("two-marks", request(b"/j/two?a?b"), "GET", "/j/two?a?b", 404, "bob"),
    Sent("target-quote", request(b'/j/u"q\\b?x="y"\\z'), "GET", '/j/u"q\\b?x="y"\\z', 404, "bob"),
    Sent("target-utf8", request("/j/☃?q=é".encode()), "GET", "/j/☃?q=é", 404, "bob"),
    Sent("target-space", request(b"/j/a b c"), "GET", "/j/a b c", 404, "bob"),
    Sent("target-escape", request(b"/j/\x01\x1b[31m"), "GET", "/j/\x01\x1b[31m", 400),
    Sent("post", request(b"/j/post", b"Content-Length: 0", method=b"POST"), "POST", "/j/post", 404, "bob"),
    Sent("delete", request(b"/j/delete", method=b"DELETE"), "DELETE", "/j/delete", 404, "bob"),
    Sent("options", request(b"*", method=b"OPTIONS"), "OPTIONS", "*", 200, "bob"),
    Sent("propfind", request(b"/j/pf", method=b"PROPFIND"), "PROPFIND", "/j/pf", 404, "bob"),
    Sent("http-9.9", b"GET /j/99 HTTP/9.9\r\nHost: rig\r\n\r\n", "", None, 505),
    Sent("unknown-method", b"FROB /j/frob HTTP/1.1\r\nHost: rig\r\nConnection: close\r\n\r\n", "", None, 501),
    Sent("binary", bytes(range(128, 256)) + b"\r\n\r\n", "", None, 400),
    Sent("tls-hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00\r\n\r\n", "", None, 400),
    Sent("no-host", b"GET /j/nohost HTTP/1.1\r\n\r\n", "GET", "/j/nohost", 400),
    Sent("bad-length", request(b"/j/bl", b"Content-Length: abc", method=b"POST"), "POST", "/j/bl", 400),
    Sent("oversized", request(b"/j/big", b"X-Big: " + b"B" * 20_000), "", None, 431),
    Sent(
        "secret",
        request(f"/j/s?api_key=pnu_{SECRET}&token=x".encode()),
        "GET",
        f"/j/s?api_key=pnu_{SECRET}&token=x",
        404,
        "bob",
    ),
)


# Below the ports that the system gives to connections (32768 and up), or somebody may get one between its being found
# free and being listened on. Each process begins elsewhere, as many test at the same time.
_PORTS = (15_000 + number % 17_000 for number in itertools.count(os.getpid() * 499))


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    return list(itertools.islice(filter(_is_free, _PORTS), count))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def base_configuration(folder: Path) -> str:
    """Write what every configuration has: a login, no files, an error log, and a port of its own."""
    return f"""\
server.modules = ("mod_auth", "mod_authn_file")
server.document-root = "{folder / "www"}"
server.errorlog = "{folder / "error.log"}"
server.bind = "127.0.0.1"
server.port = {free_ports(1)[0]}
server.max-request-field-size = 8192
auth.backend = "plain"
auth.backend.plain.userfile = "{folder / "users"}"
auth.require = ("" => ("method" => "basic", "realm" => "test", "require" => "valid-user"))
"""


@contextlib.contextmanager
def running(lighttpd: str, folder: Path, configuration: str) -> Iterator[None]:
    """Run lighttpd; at the end it has answered everything and flushed its logs."""
    (folder / "www").mkdir()
    (folder / "users").write_text("bob:bob-pw\n")
    (folder / "lighttpd.conf").write_text(configuration)
    process = subprocess.Popen([lighttpd, "-D", "-f", str(folder / "lighttpd.conf")])
    try:
        yield
        process.send_signal(signal.SIGINT)  # graceful: answers, flushes, ends
        process.wait(timeout=30)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def exchange(port: int, raw: bytes) -> bytes:
    """Send bytes and read until the server closes; it may still be starting."""
    deadline = time.monotonic() + 10
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(raw)
                connection.shutdown(socket.SHUT_WR)
                received = b""
                with contextlib.suppress(ConnectionResetError):
                    while piece := connection.recv(65536):
                        received += piece
                return received
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
