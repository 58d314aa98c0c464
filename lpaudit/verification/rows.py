"""Rows ↔ the bytes they were read from: all are counted, and some or all are read again."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from lpaudit import store
from lpaudit.core import line_count
from lpaudit.errors import FormatError, StoreError
from lpaudit.logformat import compile_layout
from lpaudit.model import LogFormat, LogKind, Provenance, Segment
from lpaudit.pseudonyms import COLUMNS, PATTERN
from lpaudit.reading import SHOWN_VEIL, AccessReading, ErrorReading, Reading
from lpaudit.rows import Rows
from lpaudit.schema import tables
from lpaudit.store import Store
from lpaudit.verification.finding import Finding, What, as_findings
from lpaudit.verification.log import Table
from lpaudit.verification.purges import Gone

_NO_ROWS = pl.DataFrame(schema={"segment": pl.String, "byte_offset": pl.Int64, "byte_length": pl.Int64})
_SAME = ("segment", "source_id", "source", "host_name", "ingest_time")
"""Columns that have one value for all rows of a segment."""
_GIVEN = {*_SAME, "log_format"}
"""Columns that do not come from a line: they say how it was read."""
_AT_ONCE = 2
"""Runs of segments that are read again at once: Arrow, polars and zstd let other threads run meanwhile."""
_TOGETHER = 1 << 24
"""Bytes of a log whose rows are read at once, so that small segments do not cost a file each."""
PART = 1 << 20
"""Bytes of a segment of a sample that are read again, about: of one that is larger, some lines in a row."""


def read_counts(target: Store, table: Table, opened: store.Table | None, gone: Gone) -> Iterator[Finding]:
    """Compare, for every segment, its rows with its lines and bytes. One that was purged may have none.

    Raises StoreError if the rows cannot be read.
    """
    named = {piece.segment.name: piece for piece in table.pieces}
    for rows in _stretches(target, table.name, opened).partition_by("segment"):
        segment, lines, size = rows["segment"][0], rows["lines"].sum(), rows["bytes"].sum()
        piece = named.pop(segment, None)
        if piece is None:
            yield Finding(What.ADDED, segment, f"{lines:,} rows of {table.name} name it, and no commit does")
            continue
        begins, ends = rows["begin"].to_list(), rows["end"].to_list()
        if lines != piece.lines or [*begins, piece.segment.end] != [piece.segment.start, *ends]:
            text = (
                f"{table.name} has {lines:,} rows of {size:,} bytes of it, and "
                f"{piece.lines:,} lines of {piece.segment.end - piece.segment.start:,} bytes were stored"
            )
            yield Finding(What.DIFFERENT, segment, text)
    for name, piece in named.items():
        if name in gone.leaves:
            continue
        yield Finding(What.MISSING, name, f"{table.name} has no row of its {piece.lines:,} lines")


def _stretches(target: Store, name: str, table: store.Table | None) -> pl.DataFrame:
    """Return what of each segment lies in one piece in a table's files: as a rule, all of it.

    Columns segment, begin, end (offsets), lines, bytes; in the order of the offsets. A row that is there
    twice, or not at all, ends a stretch.
    """
    dataset = target.dataset(name, table, dictionaries=["segment"])
    columns = ["segment", "byte_offset", "byte_length"]
    try:
        batches = dataset.to_batches(columns=columns) if dataset is not None else ()
        found = [_stretches_of(batch) for batch in batches]
    except (OSError, pa.ArrowException) as error:
        raise store.cannot_read(target.location, error) from error
    return pl.concat(found or [_stretches_in(_NO_ROWS)]).sort("segment", "begin")


def _stretches_of(batch: pa.RecordBatch) -> pl.DataFrame:
    batch.validate(full=True)  # polars takes it that a text is UTF-8, and a damaged one may not be
    return _stretches_in(pl.DataFrame(batch))


def _stretches_in(rows: pl.DataFrame) -> pl.DataFrame:
    end = pl.col("byte_offset") + pl.col("byte_length")
    goes_on = (pl.col("segment") == pl.col("segment").shift()) & (pl.col("byte_offset") == end.shift())
    return (
        rows.group_by((~goes_on).fill_null(value=True).cum_sum().alias("stretch"))
        .agg(
            pl.col("segment").first().cast(pl.String),
            pl.col("byte_offset").first().alias("begin"),
            end.last().alias("end"),
            pl.len().alias("lines"),
            pl.col("byte_length").sum().alias("bytes"),
        )
        .drop("stretch")
    )


def sampled(tables: Iterable[Table], gone: Gone, number: int | None, seed: str) -> list[tuple[str, Segment]]:
    """Return segments with their tables: all, or ``number`` of them, in the order of SHA-256(seed, name).

    Anybody can draw the same sample. Those that were purged are not among them.
    """
    pieces = ((table.name, piece.segment) for table in tables for piece in table.pieces)
    every = [pair for pair in pieces if pair[1].name not in gone.leaves]
    every.sort(key=lambda pair: sha256(f"{seed}\n{pair[1].name}".encode()).digest())
    return sorted(every if number is None else every[:number])


def _runs(drawn: Iterable[tuple[str, Segment]], most: int) -> Iterator[tuple[str, list[Segment]]]:
    """Yield what follows each other in a table and a source, ``most`` bytes at a time, or one segment."""
    table, run = "", list[Segment]()
    for name, segment in drawn:
        follows = run and (name, segment.source_id, segment.start) == (table, run[0].source_id, run[-1].end)
        if run and not (follows and segment.end - run[0].start <= most):
            yield table, run
            run = []
        table = name
        run.append(segment)
    if run:
        yield table, run


def read_all_again(
    target: Store,
    tables: Mapping[str, store.Table | None],
    drawn: Iterable[tuple[str, Segment]],
    seed: str | None,
    read: Callable[[int], None],
) -> Iterator[Finding]:
    """Read the lines of segments again, and compare every value of every row.

    With a ``seed``, of each about ``PART`` bytes that are drawn with it. ``read`` hears how many of their
    bytes have been. Raises StoreError.
    """
    formats = store.formats(target)
    waiting: deque[tuple[int, Future[list[Finding]]]] = deque()

    def done() -> list[Finding]:
        size, future = waiting.popleft()
        found = future.result()
        read(size)
        return found

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for name, run in _runs(drawn, _TOGETHER if seed is None else PART):
            again = pool.submit(list, _read_again(target, tables[name], name, run, formats, seed))
            waiting.append((run[-1].end - run[0].start, again))
            if len(waiting) > _AT_ONCE:
                yield from done()
        while waiting:
            yield from done()


def _read_again(
    target: Store,
    table: store.Table | None,
    name: str,
    run: list[Segment],
    formats: dict[str, LogFormat],
    seed: str | None,
) -> Iterator[Finding]:
    if seed is not None and is_large(run[0]):
        yield from as_findings(run[0].name, _read_part(target, table, name, run[0], formats, seed))
        return
    found = list(as_findings(run[0].name, _read_run(target, table, name, run, formats)))
    if len(run) > 1 and any(finding.what is What.UNREADABLE for finding in found):  # which of them?
        for segment in run:
            yield from _read_again(target, table, name, [segment], formats, seed)
    else:
        yield from found


def is_large(segment: Segment) -> bool:
    """Tell whether only a part of a segment is read again if it is of a sample."""
    return segment.end - segment.start > PART


def _read_part(
    target: Store,
    table: store.Table | None,
    name: str,
    segment: Segment,
    formats: dict[str, LogFormat],
    seed: str,
) -> Iterator[Finding]:
    data = store.read_segment(target.storage, segment)
    begin, end = _lines_at(data, f"{seed}\n{segment.name}")
    span = segment.start + begin, segment.start + end
    rows = _stored(target, table, name, segment.source_id, span)
    yield from _same(name, segment, rows)
    yield from _compare(name, segment, data[begin:end], rows, formats, begin)


def _lines_at(data: bytes, text: str) -> tuple[int, int]:
    """Return where the lines begin and end that are drawn: whole ones, each as likely as any other.

    They hold ``PART`` bytes from where SHA-256(text) says, which may be before the first or up to the last.
    """
    drawn = int.from_bytes(sha256(text.encode()).digest()[:8], "big") % (len(data) + PART - 1) - (PART - 1)
    begin = data.rfind(b"\n", 0, max(0, drawn)) + 1
    end = data.find(b"\n", min(len(data), drawn + PART) - 1) + 1
    return begin, end or len(data)


def _read_run(
    target: Store, table: store.Table | None, name: str, run: list[Segment], formats: dict[str, LogFormat]
) -> Iterator[Finding]:
    stored = _stored(target, table, name, run[0].source_id, (run[0].start, run[-1].end))
    offsets = pl.Series(stored.column("byte_offset"))
    pieces = []
    for segment, data in store.read_segments(target.storage, run):
        if isinstance(data, StoreError):
            yield Finding(What.UNREADABLE, segment.name, data.message)
            continue
        first, last = (int(offsets.search_sorted(offset)) for offset in (segment.start, segment.end))
        pieces.append((segment, data, stored.slice(first, last - first)))
        yield from _same(name, segment, pieces[-1][2])
    if len(pieces) == len(run) > 1:  # small ones are read as one: if that is as it should be, each of them is
        together = b"".join(data for _, data, _ in pieces)
        if not any(_compare(name, run[0], together, stored, formats)):
            return
    for segment, data, rows in pieces:
        yield from as_findings(segment.name, _compare(name, segment, data, rows, formats))


def _compare(
    name: str,
    segment: Segment,
    data: bytes,
    rows: pa.Table,
    formats: dict[str, LogFormat],
    begin: int = 0,
) -> Iterator[Finding]:
    """Compare the rows of bytes, which begin there in a segment, with what these say."""
    if data and not rows.num_rows:
        text = f"its bytes are {line_count(data):,} lines, and {name} has no row of them"
        yield Finding(What.DIFFERENT, segment.name, text)
        return
    kind = next(kind for kind in LogKind if kind.table == name)
    lines, alike = 0, [column for column in rows.column_names if column not in _GIVEN]
    for again in _again(kind, data, segment, rows, formats, begin):
        mine = rows.slice(lines, again.num_rows)
        lines += again.num_rows
        if "byte_offset" not in alike or not mine.column("byte_offset").equals(again.column("byte_offset")):
            alike.clear()  # rows of other lines: only to be counted
        for column in list(alike):
            place = _different(mine.column(column), again.column(column), veiled=column in COLUMNS[name])
            if place is not None:
                alike.remove(column)
                line = mine.column("line_id")[place]
                yield Finding(What.DIFFERENT, f"{name}/{line}", f"its {column} is not what its line says")
    if lines != rows.num_rows:
        text = f"its bytes are {lines:,} lines, and {name} has {rows.num_rows:,} rows"
        yield Finding(What.DIFFERENT, segment.name, text)
    elif not alike:
        yield Finding(What.DIFFERENT, segment.name, f"its lines begin elsewhere than rows of {name} say")


def _different(told: pa.ChunkedArray, found: pa.ChunkedArray, *, veiled: bool) -> int | None:
    """Return the first place where two columns of the same type differ; ``veiled``: but for pseudonyms."""
    if _equal(told, found):
        return None
    told, found = _plain(told), _plain(found)
    if veiled:
        told = _hidden(told, found)
    pairs = enumerate(zip(told, found, strict=True))
    return next((place for place, (mine, other) in pairs if not mine.equals(other)), None)


def _equal(told: pa.ChunkedArray, found: pa.ChunkedArray) -> bool:
    """Compare two columns of the same type. Of texts that repeat, their numbers are enough."""
    if not pa.types.is_dictionary(told.type):
        return bool(told.equals(found))
    both = pa.chunked_array([*told.chunks, *found.chunks], told.type).unify_dictionaries()
    numbers = [chunk.indices for chunk in both.chunks]
    mine, others = numbers[: told.num_chunks], numbers[told.num_chunks :]
    return bool(pa.chunked_array(mine, pa.int32()).equals(pa.chunked_array(others, pa.int32())))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _same(name: str, segment: Segment, rows: pa.Table) -> Iterator[Finding]:
    """Compare what all rows of a segment must have in common."""
    told = {"segment": segment.name, "source_id": segment.source_id}
    for column in _SAME if rows.num_rows else ():
        values = rows.column(column)
        expected = told.get(column, values[0].as_py())
        if pc.unique(values).to_pylist() != [expected]:
            place = next(place for place, value in enumerate(values) if value.as_py() != expected)
            line = rows.column("line_id")[place]
            yield Finding(What.DIFFERENT, f"{name}/{line}", f"its {column} is not that of its segment")


def _hidden(told: pa.ChunkedArray, found: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column as its bytes are read again where it has pseudonyms: they do not say whose."""
    pseudonyms = pc.match_substring_regex(told, PATTERN)
    hidden = pc.match_substring_regex(found, f"^{SHOWN_VEIL}+$")
    return pc.if_else(pc.fill_null(pc.and_(pseudonyms, hidden), fill_value=False), found, told)


def _stored(
    target: Store, table: store.Table | None, name: str, source_id: str, span: tuple[int, int]
) -> pa.Table:
    texts = [field.name for field in tables()[name].travelling if pa.types.is_dictionary(field.type)]
    dataset = target.dataset(name, table, source_id, texts, span)
    if dataset is None:
        raise StoreError(f"{name} has no rows")
    place = pc.field("byte_offset")
    inside = (pc.field("source_id") == source_id) & (place >= span[0]) & (place < span[1])
    return _in_order(dataset.to_table(filter=inside))


def _in_order(rows: pa.Table) -> pa.Table:
    """Return rows as their lines follow each other; as a rule they do, and sorting copies all of them."""
    return rows if pl.Series(rows.column("byte_offset")).is_sorted() else rows.sort_by("byte_offset")


def _again(
    kind: LogKind, data: bytes, segment: Segment, rows: pa.Table, formats: dict[str, LogFormat], begin: int
) -> Iterator[pa.Table]:
    """Yield the rows in order as they are read now: of each format that the stored ones are in, its lines."""
    columns = [column for column in rows.column_names if column not in _GIVEN]
    schema = rows.select(columns).schema
    names = pc.unique(rows.column("log_format")).to_pylist()
    place = segment.start + begin, pc.min(rows.column("line_number")).as_py()
    if len(names) == 1:
        read: Iterable[pa.Table] = _read(kind, data, segment, rows, names[0], formats, place)
    else:
        mine = {name: rows.filter(pc.equal(rows.column("log_format"), name)) for name in names}
        # Rows that travel cannot be chosen from.
        parts = [
            table.filter(
                pc.is_in(table.column("byte_offset"), mine[name].column("byte_offset").combine_chunks())
            )
            for name in names
            for table in (
                read.select(columns).cast(schema)
                for read in _read(kind, data, segment, mine[name], name, formats, place)
            )
        ]
        read = [_in_order(pa.concat_tables(parts).unify_dictionaries())] if parts else []
    for table in read:
        yield table.select(columns).cast(schema)


def _read(
    kind: LogKind,
    data: bytes,
    segment: Segment,
    rows: pa.Table,
    name: str,
    formats: dict[str, LogFormat],
    place: tuple[int, int],
) -> Rows:
    """Read all lines in one format, for the source and at the time that the rows in it say.

    ``place`` are the offset and the number of the first line, whatever it is in.
    """
    first = rows.slice(0, 1).to_pylist()[0]
    where = Provenance(
        source=first["source"],
        segment=segment,
        host_name=first["host_name"],
        ingest_time=first["ingest_time"],
        log_format=name,
        byte_offset=place[0],
        line_number=place[1],
    )
    return Rows(_reading(kind, name, first, formats), data, where)


def _reading(kind: LogKind, name: str, first: dict[str, Any], formats: dict[str, LogFormat]) -> Reading:
    if kind is LogKind.ERROR:
        return ErrorReading(ZoneInfo(first["timezone"] or "UTC"))
    if name not in formats:
        raise FormatError("the store does not say what it is", name, 0)
    return AccessReading((compile_layout(formats[name]),))
