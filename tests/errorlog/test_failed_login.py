"""The view failed_login: whose attempt an access line was, and silence where that is not certain."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache

import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from lpaudit import query
from lpaudit.schema import tables

BEGAN = datetime(2026, 11, 23, 10, 16, 30, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


@cache
def blank(name: str) -> dict[str, object]:
    """A row of nothing."""
    fillers = {"string": "", "integer": 0, "small": 0, "int": 0, "instant": BEGAN}
    return {f.name: None if f.nullable else fillers[f.type] for f in tables()[name].fields}


def attempt(number: int, second: int, **more: object) -> dict[str, object]:
    told = {"line_id": f"e{number}", "byte_offset": number, "time": at(second), "event": "login-failed"}
    what = {"client": "192.0.2.7", "url": "/api/flows", "user": f"user{number}", "host_name": "gw"}
    return blank("server_event") | told | what | more


def refusal(number: int, start: float | None, end: float | None, **more: object) -> dict[str, object]:
    told = {
        "line_id": f"a{number}",
        "byte_offset": number,
        "event_start": None if start is None else at(start),
        "event_end": None if end is None else at(end),
        "http_response_status_code": 401,
        "http_request_method": "GET",
    }
    what = {"client_address": "192.0.2.7", "url_path": "/api/flows", "host_name": "gw"}
    return blank("access_event") | told | what | more


def joined(events: list[dict[str, object]], lines: list[dict[str, object]]) -> dict[str, str | None]:
    """Each attempt's access line."""
    datasets = {
        "server_event": pa.Table.from_pylist(events, schema=tables()["server_event"].arrow),
        "access_event": pa.Table.from_pylist(lines, schema=tables()["access_event"].arrow),
    }
    connection = query.connect(datasets)
    try:
        rows = connection.select("select line_id, access_line_id from failed_login").to_pylist()
    finally:
        connection.close()
    assert len(rows) == len(events)
    return {row["line_id"]: row["access_line_id"] for row in rows}


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (3.0, 3.1, True),
        (4.03, 4.031, True),  # lighttpd's clock for the error log is up to a second behind
        (4.999, 6.4, True),  # the password took long to check
        (5.0, 5.1, False),
        (1.0, 2.9, False),
        (1.0, 3.0, True),
        (None, 3.0, True),
        (None, 5.0, True),
        (None, 6.0, False),
        (None, 2.0, False),
        (3.0, None, True),
        (5.0, None, False),
    ],
)
def test_the_times_of_both_lines_must_fit(start: float | None, end: float | None, expected: bool) -> None:
    assert joined([attempt(1, 3)], [refusal(1, start, end)]) == {"e1": "a1" if expected else None}


@pytest.mark.parametrize(
    "other",
    [
        {"client_address": "192.0.2.8"},
        {"url_path": "/api/flow"},
        {"host_name": "gw2"},
        {"http_response_status_code": 403},
    ],
)
def test_it_must_be_the_same_request(other: dict[str, object]) -> None:
    assert joined([attempt(1, 3)], [refusal(1, 3, 3.1, **other)]) == {"e1": None}
    assert joined([attempt(1, 3)], [refusal(1, 3, 3.1, **other), refusal(2, 3, 3.1)]) == {"e1": "a2"}


@pytest.mark.parametrize(
    ("path", "url", "expected"),
    [
        ("/a%20b", "/a b", True),
        ("/a%2Fb%25", "/a/b%", False),  # decoded once or twice? not sure
        ("/%ff", r"/\xff", False),
        (r"/\xff", r"/\xff", False),
        ("/%01", "/_", False),
        ("//a", "/a", False),
        (None, "/a", False),
    ],
)
def test_the_error_log_has_the_path_decoded(path: str | None, url: str, expected: bool) -> None:
    found = joined([attempt(1, 3, url=url)], [refusal(1, 3, 3.1, url_path=path)])
    assert found == {"e1": "a1" if expected else None}


@pytest.mark.parametrize(
    "path",
    [
        "//api/flows",
        "/z/../api/flows",
        "/./api/flows",
        "/api/%66lows",
        "/api/flows#x",
        "/%ff/../api/flows",
        None,
    ],
)
def test_a_line_whose_path_may_be_the_same_leaves_it_open(path: str | None) -> None:
    lines = [refusal(1, 3.5, 3.6), refusal(2, 3.1, 3.2, url_path=path)]
    assert joined([attempt(1, 3)], lines) == {"e1": None}
    assert joined([attempt(1, 3, client="192.0.2.8")], lines) == {"e1": None}
    elsewhere = refusal(2, 3.1, 3.2, url_path=path, client_address="192.0.2.8")
    assert joined([attempt(1, 3)], [lines[0], elsewhere]) == {"e1": "a1"}


def test_a_line_with_another_path_before_rewriting_leaves_it_open() -> None:
    """Such as the attempt's own, with the path of an error handler."""
    plain = refusal(1, 3.5, 3.6, url_original="/api/flows?x=1")
    handled = refusal(2, 3.1, 3.2, url_path="/errors/401.html", url_original="/api/flows")
    assert joined([attempt(1, 3)], [plain]) == {"e1": "a1"}
    assert joined([attempt(1, 3)], [handled]) == {"e1": None}
    assert joined([attempt(1, 3)], [plain, handled]) == {"e1": None}
    encoded = refusal(1, 3.5, 3.6, url_path="/%22", url_original='/"')
    assert joined([attempt(1, 3, url='/"')], [encoded]) == {"e1": "a1"}


def test_a_long_request_is_possible_from_its_begin_to_its_end() -> None:
    quick = refusal(1, None, 3)
    for took in (10_000_000, None):  # where only the end is logged, up to a minute
        long = refusal(2, None, 13, event_duration_us=took)
        assert joined([attempt(1, 3)], [quick, long]) == {"e1": None}, took
    assert joined([attempt(1, 3)], [quick, refusal(2, None, 64)]) == {"e1": None}
    assert joined([attempt(1, 3)], [quick, refusal(2, None, 65)]) == {"e1": "a1"}
    assert joined([attempt(1, 3)], [refusal(2, None, 13, event_duration_us=10_000_000)]) == {"e1": "a2"}
    short = refusal(2, None, 13, event_duration_us=8_000_000)
    assert joined([attempt(1, 3)], [quick, short]) == {"e1": "a1"}
    assert joined([attempt(1, 3)], [quick, refusal(2, 0, 7200)]) == {"e1": None}


def test_where_the_end_is_not_logged_it_is_begin_and_duration_or_within_a_minute() -> None:
    quick = refusal(1, 3, 3.1)
    assert joined([attempt(1, 3)], [refusal(1, -7, None, event_duration_us=10_000_000)]) == {"e1": "a1"}
    assert joined([attempt(1, 3)], [quick, refusal(2, -50, None)]) == {"e1": None}
    assert joined([attempt(1, 3)], [quick, refusal(2, -59, None)]) == {"e1": "a1"}
    assert joined([attempt(1, 3)], [refusal(2, -50, None)]) == {"e1": None}


def test_a_line_without_times_is_possible_at_any() -> None:
    assert joined([attempt(1, 3)], [refusal(1, None, None)]) == {"e1": None}
    assert joined([attempt(1, 3)], [refusal(1, 3, 3.1), refusal(2, None, None)]) == {"e1": None}


def test_a_clock_that_goes_backwards_makes_nothing_possible_or_impossible_elsewhere() -> None:
    assert joined([attempt(1, 3), attempt(2, 9)], [refusal(1, 12, 1), refusal(2, 9, 9)]) == {
        "e1": None,
        "e2": "a2",
    }


def test_a_redacted_path_is_compared_where_it_was_not_redacted() -> None:
    events = [attempt(1, 3, url="/[x];token=******")]
    own = refusal(1, 3, 3.1, url_path="/[x];token=s3cr+t")
    assert joined(events, [own]) == {"e1": "a1"}
    assert joined(events, [own, refusal(2, 3, 3.1)]) == {"e1": "a1"}  # another length
    assert joined(events, [own, refusal(2, 3, 3.1, url_path="/[x];token=secret")]) == {"e1": None}
    assert joined(events, [own, refusal(2, 3, 3.1, url_path="//x")]) == {"e1": None}
    for other in ("/[x];token=secrets", "/[y];token=secret", "/x];token=secrets"):
        assert joined(events, [refusal(1, 3, 3.1, url_path=other)]) == {"e1": None}, other


def test_a_path_may_be_redacted_in_both_logs() -> None:
    events = [attempt(1, 3, url="/x;token=*k3v9ab*")]
    own = refusal(1, 3, 3.1, url_path="/x;token=*k3v9ab*")
    assert joined(events, [own]) == {"e1": "a1"}
    assert joined(events, [own, refusal(2, 3, 3.1, url_path="/x;token=*zzzzzz*")]) == {"e1": None}
    # It may be the line of whatever was asked for: it takes away the certainty, and is never joined itself.
    assert joined([attempt(1, 3, url="/y")], [own]) == {"e1": None}
    assert joined([attempt(1, 3, url="/y")], [own, refusal(2, 3, 3.1, url_path="/y")]) == {"e1": None}


def test_an_attempt_that_names_no_path_has_any_of_the_client() -> None:
    digest = attempt(1, 3, url=None)
    assert joined([digest], [refusal(1, 3, 3.1, url_path="//x")]) == {"e1": "a1"}
    assert joined([digest], [refusal(1, 3, 3.1), refusal(2, 3, 3.1, url_path="/x")]) == {"e1": None}
    assert joined([digest], [refusal(1, 3, 3.1, client_address="192.0.2.8")]) == {"e1": None}
    assert joined([digest, attempt(2, 3)], [refusal(1, 3, 3.1), refusal(2, 3, 3.1, url_path="/x")]) == {
        "e1": "a2",
        "e2": "a1",
    }


def test_guessing_is_answered_in_the_memory_that_there_is() -> None:
    """20,000 attempts within 20 seconds, which have 40 million lines that each may be theirs."""
    count = 20_000
    told = {"line_id": [f"{n:06}" for n in range(count)]}
    seconds = [at(n // 1000) for n in range(count)]
    events = many("server_event", attempt(1, 0), count, told | {"time": seconds})
    times: dict[str, list[object]] = {"event_start": list(seconds), "event_end": list(seconds)}
    times["event_end"][::2] = [at(7200)] * (count // 2)  # some hang for hours
    lines = many("access_event", refusal(1, 0, 0), count, told | times)
    connection = query.connect({"server_event": events, "access_event": lines})
    try:
        rows = connection.select("select count(*) as n, count(access_line_id) as joined from failed_login")
    finally:
        connection.close()
    assert rows.to_pylist() == [{"n": count, "joined": 0}]


def many(name: str, row: dict[str, object], count: int, columns: dict[str, list[object]]) -> pa.Table:
    """As many copies of a row, but for some columns."""
    schema = tables()[name].arrow
    arrays = [
        pa.array(columns[f.name], f.type)
        if f.name in columns
        else pa.repeat(pa.scalar(row[f.name], f.type), count)
        for f in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def test_two_in_the_same_second_are_left_alone() -> None:
    lines = [refusal(1, 3.1, 3.2), refusal(2, 3.3, 3.4)]
    assert joined([attempt(1, 3), attempt(2, 3)], lines) == {"e1": None, "e2": None}
    assert joined([attempt(1, 3)], lines) == {"e1": None}


def test_one_that_can_only_be_one_leaves_the_other_for_the_other() -> None:
    lines = [refusal(1, 5.648, 5.681), refusal(2, 6.021, 7.475)]
    assert joined([attempt(1, 4), attempt(2, 5)], lines) == {"e1": "a1", "e2": "a2"}


def test_credentials_that_name_nobody_are_listed_without_a_line() -> None:
    malformed = attempt(1, 3, event="login-malformed", client=None, url=None, user=None, secrets=1)
    assert joined([malformed], [refusal(1, 3, 3.1)]) == {"e1": None}


def fits(second: int, line: tuple[float, float]) -> bool:
    start, end = line
    return start < second + 2 and end >= second


Scene = tuple[list[int], list[tuple[float, float]]]
"""The seconds of attempts; the begins and ends of refusals."""


def certain(scene: Scene) -> Iterator[tuple[int, int]]:
    """Pairs that are in every way to give each attempt a refusal of its own."""
    seconds, lines = scene
    ways = [
        way
        for way in itertools.permutations(range(len(lines)), len(seconds))
        if all(fits(second, lines[a]) for second, a in zip(seconds, way, strict=True))
    ]
    for e in range(len(seconds)):
        if len({way[e] for way in ways}) == 1:
            yield e, ways[0][e]


TENTHS = st.integers(0, 60).map(lambda tenths: tenths / 10)
# An attempt, when its request began, how long that took; then refusals of which the error log says nothing.
ATTEMPTS = st.lists(st.tuples(st.integers(0, 4), TENTHS, st.sampled_from([0.0, 0.1, 0.7])), max_size=4)
OTHERS = st.lists(st.tuples(TENTHS, TENTHS.map(lambda length: length / 6)), max_size=2)


def scene_of(made: list[tuple[int, float, float]], others: list[tuple[float, float]]) -> Scene:
    begins = [(second + tenths % 2, length) for second, tenths, length in made] + others
    return [second for second, _, _ in made], [
        (round(start, 6), round(start + length, 6)) for start, length in begins
    ]


@settings(max_examples=20, phases=(Phase.generate,))  # a scene says more than the smallest list of scenes
@given(st.lists(st.builds(scene_of, ATTEMPTS, OTHERS), min_size=30, max_size=60))
def test_a_pair_is_joined_only_if_nothing_else_is_possible(scenes: list[Scene]) -> None:
    """Against every way that there is, tried one by one. A scene is a client of its own."""
    events, lines = [], []
    for number, (seconds, spans) in enumerate(scenes):
        client = f"192.0.2.{number}"
        events += [attempt(number * 10 + e, second, client=client) for e, second in enumerate(seconds)]
        for a, span in enumerate(spans):  # paths that are sure, and such that may be the same
            path = "//api/flows" if (a + number) % 5 == 4 else "/api/flows"
            lines.append(refusal(number * 10 + a, *span, client_address=client, url_path=path))
        # Of no attempt: a path that is surely another.
        lines.append(refusal(number * 10 + 9, 0, 60, client_address=client, url_path="/api/other"))
    found = joined(events, lines)
    for number, scene in enumerate(scenes):
        answered = {e: found[f"e{number * 10 + e}"] for e in range(len(scene[0]))}
        pairs = {(e, int(line[1:]) - number * 10) for e, line in answered.items() if line is not None}
        possible = set(certain(scene))
        alone = {e for e, second in enumerate(scene[0]) if sum(fits(second, line) for line in scene[1]) == 1}
        sure = {(e, a) for e, a in possible if (a + number) % 5 != 4}
        assert pairs <= sure, scene
        assert {(e, a) for e, a in sure if e in alone} <= pairs, scene
