"""Decompression: the same bytes back, and of damaged data every byte before the damage."""

import bz2
import gzip
import lzma
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lpaudit.errors import SourceError
from lpaudit.source import Framing, Input, Reader, first_line, open_reader

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

quick = settings(max_examples=60, deadline=None)

PACK: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": lambda data: gzip.compress(data, 1),
    "zstd": zstd.compress,
    "bzip2": lambda data: bz2.compress(data, 1),
    "xz": lambda data: lzma.compress(data, preset=0),
}
PACKED = [name for name in PACK if name != "plain"]
# Bytes that tell a compression. Of less than these, nothing can be told.
MAGIC = {"gzip": 2, "zstd": 4, "bzip2": 10, "xz": 6}

texts = st.lists(st.sampled_from([b"line\n", b"another line\n", b"\n", b"x" * 500]), max_size=30).map(
    b"".join
)
contents = st.one_of(st.binary(max_size=3000), texts)


@contextmanager
def opened(data: bytes) -> Iterator[Reader]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        reader = open_reader(Input(file.name, Path(file.name)))
        try:
            yield reader
        finally:
            reader.close()


@contextmanager
def piped(data: bytes, step: int = 1 << 16) -> Iterator[Reader]:
    """A reader of a pipe that is written ``step`` bytes at a time."""
    incoming, outgoing = os.pipe()

    def write() -> None:
        with os.fdopen(outgoing, "wb", buffering=0) as file:
            try:
                for start in range(0, len(data), step):
                    file.write(data[start : start + step])
            except BrokenPipeError:
                pass

    writer = threading.Thread(target=write)
    writer.start()
    reader = Reader(Input("stdin", None), os.fdopen(incoming, "rb"), rewindable=False)
    try:
        yield reader
    finally:
        reader.close()
        writer.join()


def read_all(reader: Reader, size: int) -> bytes:
    pieces = []
    while piece := reader.read(size):
        pieces.append(piece)
    return b"".join(pieces)


@pytest.mark.parametrize("name", PACK)
@quick
@given(data=contents, size=st.integers(1, 5000))
def test_the_same_bytes_come_back(name: str, data: bytes, size: int) -> None:
    with opened(PACK[name](data)) as reader:
        if name != "plain":
            assert reader.compression == name
        assert read_all(reader, size) == data or (name == "plain" and reader.compression is not None)
        assert reader.damage is None or name == "plain"  # which may look compressed
        assert reader.read(size) == b""


@pytest.mark.parametrize("name", PACKED)
@quick
@given(parts=st.lists(contents, min_size=1, max_size=4), size=st.integers(1, 5000))
def test_several_members_are_one_content(name: str, parts: list[bytes], size: int) -> None:
    with opened(b"".join(map(PACK[name], parts))) as reader:
        assert read_all(reader, size) == b"".join(parts)
        assert reader.damage is None


@pytest.mark.parametrize("name", PACKED)
@quick
@given(data=contents, at=st.floats(0, 1, exclude_max=True), size=st.integers(1, 5000), by_pipe=st.booleans())
def test_truncated_anywhere(name: str, data: bytes, at: float, size: int, by_pipe: bool) -> None:
    packed = PACK[name](data)
    cut = packed[: MAGIC[name] + int((len(packed) - MAGIC[name]) * at)]
    with piped(cut) if by_pipe else opened(cut) as reader:
        got = read_all(reader, size)
        assert data.startswith(got)
        assert reader.damage is not None
        assert reader.read(size) == b""


@pytest.mark.parametrize("name", PACKED)
def test_what_precedes_the_damage_is_handed_out(name: str) -> None:
    first, second = os.urandom(2000), os.urandom(2000)
    with opened(PACK[name](first) + PACK[name](second)[:-30]) as reader:
        assert read_all(reader, 700).startswith(first)
        assert reader.damage is not None


@pytest.mark.parametrize("name", PACKED)
@quick
@given(data=st.binary(min_size=100, max_size=2000), at=st.integers(10, 10_000), flip=st.integers(1, 255))
def test_a_flipped_byte_never_raises(name: str, data: bytes, at: int, flip: int) -> None:
    packed = bytearray(PACK[name](data))
    packed[MAGIC[name] + at % (len(packed) - MAGIC[name])] ^= flip
    with opened(bytes(packed)) as reader:
        read_all(reader, 300)


@pytest.mark.parametrize("name", PACKED)
def test_a_line_before_the_damage_is_held_back(name: str) -> None:
    """What looks like a last line is only its beginning: the rest is damaged."""
    text = b"".join(b"line %d %s\n" % (i, os.urandom(20).hex().encode()) for i in range(200))
    with opened(PACK[name](text)[:-40]) as reader:
        framing = Framing(reader, 1000, final=reader.final)
        assert all(piece.endswith(b"\n") for piece in framing)
        assert reader.damage is not None


@pytest.mark.parametrize("name", PACK)
@quick
@given(
    data=texts,
    ahead=st.integers(0, 4000),
    size=st.integers(1, 3000),
    by_pipe=st.booleans(),
    peek=st.booleans(),
)
def test_restart(name: str, data: bytes, ahead: int, size: int, by_pipe: bool, peek: bool) -> None:
    packed = PACK[name](data)
    with piped(packed) if by_pipe else opened(packed) as reader:
        if peek:
            first_line(reader, final=True)
        reader.keep_for_restart()
        for _ in range(3):
            assert reader.read(ahead) == data[:ahead]
            reader.restart()
            reader.keep_for_restart()
        assert read_all(reader, size) == data
        reader.restart()
        assert read_all(reader, size) == data
        assert reader.damage is None


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("by_pipe", [False, True])
def test_damage_is_found_again_after_a_restart(name: str, by_pipe: bool) -> None:
    cut = PACK[name](os.urandom(5000))[:-60]
    with piped(cut) if by_pipe else opened(cut) as reader:
        reader.keep_for_restart()
        first = read_all(reader, 700)
        assert reader.damage is not None
        reader.restart()
        assert reader.damage is None
        assert read_all(reader, 900) == first
        assert reader.damage is not None


@pytest.mark.parametrize("name", PACK)
@pytest.mark.parametrize("step", [1, 3, 7, 1000])
def test_a_pipe_that_is_written_slowly(name: str, step: int) -> None:
    data = b"a line of a log\n" * 50
    with piped(PACK[name](data), step) as reader:
        assert read_all(reader, 100) == data
        assert reader.damage is None


@pytest.mark.parametrize("name", PACKED)
def test_a_first_write_that_is_shorter_than_what_tells_a_compression(name: str) -> None:
    data = b"a line of a log\n" * 50
    packed = PACK[name](data)
    incoming, outgoing = os.pipe()

    def write_the_rest() -> None:
        os.write(outgoing, packed[1:])
        os.close(outgoing)

    os.write(outgoing, packed[:1])
    later = threading.Timer(0.1, write_the_rest)
    later.start()
    reader = Reader(Input("stdin", None), os.fdopen(incoming, "rb"), rewindable=False)
    got = read_all(reader, 100)
    later.join()
    reader.close()
    assert got == data


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files as Linux shows them")
@pytest.mark.parametrize("restarts", [0, 1, 2])
def test_close_lets_go_of_what_was_kept(restarts: int) -> None:
    before = _open_files()
    with piped(b"line\n" * 50) as reader:
        reader.keep_for_restart()
        reader.read(20)
        for _ in range(restarts):
            reader.restart()
            reader.keep_for_restart()
            reader.read(7)
    assert _open_files() == before  # the reader itself is still alive here
    assert reader.source.path is None


@pytest.mark.parametrize(
    "damaged",
    [
        gzip.compress(b"line\n", mtime=0)[:6],
        # bzip2 whose decompressor does not bear being asked again after it has failed.
        bytes.fromhex(
            "425a683131415926535962c172100000150088804000008008200030cc0529a649b149e2ee48a70a120c582e2b00"
        ),
    ],
    ids=["gzip", "bzip2"],
)
def test_damage_stays_damage_on_a_pipe(damaged: bytes) -> None:
    with piped(damaged) as reader:
        reader.keep_for_restart()
        first = read_all(reader, 100)
        why = reader.damage
        assert why is not None
        reader.restart()
        assert read_all(reader, 100) == first
        assert reader.damage == why


def test_compression_is_told_by_content_and_not_by_name(tmp_path: Path) -> None:
    (tmp_path / "plain.gz").write_bytes(b"no gzip\n")
    (tmp_path / "packed.log").write_bytes(gzip.compress(b"gzip\n"))
    for name, expected in (("plain.gz", b"no gzip\n"), ("packed.log", b"gzip\n")):
        reader = open_reader(Input(name, tmp_path / name))
        assert reader.read(100) == expected
        reader.close()


def test_a_log_that_begins_like_bzip2_is_plain() -> None:
    with opened(b"BZhello world\n") as reader:
        assert reader.compression is None
        assert reader.read(100) == b"BZhello world\n"


@pytest.mark.parametrize("data", [b"", b"\x1f", b"BZh", b"\xfd7z", b"\x28\xb5"])
def test_too_short_to_be_compressed(data: bytes) -> None:
    with opened(data) as reader:
        assert reader.compression is None
        assert reader.read(100) == data
        assert reader.damage is None


def test_garbage_after_the_last_member_is_damage() -> None:
    with opened(gzip.compress(b"line\n") + b"garbage") as reader:
        assert read_all(reader, 100) == b"line\n"
        assert reader.damage is not None


def test_zeros_after_the_last_member_are_padding() -> None:
    with opened(gzip.compress(b"line\n") + b"\0" * 600) as reader:
        assert read_all(reader, 100) == b"line\n"
        assert reader.damage is None


def test_what_can_be_known_of_an_input() -> None:
    with opened(b"0123456789") as plain:
        assert (plain.seekable, plain.final, plain.size(), plain.position) == (True, False, 10, 0)
        plain.seek(4)
        assert plain.read(3) == b"456"
        assert plain.size() == 10
        assert plain.read(3) == b"789"
    with opened(gzip.compress(b"0123456789")) as packed:
        assert (packed.seekable, packed.final) == (False, True)
        assert packed.size() is not None
    with piped(b"0123456789") as pipe:
        assert (pipe.seekable, pipe.final, pipe.size(), pipe.position) == (False, False, None, None)
        assert pipe.read(100) == b"0123456789"


def test_what_is_appended_while_reading_is_for_the_next_time() -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"one\n")
        file.flush()
        reader = open_reader(Input(file.name, Path(file.name)))
        assert reader.read(100) == b"one\n"
        file.write(b"two\n")
        file.flush()
        assert reader.read(100) == b""
        reader.close()
        again = open_reader(Input(file.name, Path(file.name)))
        assert again.read(100) == b"one\ntwo\n"
        again.close()


def test_pushed_back_bytes_come_first() -> None:
    with opened(b"0123456789") as reader:
        reader.push_back(reader.read(4))
        reader.push_back(b"ab")
        assert reader.read(3) == b"ab0"
        assert reader.read(100) == b"123456789"


def test_a_missing_file_is_a_source_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"cannot read .*missing: no such file"):
        open_reader(Input("missing", tmp_path / "missing"))
