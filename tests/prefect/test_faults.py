"""Prefect down, slow, half an answer, refusing, lying: said clearly, gone on with, never half a snapshot for a whole one."""

import threading

import pytest

from lpaudit.errors import PrefectError
from tests.prefect.conftest import at, run
from tests.prefect.fake import Reply

SECRET = "s3cret-of-the-operator"


def once(path, reply):
    """Answer the first question for ``path`` with ``reply``, and all others as usual."""
    left = [reply]
    return lambda asked, body: left.pop() if asked == path and left else None


def always(path, reply):
    return lambda asked, body: reply if asked == path else None


def errors(synced):
    return {result.table: result.error.message for result in synced.failed}


def test_everything_is_read_and_said(syncing):
    synced = syncing()
    assert not synced.failed
    assert {r.table: r.records for r in synced.results if r.records} == {
        "flow_run": 450,
        "deployment": 1,
        "work_pool": 1,
        "worker": 1,
        "event": 299,
    }
    assert syncing.sql("select count(distinct id) from flow_run") == [(450,)]
    assert syncing.sql("select count(distinct id) from event") == [(299,)]
    told = "select complete, server_version, api_url, window_start, records from snapshot where table_name = 'flow_run'"
    assert syncing.sql(told) == [(True, "3.8.8", syncing.api.url, None, 450)]


@pytest.mark.parametrize("status", [429, 502, 503])
def test_a_busy_server_is_asked_again_when_it_says(runs, status):
    runs.api.fault = once(
        "/api/flow_runs/filter", Reply(status, {"exception_message": "busy"}, {"Retry-After": "7"})
    )
    assert not runs().failed
    assert runs.slept == [7.0]


def test_a_busy_server_may_say_a_date(runs):
    runs.api.fault = once(
        "/api/flow_runs/filter", Reply(503, b"", {"Retry-After": "Mon, 23 Nov 2026 12:00:30 GMT"})
    )
    assert not runs().failed
    assert runs.slept == [pytest.approx(30, abs=0.1)]


def test_without_a_word_the_pauses_grow_and_end(runs):
    runs.api.fault = always("/api/flow_runs/filter", Reply(503, {"exception_message": "no"}))
    synced = runs(PREFECT_CLIENT_MAX_RETRIES="3")
    assert runs.slept == [2.0, 4.0, 8.0]
    assert "Prefect answers 503: no" in errors(synced)["flow_run"]
    assert runs.sql("select count(*) from flow_run") == [(0,)]


def test_a_server_that_asks_for_hours_is_not_waited_for(runs):
    runs.api.fault = always("/api/flow_runs/filter", Reply(429, {}, {"Retry-After": "7200"}))
    assert "come back in 7200 seconds" in errors(runs())["flow_run"]
    assert runs.slept == []


@pytest.mark.parametrize(
    "broken",
    [
        Reply(body=b'[{"id": "00', cut=None),  # whole, but not JSON
        Reply(body=[run(1)], cut=5),  # the connection breaks off
    ],
)
def test_half_an_answer_is_asked_for_again(runs, broken):
    runs.api.fault = once("/api/flow_runs/filter", broken)
    assert not runs().failed
    assert len(runs.slept) == 1
    assert runs.sql("select count(*) from flow_run") == [(450,)]


def test_half_a_page_is_not_the_end(runs):
    def half(path, body):
        if path != "/api/flow_runs/filter":
            return None
        whole = runs.api.answer(path, body).body
        return Reply(body=whole[: max(3, len(whole) // 2)])

    runs.api.fault = half
    assert not runs().failed
    assert runs.sql("select count(distinct id) from flow_run") == [(450,)]


def test_a_server_that_counts_more_than_it_hands_out_is_an_error(runs):
    runs.api.fault = always("/api/flow_runs/count", Reply(body=451))
    assert "counts 451 and hands out 450" in errors(runs())["flow_run"]
    assert runs.sql("select count(*) from flow_run") == [(0,)]


def test_a_smaller_page_of_the_server_is_respected(runs):
    runs.api.largest = 100
    assert not runs().failed
    assert runs.sql("select count(*) from flow_run") == [(450,)]


def test_what_failed_is_said_and_the_next_sync_asks_for_that_alone(syncing):
    syncing.api.fault = always("/api/deployments/filter", Reply(500, {"exception_message": "boom"}))
    synced = syncing()
    assert errors(synced) == {"deployment": "POST /deployments/filter: Prefect answers 500: boom"}
    row = "select complete, snapshot_id, error from snapshot where table_name = 'deployment'"
    assert syncing.sql(row) == [(False, None, "POST /deployments/filter: Prefect answers 500: boom")]
    syncing.api.fault = lambda path, body: None
    syncing.api.asked.clear()
    again = syncing()
    assert not again.failed
    assert (again.resumed, [r.table for r in again.results]) == (11, ["deployment"])
    assert not any("flow_runs" in path or "events" in path for path in syncing.api.paths())
    assert len(syncing.sql("select distinct sync_id from snapshot")) == 1
    assert syncing().resumed == 0, "a sync that is whole is not gone on with"


def test_a_failure_of_yesterday_is_not_gone_on_with(syncing):
    syncing.api.fault = always("/api/deployments/filter", Reply(500, {"exception_message": "boom"}))
    syncing()
    syncing.minutes += 24 * 60
    syncing.api.fault = lambda path, body: None
    assert len(syncing().results) == 12


def test_a_server_that_goes_down_stops_the_sync_at_once(syncing):
    seen = []

    def down(path, body):
        seen.append(path)
        return Reply(401, {"exception_message": "Unauthorized"}) if len(seen) > 12 else None

    syncing.api.fault = down
    synced = syncing()
    assert synced.failed
    assert len(seen) == 13, "a refusal is not tried again with the next table"
    assert len(synced.results) == 12
    assert all("Prefect refuses the credentials" in message for message in errors(synced).values())


def test_an_answer_without_end_is_not_read_to_its_end(runs, monkeypatch):
    monkeypatch.setattr("lpaudit.prefect.client._LARGEST", 10_000)
    assert "the answer is larger than" in errors(runs())["flow_run"]
    assert runs.slept == [], "it would be as large the next time"


def test_an_answer_that_trickles_is_left(runs, monkeypatch):
    def slowly(path, body):
        runs.minutes += 11 / 60 if path == "/api/flow_runs/filter" else 0

    runs.api.fault = slowly  # eleven seconds of the clock that lpaudit goes by, each time
    told = errors(runs(PREFECT_API_REQUEST_TIMEOUT="1", PREFECT_CLIENT_MAX_RETRIES="1"))
    assert "no whole answer within the time-out of 1 seconds" in told["flow_run"]
    runs.api.asked.clear()
    assert not runs(PREFECT_API_REQUEST_TIMEOUT="2").failed


HTML = {"content-type": "text/html", "server": "lighttpd/1.4.69", "www-authenticate": 'Basic realm="x"'}


def test_it_is_said_which_layer_refused(syncing):
    syncing.api.fault = lambda path, body: Reply(401, b"<html>401</html>", HTML)
    with pytest.raises(PrefectError, match="Prefect was not reached") as told:
        syncing(PREFECT_API_AUTH_STRING=f"bob:{SECRET}")
    assert "lighttpd/1.4" in told.value.message
    assert "asks for Basic" in told.value.message
    syncing.api.fault = lambda path, body: Reply(401, {"exception_message": "Unauthorized"})
    with pytest.raises(PrefectError, match="Prefect refuses the credentials") as told:
        syncing(PREFECT_API_KEY=SECRET)
    assert SECRET not in told.value.message + str(told.value.hint)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(404, b"<html>nginx</html>", {"content-type": "text/html"}),
        Reply(200, b"<html>Prefect's own pages</html>", {"content-type": "text/html"}),
        Reply(200, {"version": "2.4.1", "product": "grafana"}),
        Reply(200, ["3.8.8"]),
    ],
)
def test_a_server_of_another_product_is_no_prefect(syncing, reply):
    syncing.api.fault = lambda path, body: reply
    with pytest.raises(PrefectError, match="is not Prefect's API"):
        syncing()
    assert len(syncing.api.asked) == 1


def test_nobody_there_is_said_at_once(syncing):
    with pytest.raises(PrefectError, match="cannot reach Prefect's API") as told:
        syncing(url="http://127.0.0.1:9/api")
    assert "--url" in str(told.value.hint)
    assert syncing.slept == []


def test_a_slow_server_is_left_after_the_time_out(few):
    never = threading.Event()
    few.api.fault = always("/api/flow_runs/filter", Reply(wait=never))
    synced = few(PREFECT_API_REQUEST_TIMEOUT="0.2", PREFECT_CLIENT_MAX_RETRIES="1")
    never.set()
    assert "no whole answer within the time-out of 0.2 seconds" in errors(synced)["flow_run"]
    assert "deployment" not in errors(synced), "others are asked for all the same"


@pytest.mark.parametrize("place", ["http://localhost:1", "http://127.0.0.1:1", "https://127.0.0.1"])
def test_secrets_do_not_follow_a_redirection_to_another_server(syncing, api, place):
    other = f"{place}/api"
    api.fault = lambda path, body: Reply(307, b"", {"location": f"{other}/admin/version"})
    with pytest.raises(PrefectError, match=f"redirects to another server, {place}") as told:
        syncing(PREFECT_API_KEY=SECRET)
    assert "nothing was sent there" in told.value.message
    assert len(api.asked) == 1


def test_a_redirection_on_the_same_server_is_followed(runs, api):
    def moved(path, body):
        if path.startswith("/old"):
            return Reply(308, b"", {"location": path.replace("/old", "/api")})
        return None

    api.fault = moved
    assert not runs(url=api.url.replace("/api", "/old")).failed


def test_csrf_protection_is_answered_with_a_token(runs, api):
    def guarded(path, body):
        if path == "/api/csrf-token":
            return Reply(body={"token": "t0ken", "client": "test"})
        headers = {name.lower(): value for name, value in api.asked[-1][2].items()}
        if body and headers.get("prefect-csrf-token") != "t0ken":
            return Reply(403, {"detail": "Missing CSRF token."})
        return None

    api.fault = guarded
    assert not runs().failed
    assert sum("/csrf-token?client=" in path for path in api.paths()) == 1


def test_events_of_one_instant_come_by_pages_of_the_configured_server_only(few, api):
    """Prefect's next_page names the server as it knows itself; a hostile one names any host."""
    same = [dict(e, occurred=at(-5)) for e in api.events[:120]]
    api.events = same

    def following(path, body):
        if path != "/api/events/filter/next":
            return None
        start = int(api.asked[-1][0].endswith("Mg==")) * 50 + int(api.asked[-1][0].endswith("Mw==")) * 100
        link = "http://evil.example/api/events/filter/next?page-token=Mw==" if start == 50 else None
        return Reply(body={"events": same[start : start + 50], "total": 120, "next_page": link})

    api.fault = following
    assert not few().failed
    assert few.sql("select count(distinct id) from event") == [(120,)]


@pytest.mark.parametrize(
    "link",
    [
        "http://evil.example/api/admin/settings",
        "http://evil.example/api/events/filter/next?page-token=../../x",
        "http://evil.example/api/events/filter/next?other=Mg==",
        "//evil.example",
        17,
    ],
)
def test_a_next_page_that_leads_elsewhere_is_not_followed(few, api, link):
    api.events = [dict(e, occurred=at(-5)) for e in api.events[:120]]

    def lying(path, body):
        if path != "/api/events/filter":
            return None
        answer = api.answer(path, body).body
        return Reply(body=answer | {"next_page": link})

    api.fault = lying
    synced = few()
    assert "not followed" in errors(synced)["event"]
    assert not any("evil" in path or "settings" in path or ".." in path for path in api.paths())
    assert few.sql("select count(*) from event") == [(0,)]


@pytest.mark.parametrize(
    "answer",
    [
        {"detail": "of a newer version"},
        [{"name": "no id"}],
        [17],
        [{"id": "x", "created": "yesterday", "name": "n"}],
        "[" * 100_000,
        [{"id": "\ud800", "created": at(0)}],
    ],
)
def test_an_answer_that_prefect_does_not_write_stores_nothing(few, answer):
    body = answer.encode() if isinstance(answer, str) else answer
    few.api.fault = always("/api/deployments/filter", Reply(body=body))
    synced = few(PREFECT_CLIENT_MAX_RETRIES="0")
    assert set(errors(synced)) == {"deployment"}
    assert few.sql("select count(*) from deployment") == [(0,)]


def test_hostile_words_of_a_server_act_on_no_terminal(few):
    few.api.fault = always(
        "/api/deployments/filter", Reply(400, {"detail": "\x1b]0;owned\x07" + "x" * 10_000})
    )
    message = errors(few())["deployment"]
    assert message.isprintable()
    assert len(message) < 300
