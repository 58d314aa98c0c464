"""Reading a set that moves under the reader: nothing that was there throughout is missed, nothing is made up.

The set is simulated: between any two questions records come and go, anywhere in it. The answers
are computed as Prefect's database does: sorted, cut at an offset.
"""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lpaudit.errors import PrefectError
from lpaudit.prefect.paging import NoOverlapError, Slice, by_time, ordered, settled

T0 = datetime(2026, 11, 23, tzinfo=UTC)


class Moving:
    """Records (key, name) in an order of falling keys. ``moves`` are the sets of changes between questions."""

    def __init__(self, records, moves, size):
        self.records = dict.fromkeys(records)
        self.throughout = set(records)
        self.ever = set(records)
        self.moves = list(moves)
        self.size = size
        self.asked = 0

    def page(self, offset):
        if self.asked and self.moves:
            going, coming = self.moves.pop(0)
            there = sorted(self.records)
            for index in going:
                if there:
                    gone = there[index % len(there)]
                    self.records.pop(gone, None)
                    self.throughout.discard(gone)
            for record in coming:
                if record not in self.ever:
                    self.records[record] = None
                    self.ever.add(record)
        self.asked += 1
        return self.in_order()[offset : offset + self.size]

    def in_order(self):
        return sorted(self.records, reverse=True)


keys = st.tuples(st.integers(0, 400), st.integers(0, 2))
moves = st.lists(
    st.tuples(st.lists(st.integers(0, 999), max_size=6), st.lists(keys, max_size=6)), max_size=30
)


@given(st.lists(keys, unique=True, max_size=60), moves, st.integers(5, 20))
@settings(max_examples=400)
def test_an_ordered_set_is_read_whole_while_it_moves(records, changes, size):
    moving = Moving(records, changes, size)
    got = []
    try:
        for page in ordered(moving.page, lambda record: record[0]):
            got += page
    except NoOverlapError:
        # Few records, or many alike: the caller reads the set as one without an order.
        for page in settled(moving.page, str):
            got += page
    assert moving.throughout <= set(got), "a record that was there all the time is missing"
    assert set(got) <= moving.ever


class Shuffled(Moving):
    """Records without an order: each question finds them in another one."""

    def in_order(self):
        return sorted(self.records, key=lambda record: hash((record, self.asked // 7)))


@given(st.lists(keys, unique=True, max_size=12), st.integers(20, 40))
def test_a_set_in_no_order_is_read_until_nothing_new_comes(records, size):
    moving = Shuffled(records, [], size)
    got = {record for page in settled(moving.page, str) for record in page}
    assert got == set(records)


def test_a_deletion_does_not_hide_what_slips_into_the_page_before():
    """With offsets alone the second page begins one too late."""
    records = [(n, 0) for n in range(100)]
    moving = Moving(records, [([99, 98, 97, 96, 95, 94, 93, 92], [])], 10)
    got = {record for page in ordered(moving.page, lambda record: record[0]) for record in page}
    assert got == set(records)  # those that went had been read


def test_a_page_that_begins_among_records_of_one_time_may_have_skipped_some_of_them():
    """Of four records created at once two were read; then so much goes that the next page begins with the last."""
    records = [(9, 0), (8, 0), (7, 4), (7, 3), (7, 2), (7, 1), (6, 0), (5, 0)]
    moving = Moving(records, [([7, 6, 5, 4], [])], 4)
    got = {record for page in ordered(moving.page, lambda record: record[0]) for record in page}
    assert got >= moving.throughout == {(7, 2), (7, 1), (6, 0), (5, 0)}


def test_an_unsorted_answer_is_refused():
    with pytest.raises(PrefectError, match="not sorted"):
        list(ordered(lambda _: [1, 2, 3], lambda record: record))


def test_a_set_that_never_stands_still_is_an_error():
    """Whatever comes after the first page is gone when the page before it has been read again."""

    def ask(offset):
        return list(range(1000, 990, -1)) if offset < 4 else [500]

    with pytest.raises(PrefectError, match="did not stand still"):
        list(ordered(ask, lambda record: record))
    fresh = iter(range(1_000_000))
    with pytest.raises(PrefectError, match="did not stand still"):
        list(settled(lambda offset: [] if offset else [next(fresh)], str))


def test_a_server_that_ignores_the_offset_is_an_error():
    for page in ([1], list(range(200))):
        asked = []
        with pytest.raises(PrefectError, match="again and again"):
            list(settled(lambda offset, page=page, asked=asked: asked.append(offset) or page, str))
        assert len(asked) < 20


instants = st.integers(0, 3000)


@given(
    st.lists(st.tuples(instants, st.integers(0, 9)), unique=True, max_size=80),
    st.lists(st.tuples(st.integers(0, 999), st.tuples(instants, st.integers(10, 19))), max_size=20),
    st.integers(2, 10),
    st.integers(1, 3000),
)
@settings(max_examples=400)
def test_events_are_read_whole_while_old_ones_are_forgotten_and_late_ones_come(records, changes, size, end):
    there, throughout, ever = set(records), set(records), set(records)
    pending = list(changes)

    def between(start, stop):
        return sorted(r for r in there if start <= T0 + timedelta(microseconds=r[0]) <= stop)

    def ask(start, stop):
        if pending:
            index, late = pending.pop()
            if there:
                gone = sorted(there)[index % len(there)]
                there.discard(gone)
                throughout.discard(gone)
            if late not in ever:
                there.add(late)
                ever.add(late)
        found = between(start, stop)
        return Slice(found[:size], len(found))

    until = T0 + timedelta(microseconds=end)
    pages = by_time(
        ask,
        lambda moment: between(moment, moment),
        lambda r: T0 + timedelta(microseconds=r[0]),
        T0,
        until,
    )
    got = {record for page in pages for record in page}
    assert {r for r in throughout if r[0] <= end} <= got
    assert got <= {r for r in ever if r[0] <= end}


def test_events_of_another_time_than_was_asked_for_are_refused():
    late = T0 + timedelta(days=1)
    with pytest.raises(PrefectError, match="not those of the time"):
        list(by_time(lambda *_: Slice([late], 1), lambda _: [], lambda t: t, T0, T0 + timedelta(hours=1)))
    with pytest.raises(PrefectError, match="hands out none"):
        list(by_time(lambda *_: Slice([], 3), lambda _: [], lambda t: t, T0, T0 + timedelta(hours=1)))
