"""Which source is this: the first line names it, the stored bytes recognise it."""

import gzip
import io
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pytest

from lpaudit.model import Known, Segment
from lpaudit.redaction import covers
from lpaudit.source import Input, Reader, holds, identity, source_id

TEXT = b"".join(b"line %d\n" % i for i in range(100))


def reader(data: bytes, *, seekable: bool = True) -> Reader:
    return Reader(Input("x", Path("x")), io.BufferedReader(io.BytesIO(data)), rewindable=seekable)  # type: ignore[arg-type]


def agreeing(stored):
    """Compare with bytes that are stored, as an ingest does."""
    return lambda segment, data: covers(stored(segment)[: len(data)], data)


def known(data: bytes, *cuts: int) -> tuple[Known, dict[Segment, bytes]]:
    """What a store holds that was given ``data`` cut at ``cuts``."""
    edges = [0, *cuts, len(data)]
    stored = {Segment.of("0123456789abcdef", a, data[a:b]): data[a:b] for a, b in pairwise(edges)}
    return Known("0123456789abcdef", tuple(stored)), stored


def test_source_id_is_what_it_says() -> None:
    plain = sha256(b"lpaudit source 1\0gw1\x000\0line\n").hexdigest()[:16]
    assert source_id("gw1", b"line\n", 0) == plain
    assert len(plain) == 16


def test_source_ids_differ() -> None:
    ids = {
        source_id(host, line, ordinal)
        for host in (None, "gw1", "gw2", "gé")
        for line in (b"", b"a\n", b"a", b"a\0\n", b"\xff\n")
        for ordinal in (0, 1, 10)
    }
    assert len(ids) == 4 * 5 * 3


def test_no_host_is_an_empty_host() -> None:
    assert source_id(None, b"a\n", 0) == source_id("", b"a\n", 0)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("seekable", [False, True])
@pytest.mark.parametrize("cuts", [(), (80,), (80, 160, 400)])
class TestHolds:
    def ask(
        self, data: bytes, stored: bytes, cuts: tuple[int, ...], seekable: bool, packed: bool
    ) -> tuple[int | None, bytes]:
        source = reader(gzip.compress(data) if packed else data, seekable=seekable)
        source.keep_for_restart()
        what, contents = known(stored, *cuts)
        answer = holds(source, what, agreeing(contents.__getitem__))
        rest = source.read(1 << 20)
        if answer is None:
            source.restart()
            assert source.read(1 << 20) == data
        source.close()
        return answer, rest

    def test_the_same(self, cuts: tuple[int, ...], seekable: bool, packed: bool) -> None:
        assert self.ask(TEXT, TEXT, cuts, seekable, packed) == (len(TEXT), b"")

    def test_it_has_grown(self, cuts: tuple[int, ...], seekable: bool, packed: bool) -> None:
        assert self.ask(TEXT + b"more\n", TEXT, cuts, seekable, packed) == (len(TEXT), b"more\n")

    def test_a_beginning_of_it(self, cuts: tuple[int, ...], seekable: bool, packed: bool) -> None:
        for length in (0, 1, 79, 80, 81, 300, len(TEXT) - 1):
            assert self.ask(TEXT[:length], TEXT, cuts, seekable, packed) == (length, b"")

    def test_it_goes_on_differently(self, cuts: tuple[int, ...], seekable: bool, packed: bool) -> None:
        other = TEXT[:-2] + b"X\n"
        assert self.ask(other, TEXT, cuts, seekable, packed)[0] is None
        assert self.ask(other + b"more\n", TEXT, cuts, seekable, packed)[0] is None

    def test_a_shorter_one_that_differs(self, cuts: tuple[int, ...], seekable: bool, packed: bool) -> None:
        assert self.ask(TEXT[:500] + b"X", TEXT, cuts, seekable, packed)[0] is None


def test_a_plain_file_is_looked_at_at_both_ends(monkeypatch) -> None:
    monkeypatch.setattr(identity, "_EDGE", 20)
    what, contents = known(TEXT, 80, 160, len(TEXT) - 80)
    asked: list[Segment] = []

    def stored(segment: Segment) -> bytes:
        asked.append(segment)
        return contents[segment]

    changed_in_the_middle = TEXT[:100] + b"X" + TEXT[101:]
    assert holds(reader(changed_in_the_middle), what, agreeing(stored)) == len(TEXT)
    assert not asked  # a whole segment is compared by its hash
    assert holds(reader(changed_in_the_middle, seekable=False), what, agreeing(stored)) is None
    assert holds(reader(b"X" + TEXT[1:]), what, agreeing(stored)) is None
    assert holds(reader(TEXT[:-2] + b"X\n"), what, agreeing(stored)) is None


def test_nothing_is_stored() -> None:
    source = reader(TEXT)
    assert holds(source, Known("0123456789abcdef"), agreeing(lambda _: b"")) == 0
    assert source.read(1 << 20) == TEXT


def test_a_segment_is_its_name() -> None:
    segment = Segment.of("0123456789abcdef", 80, TEXT[80:160])
    assert Segment.from_name(segment.name) == segment
    assert segment.name.startswith("segments/0123456789abcdef/0000000000000080-0000000000000160-")
    assert (segment.end, segment.sha256) == (160, sha256(TEXT[80:160]).hexdigest())
