"""Lines of a log → the same without addresses and names of people, and the pseudonyms for their rows.

The bytes stay as many: what is hidden is replaced by as many ``VEIL``, so offsets and lengths are those of
the log. Rows are read from the hidden bytes, as everybody can read them again, and get the pseudonyms.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from lpaudit import errorlog, logformat, source
from lpaudit.model import Provenance, Segment
from lpaudit.pseudonyms import COLUMNS, Pseudonyms
from lpaudit.reading import AccessReading, Reading
from lpaudit.redaction import VEIL
from lpaudit.schema import tables

_BLOCK = 4 << 20
_MEANING = re.compile(rb"[0-9A-Za-z]+")
_MEANING_OF_TEXT = re.compile(rb"[0-9A-Za-z\x80-\xff]+")


@dataclass(frozen=True, slots=True)
class Veiled:
    """A piece as it is stored, and the pseudonyms of its lines by the column that they are for."""

    data: bytes
    names: Mapping[str, pa.Array] = field(default_factory=dict)


def veiled(reading: Reading, piece: bytes, pseudonyms: Pseudonyms | None) -> Veiled:
    """Hide people in a piece of whole lines; without pseudonyms it stays as it is."""
    if pseudonyms is None:
        return Veiled(piece)
    data = bytearray(piece)
    table = "access_event" if isinstance(reading, AccessReading) else "server_event"
    columns = {column: kind for column, kind in COLUMNS[table].items() if kind in pseudonyms.kinds}
    names: dict[str, list[pa.Array]] = {column: [] for column in columns}
    at = 0
    for block in source.blocks(piece, _BLOCK):
        rows = reading.rows(block, _here(reading, at)).cast(tables()[table].arrow)
        if isinstance(reading, AccessReading):
            spans = _in_access(reading, piece, rows, pseudonyms)
        else:
            spans = ((at + a, at + b) for a, b in errorlog.people(block, pseudonyms.kinds))
        for start, end in spans:
            data[start:end] = VEIL * (end - start)
        for column, kind in columns.items():
            names[column].append(pseudonyms.column(kind, rows.column(column)))
        at += len(block)
    return Veiled(bytes(data), {column: pa.concat_arrays(parts) for column, parts in names.items()})


def _here(reading: Reading, offset: int) -> Provenance:
    """Return what says where in its piece a row is, and nothing else."""
    nowhere = Segment("", 0, 0, "")
    return Provenance("", nowhere, "", datetime(1, 1, 1, tzinfo=UTC), reading.name, offset, 1)


def _in_access(
    reading: AccessReading, piece: bytes, rows: pa.Table, pseudonyms: Pseudonyms
) -> Iterator[tuple[int, int]]:
    """Yield what to hide of the lines that ``rows`` were read from.

    In a line that could not be read there may be anybody anywhere: its letters and digits are hidden.
    """
    for name in pc.unique(rows.column("log_format")).to_pylist():
        layout = next(layout for layout in reading.layouts if layout.log_format.name == name)
        mine = rows.filter(pc.equal(rows.column("log_format"), name))
        lines = _spans(mine)
        block = b"".join(piece[start : start + length] for start, length in lines)
        found = dict(logformat.people(layout, block, pseudonyms.kinds))
        for number, (start, length) in enumerate(lines):
            places = found[number] if number in found else _all(piece[start : start + length])
            yield from ((start + begin, start + end) for begin, end in places)


def _all(line: bytes) -> list[tuple[int, int]]:
    """Return all letters and digits of a line. That bytes are no text, still can be seen."""
    try:
        line.decode()
    except UnicodeDecodeError:
        return [m.span() for m in _MEANING.finditer(line)]
    return [m.span() for m in _MEANING_OF_TEXT.finditer(line)]


def _spans(rows: pa.Table) -> list[tuple[int, int]]:
    starts, lengths = (rows.column(name).to_pylist() for name in ("byte_offset", "byte_length"))
    return list(zip(starts, lengths, strict=True))


def named(rows: pa.Table, names: Mapping[str, pa.Array], first: int) -> pa.Table:
    """Return rows with their pseudonyms; the first of them is number ``first`` of the piece."""
    for column, values in names.items():
        index = rows.schema.get_field_index(column)
        hidden = rows.column(column).cast(pa.string()).combine_chunks()
        if isinstance(hidden, pa.ChunkedArray):
            continue  # there are no rows
        told = pc.coalesce(values.slice(first, rows.num_rows), hidden)
        told = pc.if_else(hidden.is_valid(), told, pa.scalar(None, pa.string()))
        rows = rows.set_column(index, rows.schema.field(index), told.cast(rows.schema.types[index]))
    return rows
