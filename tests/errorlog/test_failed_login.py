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


def test_the_error_log_has_the_path_decoded() -> None:
    lines = [refusal(1, 3, 3.1, url_path="/a%20b"), refusal(2, 3, 3.1, url_path="/%ff")]
    assert joined([attempt(1, 3, url="/a b"), attempt(2, 3, url=r"/\xff")], lines) == {"e1": "a1", "e2": None}


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
    return [second for second, _, _ in made], [(start, start + length) for start, length in begins]


@settings(max_examples=20, phases=(Phase.generate,))  # a scene says more than the smallest list of scenes
@given(st.lists(st.builds(scene_of, ATTEMPTS, OTHERS), min_size=30, max_size=60))
def test_a_pair_is_joined_only_if_nothing_else_is_possible(scenes: list[Scene]) -> None:
    """Against every way that there is, tried one by one. A scene is a client of its own."""
    events, lines = [], []
    for number, (seconds, spans) in enumerate(scenes):
        client = f"192.0.2.{number}"
        events += [attempt(number * 10 + e, second, client=client) for e, second in enumerate(seconds)]
        lines += [refusal(number * 10 + a, *span, client_address=client) for a, span in enumerate(spans)]
    found = joined(events, lines)
    for number, scene in enumerate(scenes):
        answered = {e: found[f"e{number * 10 + e}"] for e in range(len(scene[0]))}
        pairs = {(e, int(line[1:]) - number * 10) for e, line in answered.items() if line is not None}
        possible = set(certain(scene))
        assert pairs <= possible, scene
        alone = {e for e, second in enumerate(scene[0]) if sum(fits(second, line) for line in scene[1]) == 1}
        assert {(e, a) for e, a in possible if e in alone} <= pairs, scene
