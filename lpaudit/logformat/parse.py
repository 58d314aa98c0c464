"""Layout × block of lines → entries: one row a line, in order, good or rejected.

Vectorised throughout: a hostile line costs what a good one costs.
"""

from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from lpaudit.logformat.directives import Kind
from lpaudit.logformat.escaping import unescape
from lpaudit.logformat.layout import Layout, Slot
from lpaudit.logformat.timestamp import UNITS_PER_SECOND, read_clock, to_microseconds
from lpaudit.model import Escaping, ParseNote, RejectReason

MAX_LINE = 1 << 20
"""Bytes of the longest line that is parsed; by default lighttpd takes 8 KiB of request headers."""

RAW_TEXT = 1 << 16
"""Characters of a rejected line that its row keeps; the segment keeps every byte."""

_YEAR_10000 = 253_402_300_800  # seconds since the epoch
_INT_LIMITS = {"client_port": 65_535, "server_port": 65_535, "connection_request_number": 2**31 - 1}


@dataclass(frozen=True, slots=True)
class Parsed:
    """Entries of a block of lines.

    ``columns``: one row a line; columns named as in access_event (those that the format
    has), ``fields`` as List(Struct(key, value)), ``reject_reason``, ``raw``, ``parse_note``.
    ``lengths``: bytes of each line with its line end (Int64).
    """

    columns: pl.DataFrame
    lengths: pl.Series


def parse(layout: Layout, block: bytes) -> Parsed:
    """Parse a block of whole lines; only its last line may lack the line end."""
    lengths, lines = _lines(block)
    readable = lines.set(lengths > MAX_LINE, None) if (lengths > MAX_LINE).any() else lines
    groups, matched = _extract(layout, readable)
    columns, reasons, notes = _convert(layout, groups, matched)
    reasons = _explain(reasons, matched, lengths, block, lines)
    rejected = reasons.is_not_null()
    if rejected.any():
        # A line that cannot be read in full is not read in part: its text is kept instead.
        columns = columns.with_columns(
            pl.when(~rejected).then(pl.col(name)).alias(name) for name in columns.columns
        )
    raw = lines.str.strip_chars_end("\r").str.slice(0, RAW_TEXT)
    columns = columns.with_columns(
        parse_note=pl.when(~rejected).then(notes),
        reject_reason=reasons,
        raw=pl.when(rejected).then(raw),
    )
    return Parsed(columns, lengths)


def match_count(layout: Layout, block: bytes) -> tuple[int, int]:
    """Return how many of the block's lines match the layout, and how many are not blank."""
    lengths, lines = _lines(block)
    readable = lines.set(lengths > MAX_LINE, None) if (lengths > MAX_LINE).any() else lines
    _, matched = _extract(layout, readable)
    return int(matched.sum()), int((lines.str.strip_chars() != "").sum())


def _lines(block: bytes) -> tuple[pl.Series, pl.Series]:
    """Split a block; return the lines' lengths in bytes with their ends, and their text without."""
    values = _split(block)
    ended = block.endswith(b"\n")
    lengths = pl.Series(pc.add(pc.binary_length(values), 1), dtype=pl.Int64)
    if not ended:
        lengths[-1] = lengths[-1] - 1
    try:
        texts = values.cast(pa.large_string())
    except pa.ArrowInvalid:
        # Not UTF-8: the bytes that are not become \xhh. No byte that splits lines is touched.
        texts = _split(block.decode("utf-8", "backslashreplace").encode()).cast(pa.large_string())
    return lengths, pl.Series("line", texts, dtype=pl.String)


def _split(block: bytes) -> pa.LargeBinaryArray:
    values = pc.split_pattern(pa.array([block], pa.large_binary()), b"\n").values
    return values[:-1] if block.endswith(b"\n") else values


def _extract(layout: Layout, lines: pl.Series) -> tuple[pl.DataFrame, pl.Series]:
    """Return the captured texts, one column a group, and which lines matched."""
    fast = lines.str.extract_groups(layout.fast).struct.unnest()
    matched = fast.to_series(0).is_not_null()
    if matched.all():
        return fast, matched
    rest = pl.arg_where(~matched, eager=True)
    full = _full_groups(layout, lines.gather(rest), fast.columns)
    if full.to_series(0).is_null().all():
        return fast, matched
    groups = pl.DataFrame([fast[name].scatter(rest, full[name]) for name in fast.columns])
    return groups, groups.to_series(0).is_not_null()


def _full_groups(layout: Layout, lines: pl.Series, names: list[str]) -> pl.DataFrame:
    groups = lines.str.extract_groups(layout.full).struct.unnest()
    for index, slot in enumerate(layout.slots):
        if slot.directive.kind is Kind.REQUEST:
            groups = groups.with_columns(*_split_request(groups[f"g{index}"], f"g{index}"))
    return groups.select(names)


def _split_request(request: pl.Series, group: str) -> tuple[pl.Series, pl.Series, pl.Series]:
    """Split ``METHOD target protocol`` at its first and last space; a target may hold more.

    A request line of fewer than three words was never a request: it is kept as the
    target, with an empty method and protocol.
    """
    words = request.str.extract_groups(r"^(?P<m>[^ ]*) (?P<t>(?s:.*)) (?P<p>[^ ]*)$").struct.unnest()
    odd = words["m"].is_null() & request.is_not_null()
    empty = pl.Series([""])
    return (
        words["m"].zip_with(~odd, empty.new_from_index(0, len(request))).alias(group + "m"),
        words["t"].zip_with(~odd, request).alias(group + "t"),
        words["p"].zip_with(~odd, empty.new_from_index(0, len(request))).alias(group + "p"),
    )


class _Entries:
    """The columns under construction, with what went wrong on the way."""

    def __init__(self, escaping: Escaping, matched: pl.Series) -> None:
        self.escaping = escaping
        self.matched = matched
        self.columns: dict[str, pl.Series] = {}
        self.fields: dict[str, pl.Series] = {}
        self.reasons = pl.Series([None], dtype=pl.String).new_from_index(0, len(matched))
        self.notes: dict[ParseNote, pl.Series] = {}

    def put(self, column: str | None, slot: Slot, values: pl.Series) -> None:
        """Keep ``values``. A directive that stands twice in a format says the same twice."""
        if column is None:
            if values.null_count() < len(values):
                self.fields.setdefault(slot.text, values)
        else:
            self.columns.setdefault(column, values)

    def text(self, slot: Slot, texts: pl.Series) -> pl.Series:
        if slot.directive.dash:
            texts = texts.set(texts == "-", None)
        return unescape(texts, self.escaping) if slot.directive.escaped else texts

    def integer(self, texts: pl.Series, limit: int = 2**63 - 1) -> pl.Series:
        """Numbers; null for ``-`` and nothing. What does not fit rejects its line."""
        absent = texts.is_in(["-", ""]) | texts.is_null()
        numbers = texts.cast(pl.Int64, strict=False)
        numbers = numbers.set(numbers > limit, None)
        self.reject(numbers.is_null() & ~absent, RejectReason.NUMBER_OUT_OF_RANGE)
        return numbers

    def reject(self, where: pl.Series, reason: RejectReason) -> None:
        where = where & self.matched & self.reasons.is_null()
        if where.any():
            self.reasons = self.reasons.set(where, str(reason))

    def note(self, where: pl.Series, note: ParseNote) -> None:
        where = where.fill_null(value=False)
        if where.any():
            self.notes[note] = self.notes[note] | where if note in self.notes else where


def _convert(
    layout: Layout, groups: pl.DataFrame, matched: pl.Series
) -> tuple[pl.DataFrame, pl.Series, pl.Series]:
    entries = _Entries(layout.log_format.escaping, matched)
    for index, slot in enumerate(layout.slots):
        group = f"g{index}"
        match slot.directive.kind:
            case Kind.TEXT:
                entries.put(slot.column, slot, entries.text(slot, groups[group]))
            case Kind.INTEGER:
                limit = _INT_LIMITS.get(slot.column or "", 2**63 - 1)
                entries.put(slot.column, slot, entries.integer(groups[group], limit))
            case Kind.REQUEST | Kind.CLOCK | Kind.EPOCH | Kind.FRACTION | Kind.DURATION:
                pass
    _requests(layout, groups, entries)
    _times(layout, groups, entries)
    _durations(layout, groups, entries)
    columns = pl.DataFrame([values.alias(name) for name, values in entries.columns.items()])
    if entries.fields:
        columns = columns.with_columns(fields=_fields(entries.fields))
    if not columns.width:
        columns = pl.DataFrame({"fields": [None] * len(matched)}, schema={"fields": _FIELDS})
    return columns, entries.reasons, _note_texts(entries.notes, len(matched))


_FIELDS = pl.List(pl.Struct({"key": pl.String, "value": pl.String}))


def _fields(values: dict[str, pl.Series]) -> pl.Series:
    pairs = [
        pl.when(series.is_not_null()).then(pl.struct(key=pl.lit(key), value=series))
        for key, series in values.items()
    ]
    present = pl.concat_list(pairs).list.drop_nulls()
    return pl.select(pl.when(present.list.len() > 0).then(present)).to_series()


def _note_texts(notes: dict[ParseNote, pl.Series], height: int) -> pl.Series:
    nothing = pl.Series([None], dtype=pl.String).new_from_index(0, height)
    if not notes:
        return nothing
    words = [pl.when(where).then(pl.lit(str(note))) for note, where in notes.items()]
    text = pl.concat_str(words, separator=",", ignore_nulls=True)
    return pl.select(pl.when(text != "").then(text)).to_series()


def _requests(layout: Layout, groups: pl.DataFrame, entries: _Entries) -> None:
    """%r gives method, target and protocol; %m, %U, %q and %H, where they are, say more exactly."""
    for index, slot in enumerate(layout.slots):
        if slot.directive.kind is not Kind.REQUEST:
            continue
        method, target, protocol = (groups[f"g{index}{part}"] for part in "mtp")
        entries.put("http_request_method", slot, unescape(method, entries.escaping))
        entries.put("network_protocol", slot, unescape(protocol, entries.escaping))
        halves = target.str.splitn("?", 2).struct.unnest()
        entries.put("url_path", slot, unescape(halves.to_series(0), entries.escaping))
        entries.put("url_query", slot, unescape(halves.to_series(1), entries.escaping))
        entries.put("url_original", slot, unescape(target, entries.escaping))


def _times(layout: Layout, groups: pl.DataFrame, entries: _Entries) -> None:
    """Begin and end: the finest numeric time, else a clock; a fraction is added to whole seconds."""
    for which, column in (("begin", "event_start"), ("end", "event_end")):
        whole: tuple[int, pl.Series] | None = None  # units per second, microseconds since the epoch
        for index, slot in enumerate(layout.slots):
            if slot.column != which or slot.directive.kind not in (Kind.CLOCK, Kind.EPOCH):
                continue
            fineness = {"ms": 3, "us": 6, "ns": 9}.get(slot.unit or "", 0)
            if whole is not None and fineness <= whole[0]:
                continue
            whole = fineness, _whole_time(layout, slot, groups[f"g{index}"], entries)
        if whole is None:
            continue
        fineness, microseconds = whole
        if fineness == 0:
            microseconds = microseconds + _fraction(layout, which, groups, entries)
        entries.columns[column] = microseconds.cast(pl.Datetime("us", "UTC"))


def _whole_time(layout: Layout, slot: Slot, texts: pl.Series, entries: _Entries) -> pl.Series:
    if slot.clock is not None:
        read = read_clock(
            texts, slot.clock.form, has_offset=slot.clock.has_offset, timezone=layout.log_format.timezone
        )
        entries.reject(read.is_null(), RejectReason.BAD_TIMESTAMP)
        return read.cast(pl.Int64)
    numbers = texts.cast(pl.Int64, strict=False)
    unit = slot.unit or "s"
    # Beyond the year 9999 a number is no time that DuckDB, Delta or a person could read.
    numbers = numbers.set((numbers < 0) | (numbers >= _YEAR_10000 * UNITS_PER_SECOND[unit]), None)
    entries.reject(numbers.is_null(), RejectReason.BAD_TIMESTAMP)
    return to_microseconds(numbers, unit)


def _fraction(layout: Layout, which: str, groups: pl.DataFrame, entries: _Entries) -> pl.Series:
    """Return the finest fraction in microseconds, with lighttpd's rounding carry undone.

    ``…_frac`` rounds up and may carry into the character before it (log_access_record in
    mod_accesslog.c): ``1795428968/000`` is 1795428969.000.
    """
    best = max(
        (
            (index, slot)
            for index, slot in enumerate(layout.slots)
            if slot.directive.kind is Kind.FRACTION and slot.column == which
        ),
        key=lambda found: {"ms": 3, "us": 6, "ns": 9}[found[1].unit or "ms"],
        default=None,
    )
    if best is None:
        return pl.Series([0], dtype=pl.Int64).new_from_index(0, groups.height)
    index, slot = best
    fraction = to_microseconds(groups[f"g{index}"].cast(pl.Int64, strict=False), slot.unit or "ms")
    if slot.carry:
        before = groups[f"g{index}c"]
        literal = _carried_literal(layout, slot)
        carried = (before != literal).fill_null(value=False)
        entries.note(carried, ParseNote.FRAC_CARRY)
        fraction = fraction.zip_with(~carried, fraction + 1_000_000)
        # A changed literal before anything but zeros is not lighttpd's doing.
        entries.reject(carried & (fraction != 1_000_000), RejectReason.BAD_TIMESTAMP)
    return fraction


def _carried_literal(layout: Layout, slot: Slot) -> str:
    text = layout.log_format.format_string
    return text[slot.position - 1]


def _durations(layout: Layout, groups: pl.DataFrame, entries: _Entries) -> None:
    """Take the finest duration. -1 means that the clock went backwards: null, and counted."""
    found = [
        (slot.unit or "s", entries.integer(groups[f"g{index}"]))
        for index, slot in enumerate(layout.slots)
        if slot.directive.kind is Kind.DURATION
    ]
    if not found:
        return
    for _, numbers in found:
        entries.note(numbers < 0, ParseNote.NEGATIVE_DURATION)
    unit, numbers = max(found, key=lambda pair: {"s": 0, "ms": 3, "us": 6}[pair[0]])
    entries.columns["event_duration_us"] = to_microseconds(numbers.set(numbers < 0, None), unit)


def _explain(
    reasons: pl.Series, matched: pl.Series, lengths: pl.Series, block: bytes, lines: pl.Series
) -> pl.Series:
    """Add the reasons of the lines that did not match, the most telling one for each."""
    if matched.all():
        return reasons
    frame = pl.DataFrame({"reason": reasons, "matched": matched, "length": lengths, "line": lines})
    why = (
        pl.when(pl.col("matched"))
        .then(pl.col("reason"))
        .when(pl.col("length") > MAX_LINE)
        .then(pl.lit(str(RejectReason.TOO_LONG)))
        .when(pl.col("line").str.strip_chars() == "")
        .then(pl.lit(str(RejectReason.BLANK)))
        .when(pl.col("line").str.contains("\0", literal=True))
        .then(pl.lit(str(RejectReason.NUL_BYTES)))
        .otherwise(pl.lit(str(RejectReason.NO_MATCH)))
    )
    explained = frame.select(why.alias("reason")).to_series()
    if block.isascii():
        return explained
    return explained.zip_with(
        ~(_invalid_utf8(block) & (explained == RejectReason.NO_MATCH)), _constant(explained)
    )


def _constant(like: pl.Series) -> pl.Series:
    return pl.Series([str(RejectReason.INVALID_UTF8)]).new_from_index(0, len(like))


def _invalid_utf8(block: bytes) -> pl.Series:
    valid = []
    for line in _split(block).to_pylist():
        try:
            line.decode()
        except UnicodeDecodeError:
            valid.append(True)
        else:
            valid.append(False)
    return pl.Series(valid, dtype=pl.Boolean)
