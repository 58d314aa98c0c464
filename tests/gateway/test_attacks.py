"""What an attacker tries with bytes: framing, odd headers, upgrades that are none. With a login that may only read."""

import socket
import time

import pytest

from tests.gateway.conftest import basic
from tests.gateway.test_basic import reaches_bulk_delete

pytestmark = pytest.mark.lighttpd

HIDDEN = "DELETE /api/flow_runs/hidden HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
LOGGED_IN = "Host: x\r\n" + basic("reader") + "\r\n"
ASK = "POST /api/flow_runs/filter HTTP/1.1\r\n" + LOGGED_IN
CHUNKED = f"{len(HIDDEN):x}\r\n{HIDDEN}\r\n0\r\n\r\n"

# Two lengths, lengths that are none, codings that one side may know and the other not, lines that end oddly.
FRAMINGS = {
    "both, length short": f"{ASK}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}",
    "both, length long": f"{ASK}Transfer-Encoding: chunked\r\nContent-Length: {len(HIDDEN) + 5}\r\n\r\n0\r\n\r\n{HIDDEN}",
    "space before colon": f"{ASK}Content-Length: 0\r\nTransfer-Encoding : chunked\r\n\r\n{CHUNKED}",
    "tab before colon": f"{ASK}Transfer-Encoding\t: chunked\r\nContent-Length: 0\r\n\r\n{CHUNKED}",
    "unknown coding": f"{ASK}Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n{CHUNKED}",
    "two codings": f"{ASK}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{HIDDEN}",
    "coding twice": f"{ASK}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n{HIDDEN}",
    "vertical tab": f"{ASK}Transfer-Encoding:\x0bchunked\r\nContent-Length: 0\r\n\r\n{CHUNKED}",
    "folded": f"{ASK}Transfer-Encoding:\r\n chunked\r\nContent-Length: 0\r\n\r\n{CHUNKED}",
    "folded name": f"{ASK}X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n{CHUNKED}",
    "two lengths": f"{ASK}Content-Length: 0\r\nContent-Length: {len(HIDDEN)}\r\n\r\n{HIDDEN}",
    "lengths in a list": f"{ASK}Content-Length: 0, {len(HIDDEN)}\r\n\r\n{HIDDEN}",
    "signed length": f"{ASK}Content-Length: +0\r\n\r\n{HIDDEN}",
    "negative length": f"{ASK}Content-Length: -1\r\n\r\n{HIDDEN}",
    "hexadecimal length": f"{ASK}Content-Length: 0x{len(HIDDEN):x}\r\n\r\n{HIDDEN}",
    "huge length": f"{ASK}Content-Length: 18446744073709551616\r\n\r\n{HIDDEN}",
    "bare line feeds": f"{ASK}Content-Length: 0\n\n{HIDDEN}",
    "line feed in a value": f"{ASK}X: a\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n{CHUNKED}",
    "carriage return in a value": f"{ASK}X: a\rContent-Length: {len(HIDDEN)}\r\nContent-Length: 0\r\n\r\n{HIDDEN}",
    "chunk extension": f"{ASK}Transfer-Encoding: chunked\r\n\r\n0;x=\n\r\n\r\n{HIDDEN}",
    "chunk of a huge size": f"{ASK}Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n{HIDDEN}",
    "chunk of a negative size": f"{ASK}Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n{HIDDEN}",
    "old version": f"POST /api/flow_runs/filter HTTP/1.0\r\n{LOGGED_IN}Transfer-Encoding: chunked\r\n\r\n{CHUNKED}",
    "body of a GET": f"GET /api/flows/x HTTP/1.1\r\n{LOGGED_IN}Content-Length: {len(HIDDEN)}\r\n\r\n{HIDDEN}",
    "two requests": f"GET /api/flows/x HTTP/1.1\r\n{LOGGED_IN}\r\n{HIDDEN}",
    "line in the target": f"GET /api/x HTTP/1.1\r\n{LOGGED_IN}\r\n".replace("/api/x", "/x\rHTTP/1.1\rX:"),
}


def exchanged(port, raw, seconds=0.3):
    """Send bytes, and take what comes within a short time: some of these are waited for in vain."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(raw.encode("latin-1"))
        connection.settimeout(seconds)
        answer = b""
        try:
            while piece := connection.recv(65536):
                answer += piece
        except (TimeoutError, ConnectionResetError):
            pass
        return answer


def test_no_framing_hides_a_request(started):
    """Prefect sees none that lighttpd has not seen, and none that was not asked with a login."""
    front, behind = started
    for raw in FRAMINGS.values():
        exchanged(front.port, raw)
    assert [target for _, target, _ in behind.seen if "hidden" in target] == []
    assert {method for method, *_ in behind.seen} <= {"POST", "GET"}
    assert front.status("GET", "/api/flows/x", basic("reader")) == 200


UPGRADES = ("websocket", "h2c", "h2c, websocket", "TLS/1.3", "nothing", "websocket\r\nContent-Length: 0")


@pytest.mark.parametrize("upgrade", UPGRADES)
def test_what_follows_an_upgrade_that_is_refused_is_no_request(started, upgrade):
    """Prefect answers and the connection stays; if the rest came through, it were a request that no rule has seen."""
    front, behind = started
    asked = f"GET /api/refused HTTP/1.1\r\n{LOGGED_IN}Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n"
    answer = exchanged(front.port, f"{asked}Upgrade: {upgrade}\r\n\r\n{HIDDEN}")
    assert b" 101 " not in answer.split(b"\r\n")[0] or upgrade.startswith("h2c")  # lighttpd's own HTTP/2
    time.sleep(0.1)
    assert [target for _, target, _ in behind.seen if "hidden" in target] == []


SPELLED = (
    "Prefect-Automation-Id : forged",
    "Prefect-Automation-Id\t: forged",
    " Prefect-Automation-Id: forged",
    "X-Folded: a\r\n Prefect-Automation-Id: forged",
    "X-Folded: a\r\n\tPrefect-Automation-Id: forged",
    "X-Feed: a\nPrefect-Automation-Id: forged",
    "X-Return: a\rPrefect-Automation-Id: forged",
    "Prefect-Automation-Id:forged\r\nPREFECT-AUTOMATION-ID:forged",
    "Prefect-Automation-Id:\r\n forged",
    "Prefect-Automation-Id\x00: forged",
    "prefect-automation-id: forged\r\nConnection: close, Prefect-Automation-Id",
)


def test_no_spelling_of_a_header_brings_it_through(started):
    front, behind = started
    for spelled in SPELLED:
        exchanged(front.port, f"GET /api/flows/x HTTP/1.1\r\n{LOGGED_IN}{spelled}\r\n\r\n")
    for _, _, headers in behind.seen:
        names = {name.strip(" \t\0") for name in headers}
        assert "prefect-automation-id" not in names, headers
        assert "\n" not in "".join(headers.values())
        assert "\r" not in "".join(headers.values())
    # An underscore is no dash: Prefect, an ASGI application, takes it for another header.
    assert front.status("GET", "/api/flows/x", basic("reader"), "Prefect_Automation_Id: other") == 200


MORE_PATHS = (
    "/api/flow_runs/bulk_delete;x",
    "/api/flow_runs;x/bulk_delete",
    "/api/flow_runs/filter;/../bulk_delete",
    "/api/flow_runs/filter/..;/bulk_delete",
    "/API/flow_runs/bulk_delete",
    "/api/Flow_Runs/Bulk_Delete",
    "/prefect/prefect/api/flow_runs/bulk_delete",
    "/prefect/api/prefect/api/flow_runs/bulk_delete",
    "/PREFECT/api/flow_runs/bulk_delete",
    "/api/flow_runs%252Fbulk_delete",
    "/api/ui/%252e%252e/flow_runs/bulk_delete",
    "/api/ui/..%2fflow_runs/bulk_delete",
    "/api/ui/.%2e/flow_runs/bulk_delete",
    "/api/ui%5C..%5Cflow_runs/bulk_delete",
    "/api/ui\\..\\flow_runs/bulk_delete",
    "/api/ui/%c0%ae%c0%ae/flow_runs/bulk_delete",
    "/api/flow_runs/bulk_delete/.",
    "/api/flow_runs/bulk_delete/x/..",
    "/api/flow_runs/bulk%u005fdelete",
    "/api/flow_runs/filter%3f/../bulk_delete",
    "/api/flow_runs/filter%23/../bulk_delete",
    "/api/flow_runs/bulk_delete?" + "a" * 12_000,
    "/prefect/api/flow_runs/bulk_delete?" + "/api/" * 2_400,
    "/prefect/api/flow_runs/bulk_delete?%0a%0d",
    "/./prefect/./api/./flow_runs/./bulk_delete",
)


def test_no_other_spelling_of_a_path_gets_around_a_rule(started):
    """A login that may run, and one that may only read, tries to delete."""
    front, behind = started
    front.statuses([("POST", path, basic(user)) for path in MORE_PATHS for user in ("reader", "worker")])
    assert [target for _, target, _ in behind.seen if reaches_bulk_delete(target)] == []


def test_a_password_or_name_that_is_too_long_or_odd_is_only_wrong(started):
    front, behind = started
    odd = (
        basic("alice", "a" * 9000),
        basic("a" * 9000, "x"),
        basic("alice\0", "alice-pw"),
        "Authorization: Basic ====",
    )
    odd += (basic("alice:x", "alice-pw"), "Authorization: Basic", "Authorization: Basic " + "A" * 15_000)
    statuses = front.statuses([("GET", "/api/flows/x", header) for header in odd])
    assert set(statuses) <= {400, 401, 431}
    assert behind.seen == []
    assert front.status("GET", "/api/flows/x", basic("alice")) == 200
