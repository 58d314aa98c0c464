"""Layout × block of lines → entries: one row a line, in order, good or rejected.

Vectorised throughout: a hostile line costs what a good one costs.
"""

import codecs
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from lpaudit.logformat import core
from lpaudit.logformat.directives import Kind
from lpaudit.logformat.escaping import unescape
from lpaudit.logformat.layout import HEAD, Layout, Slot
from lpaudit.logformat.strftime import YEAR_10000
from lpaudit.logformat.timestamp import UNITS_PER_SECOND, read_clock, to_microseconds
from lpaudit.model import Escaping, ParseNote, RejectReason

MAX_LINE = 1 << 20
"""Bytes of the longest line that is parsed; by default lighttpd takes 8 KiB of request headers."""

RAW_TEXT = 1 << 16
"""Characters of a rejected line that its row keeps; the segment keeps every byte."""

_FEW_LINES = 1024  # that are decoded together where some in a block are not UTF-8

_EARLIEST, _LATEST = -62_135_596_800_000_000, YEAR_10000 * 1_000_000 - 1  # microseconds: years 1 to 9999
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
    found = core.fields(layout, block, MAX_LINE)
    return _by_expressions(layout, block) if found is None else _by_core(layout, block, found)


def _by_core(layout: Layout, block: bytes, found: core.Fields) -> Parsed:
    """Keep what the core has read, where it makes good entries; the expressions read all other lines."""
    every = pl.repeat(True, found.groups.height, eager=True)  # noqa: FBT003
    columns, reasons, notes = _convert(layout, found.groups, every, pl.arg_where(found.escaped, eager=True))
    columns = columns.with_columns(
        parse_note=_note_texts(notes, columns.height), reject_reason=reasons, raw=_nothing(columns.height)
    )
    good, places = reasons.is_null(), pl.arg_where(found.fitting, eager=True)
    read = found.fitting.scatter(places.filter(~good), False)  # noqa: FBT003
    if read.all():
        return Parsed(columns, found.lengths)
    places, others = pl.arg_where(read, eager=True), pl.arg_where(~read, eager=True)
    starts = found.lengths.cum_sum() - found.lengths
    slices = zip(starts.gather(others), found.lengths.gather(others), strict=True)
    rest = _by_expressions(layout, b"".join(block[start : start + length] for start, length in slices))
    columns = columns if good.all() else columns.filter(good)
    together = pl.concat([columns, rest.columns.select(columns.columns)], rechunk=True)
    return Parsed(together[pl.concat([places, others], rechunk=True).arg_sort()], found.lengths)


def _by_expressions(layout: Layout, block: bytes) -> Parsed:
    lines = _split(block, layout.log_format.escaping)
    groups, matched = _extract(layout, lines.readable)
    columns, reasons, notes = _convert(layout, groups, matched, _escaped(lines.readable))
    if block and not block.endswith(b"\n"):
        notes[ParseNote.NO_LINE_END] = pl.int_range(len(matched), eager=True) == len(matched) - 1
    reasons = _explain(reasons, matched, lines)
    rejected = reasons.is_not_null()
    if rejected.any():
        # A line that cannot be read in full is not read in part: its text is kept instead.
        columns = columns.with_columns(
            pl.when(~rejected).then(pl.col(name)).alias(name) for name in columns.columns
        )
    columns = columns.with_columns(
        parse_note=pl.when(~rejected).then(_note_texts(notes, len(matched))),
        reject_reason=reasons,
        raw=_raw(lines.texts, rejected),
    )
    return Parsed(columns, lines.lengths)


def _raw(texts: pl.Series, rejected: pl.Series) -> pl.Series:
    """Return what the rows of rejected lines keep of them; null for the others."""
    where = pl.arg_where(rejected, eager=True)
    kept = texts.gather(where).str.strip_chars_end("\r").str.slice(0, RAW_TEXT)
    return _nothing(len(texts)).scatter(where, kept)


def _nothing(height: int) -> pl.Series:
    return pl.Series([None], dtype=pl.String).new_from_index(0, height)


def match_count(layout: Layout, block: bytes, *, plausible: bool = False) -> tuple[int, int]:
    """Return how many of the block's lines match the layout, and how many could: not blank, not too long.

    With ``plausible`` a line whose client is no address does not match: another server's
    format may look alike, with something else in that place.
    """
    lines = _split(block, layout.log_format.escaping)
    readable = (lines.texts.str.strip_chars() != "") & (lines.lengths <= MAX_LINE)
    return int(_matches(layout, lines, plausible=plausible).sum()), int(readable.sum())


def fits(layout: Layout, block: bytes) -> list[bool]:
    """Tell of each line of a block whether it matches the layout, and its client is an address."""
    return _matches(layout, _split(block, layout.log_format.escaping), plausible=True).to_list()


def _matches(layout: Layout, lines: "_Lines", *, plausible: bool) -> pl.Series:
    groups, matched = _extract(layout, lines.readable)
    if plausible:
        for index, slot in enumerate(layout.slots):
            if slot.column == "client_address":
                matched &= (
                    groups[f"g{index}"].str.contains(r"^(?:[0-9A-Fa-f.:]+|~+|-)$").fill_null(value=False)
                )
    return matched


@dataclass(frozen=True, slots=True)
class _Lines:
    r"""A block's lines without their ends.

    ``texts``: bytes that are not UTF-8 as \xhh. ``readable``: what the expressions see;
    null where no line of lighttpd's can be. ``invalid``: which lines are not UTF-8; None if
    none is. ``lengths``: bytes with the line end.
    """

    texts: pl.Series
    readable: pl.Series
    invalid: pl.Series | None
    lengths: pl.Series


def _split(block: bytes, escaping: Escaping) -> _Lines:
    ended = block.endswith(b"\n") or not block
    if _has_long_line(block):
        values, lengths = _shortened(block)
    else:
        whole = pa.array([0, len(block)], pa.int64()).buffers()[1]
        text = pa.Array.from_buffers(pa.large_binary(), 1, [None, whole, pa.py_buffer(block)])
        values = pc.split_pattern(text, b"\n").values
        lengths = pl.Series(pc.add(pc.binary_length(values), 1), dtype=pl.Int64)
    if ended:
        values, lengths = values[:-1], lengths[:-1]
    else:
        lengths[-1] = lengths[-1] - 1
    try:
        texts = pl.Series(values.cast(pa.large_string()), dtype=pl.String)
        readable, invalid = texts, None
    except pa.ArrowInvalid:
        texts, readable, invalid = _decode(values, escaping)
    too_long = lengths > MAX_LINE
    if too_long.any():
        readable = readable.set(too_long, None)
    return _Lines(texts, readable, invalid, lengths)


def _has_long_line(block: bytes) -> bool:
    start = 0
    while len(block) - start > MAX_LINE:
        end = block.rfind(b"\n", start, start + MAX_LINE + 1)
        if end < 0:
            return True
        start = end + 1
    return False


def _shortened(block: bytes) -> tuple[pa.LargeBinaryArray, pl.Series]:
    """Split a block with lines that are too long: of those, what their rows keep is enough."""
    lines = block.split(b"\n")
    lengths = pl.Series([len(line) + 1 for line in lines], dtype=pl.Int64)
    kept = [line if len(line) <= MAX_LINE else line[: 4 * RAW_TEXT] for line in lines]
    return pa.array(kept, pa.large_binary()), lengths


def _decode(values: pa.LargeBinaryArray, escaping: Escaping) -> tuple[pl.Series, pl.Series, pl.Series]:
    """Decode lines some of which are not UTF-8; those are looked for a few lines at a time."""
    texts, readable, invalid = [], [], []
    for start in range(0, len(values), _FEW_LINES):
        few = values[start : start + _FEW_LINES]
        try:
            decoded = pl.Series(few.cast(pa.large_string()), dtype=pl.String)
            texts.append(decoded)
            readable.append(decoded)
            invalid.append(pl.repeat(False, len(few), eager=True))  # noqa: FBT003
        except pa.ArrowInvalid:
            for found, more in zip((texts, readable, invalid), _decode_each(few, escaping), strict=True):
                found.append(more)
    return pl.concat(texts), pl.concat(readable), pl.concat(invalid)


def _decode_each(values: pa.LargeBinaryArray, escaping: Escaping) -> tuple[pl.Series, pl.Series, pl.Series]:
    """Decode lines one by one.

    Default escaping leaves no such byte, so the line is not lighttpd's. JSON escaping passes
    them through: they are read as if they had been escaped.
    """
    texts, readable, invalid = [], [], []
    for line in values.to_pylist():
        try:
            text: str | None = line.decode()
            readable.append(text)
            invalid.append(False)
        except UnicodeDecodeError:
            text = line.decode("utf-8", "backslashreplace")
            readable.append(line.decode("utf-8", "lpaudit.json") if escaping is Escaping.JSON else None)
            invalid.append(True)
        texts.append(text)
    return pl.Series(texts, dtype=pl.String), pl.Series(readable, dtype=pl.String), pl.Series(invalid)


_BACKSLASH = ord("\\")


def _as_json_escape(error: UnicodeError) -> tuple[str, int]:
    r"""Decode a byte that is not UTF-8 as \u00hh; behind a lone backslash it makes the line unreadable."""
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 -- for the type checker: it is used in decoding alone
    start = error.start
    while start and error.object[start - 1] == _BACKSLASH:
        start -= 1
    if (error.start - start) % 2:
        return "\0", error.end
    return "".join(f"\\u{byte:04x}" for byte in error.object[error.start : error.end]), error.end


codecs.register_error("lpaudit.json", _as_json_escape)


def _extract(layout: Layout, lines: pl.Series) -> tuple[pl.DataFrame, pl.Series]:
    """Return the captured texts, one column a group, and which lines matched."""
    fast = _fast_groups(layout, lines)
    matched = fast.to_series(-1).is_not_null()
    if matched.all():
        return fast, matched
    rest = pl.arg_where(~matched, eager=True)
    full = _full_groups(layout, lines.gather(rest), fast.columns)
    groups = pl.DataFrame([fast[name].scatter(rest, full[name]) for name in fast.columns])
    return groups, groups.to_series(0).is_not_null()


def _fast_groups(layout: Layout, lines: pl.Series) -> pl.DataFrame:
    """Return the groups of all expressions; of a line that does not match, those found before that."""
    *heads, last = layout.fast
    columns: list[pl.Series] = []
    for expression in heads:
        groups = lines.str.extract_groups(expression).struct.unnest()
        lines = pl.select(pl.lit(lines).str.strip_prefix(pl.lit(groups[HEAD]))).to_series()
        columns += groups.drop(HEAD).get_columns()
    columns += lines.str.extract_groups(last).struct.unnest().get_columns()
    return pl.DataFrame(columns)


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

    def __init__(self, matched: pl.Series) -> None:
        self.matched = matched
        self.columns: dict[str, pl.Series] = {}
        self.fields: dict[str, pl.Series] = {}
        self.reasons = _nothing(len(matched))
        self.notes: dict[ParseNote, pl.Series] = {}
        self._escaped: list[tuple[dict[str, pl.Series], str]] = []

    def put(self, column: str | None, slot: Slot, values: pl.Series) -> None:
        """Keep ``values``. A directive that stands twice in a format says the same twice."""
        place, name = (self.columns, column) if column else (self.fields, slot.text)
        if name in place or (column is None and values.null_count() == len(values)):
            return
        place[name] = values
        if slot.directive.escaped:
            self._escaped.append((place, name))

    @staticmethod
    def text(slot: Slot, texts: pl.Series) -> pl.Series:
        """Texts; null for ``-`` where it means that there is none."""
        if slot.directive.dash:
            texts = texts.set(texts == "-", None)
        return texts

    def unescape(self, lines: pl.Series, escaping: Escaping) -> None:
        """Undo the escapes of all values at once, of those lines (indices) that have some: mostly few."""
        found = [(place, name, place[name].gather(lines)) for place, name in self._escaped if len(lines)]
        found = [one for one in found if one[2].str.contains("\\", literal=True).any()]
        if not found:
            return
        plain = unescape(pl.concat([texts for _, _, texts in found]), escaping)
        for number, (place, name, _) in enumerate(found):
            of_this = plain.slice(number * len(lines), len(lines))
            place[name] = place[name].clone().scatter(lines, of_this)

    def integer(self, texts: pl.Series, limit: int = 2**63 - 1) -> pl.Series:
        """Numbers; null for ``-`` and nothing. What does not fit rejects its line."""
        absent = (texts == "-") | (texts == "") | texts.is_null()
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
    layout: Layout, groups: pl.DataFrame, matched: pl.Series, escaped: pl.Series
) -> tuple[pl.DataFrame, pl.Series, dict[ParseNote, pl.Series]]:
    entries = _Entries(matched)
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
    entries.unescape(escaped, layout.log_format.escaping)
    nothing = pl.Series([None], dtype=_FIELDS).new_from_index(0, len(matched))
    entries.columns["fields"] = _fields(entries.fields) if entries.fields else nothing
    columns = pl.DataFrame([values.alias(name) for name, values in entries.columns.items()])
    return columns, entries.reasons, entries.notes


_FIELDS = pl.List(pl.Struct({"key": pl.String, "value": pl.String}))


def _fields(values: dict[str, pl.Series]) -> pl.Series:
    pairs = [
        pl.when(series.is_not_null()).then(pl.struct(key=pl.lit(key), value=series))
        for key, series in values.items()
    ]
    present = pl.concat_list(pairs).list.drop_nulls()
    return pl.select(pl.when(present.list.len() > 0).then(present)).to_series()


def _note_texts(notes: dict[ParseNote, pl.Series], height: int) -> pl.Series:
    if not notes:
        return _nothing(height)
    words = [pl.when(where).then(pl.lit(str(note))) for note, where in sorted(notes.items())]
    text = pl.concat_str(words, separator=",", ignore_nulls=True)
    return pl.select(pl.when(text != "").then(text)).to_series()


def _requests(layout: Layout, groups: pl.DataFrame, entries: _Entries) -> None:
    """%r gives method, target and protocol; %m, %U, %q and %H, where they are, say more exactly."""
    for index, slot in enumerate(layout.slots):
        if slot.directive.kind is not Kind.REQUEST:
            continue
        method, target, protocol = (groups[f"g{index}{part}"] for part in "mtp")
        entries.put("http_request_method", slot, method)
        entries.put("network_protocol", slot, protocol)
        halves = target.str.splitn("?", 2).struct.unnest()
        entries.put("url_path", slot, halves.to_series(0))
        entries.put("url_query", slot, halves.to_series(1))
        entries.put("url_original", slot, target)


_FINENESS = {"s": 0, "ms": 3, "us": 6, "ns": 9}


def _times(layout: Layout, groups: pl.DataFrame, entries: _Entries) -> None:
    """Begin and end: the finest numeric time, else a clock; a fraction is added to whole seconds."""
    for which, column in (("begin", "event_start"), ("end", "event_end")):
        # All of them are read, also those that another one makes superfluous: 31/Feb is no time.
        found = [
            (_FINENESS[slot.unit or "s"], _whole_time(layout, slot, groups[f"g{index}"], entries))
            for index, slot in enumerate(layout.slots)
            if slot.column == which and slot.directive.kind in (Kind.CLOCK, Kind.EPOCH)
        ]
        if not found:
            _lone_fractions(layout, which, groups, entries)
            continue
        fineness, microseconds = max(found, key=lambda pair: pair[0])
        if fineness == 0:
            microseconds = microseconds + _fraction(layout, which, groups, entries)
        microseconds = microseconds.set((microseconds < _EARLIEST) | (microseconds > _LATEST), None)
        entries.reject(microseconds.is_null(), RejectReason.BAD_TIMESTAMP)
        entries.columns[column] = microseconds.cast(pl.Datetime("us", "UTC"))
    if {"event_start", "event_end"} <= entries.columns.keys():
        late = entries.columns["event_start"] > entries.columns["event_end"]
        entries.note(late, ParseNote.BEGINS_AFTER_END)


def _whole_time(layout: Layout, slot: Slot, texts: pl.Series, entries: _Entries) -> pl.Series:
    """Return microseconds since the epoch; what is no time rejects its line."""
    if slot.clock is not None:
        read = read_clock(texts, slot.clock, layout.log_format.timezone).cast(pl.Int64)
    else:
        numbers = texts.cast(pl.Int64, strict=False)
        unit = slot.unit or "s"
        most = min(YEAR_10000 * UNITS_PER_SECOND[unit] - 1, 2**63 - 1)
        read = to_microseconds(numbers.set((numbers < 0) | (numbers > most), None), unit)
    entries.reject(read.is_null(), RejectReason.BAD_TIMESTAMP)
    return read


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
        key=lambda found: _FINENESS[found[1].unit or "ms"],
        default=None,
    )
    if best is None:
        return pl.Series([0], dtype=pl.Int64).new_from_index(0, groups.height)
    index, slot = best
    fraction = to_microseconds(groups[f"g{index}"].cast(pl.Int64, strict=False), slot.unit or "ms")
    if slot.literal:
        carried = (groups[f"g{index}c"] != slot.literal).fill_null(value=False)
        entries.note(carried, ParseNote.FRAC_CARRY)
        fraction = fraction.zip_with(~carried, fraction + 1_000_000)
        # A changed literal before anything but zeros is not lighttpd's doing.
        entries.reject(carried & (fraction != 1_000_000), RejectReason.BAD_TIMESTAMP)
    return fraction


def _lone_fractions(layout: Layout, which: str, groups: pl.DataFrame, entries: _Entries) -> None:
    """Keep the fractions of a time that the format does not have otherwise. A carry is a 1 in front."""
    for index, slot in enumerate(layout.slots):
        if slot.directive.kind is Kind.FRACTION and slot.column == which:
            digits = groups[f"g{index}"]
            if slot.literal:
                carried = (groups[f"g{index}c"] != slot.literal).fill_null(value=False)
                entries.note(carried, ParseNote.FRAC_CARRY)
                entries.reject(carried & (digits.str.strip_chars("0") != ""), RejectReason.BAD_TIMESTAMP)
                digits = ("1" + digits).zip_with(carried, digits)
            entries.put(None, slot, digits)


def _durations(layout: Layout, groups: pl.DataFrame, entries: _Entries) -> None:
    """Take the finest duration. -1 means that the clock went backwards: null, and counted."""
    found = []
    for index, slot in enumerate(layout.slots):
        if slot.directive.kind is Kind.DURATION:
            unit = slot.unit or "s"
            limit = (2**63 - 1) * UNITS_PER_SECOND[unit] // 1_000_000 if unit != "ns" else 2**63 - 1
            found.append((unit, entries.integer(groups[f"g{index}"], limit)))
    if not found:
        return
    for _, numbers in found:
        entries.note(numbers < 0, ParseNote.NEGATIVE_DURATION)
    unit, numbers = max(found, key=lambda pair: _FINENESS[pair[0]])
    entries.columns["event_duration_us"] = to_microseconds(numbers.set(numbers < 0, None), unit)


def _escaped(lines: pl.Series) -> pl.Series:
    """Return which lines have escapes, as indices."""
    return pl.arg_where(lines.str.contains("\\", literal=True), eager=True)


def _explain(reasons: pl.Series, matched: pl.Series, lines: _Lines) -> pl.Series:
    """Add the reasons of the lines that did not match, the most telling one for each."""
    if matched.all():
        return reasons
    where = pl.arg_where(~matched, eager=True)
    unmatched = pl.DataFrame(
        [lines.texts.gather(where).alias("line"), lines.lengths.gather(where).alias("length")]
    )
    invalid = pl.lit(False) if lines.invalid is None else pl.lit(lines.invalid.gather(where))  # noqa: FBT003
    why = (
        pl.when(pl.col("length") > MAX_LINE)
        .then(pl.lit(str(RejectReason.TOO_LONG)))
        .when(pl.col("line").str.strip_chars() == "")
        .then(pl.lit(str(RejectReason.BLANK)))
        .when(pl.col("line").str.contains("\0", literal=True))
        .then(pl.lit(str(RejectReason.NUL_BYTES)))
        .when(invalid)
        .then(pl.lit(str(RejectReason.INVALID_UTF8)))
        .otherwise(pl.lit(str(RejectReason.NO_MATCH)))
    )
    return reasons.scatter(where, unmatched.select(why).to_series())
