"""What a layout has captured of lines → typed columns, with what is wrong or odd about them."""

import polars as pl

from lpaudit.core import texts
from lpaudit.logformat.directives import Kind
from lpaudit.logformat.escaping import unescape
from lpaudit.logformat.layout import Layout, Slot
from lpaudit.logformat.strftime import YEAR_10000
from lpaudit.logformat.timestamp import UNITS_PER_SECOND, read_clock, to_microseconds
from lpaudit.model import Escaping, ParseNote, RejectReason

VIEWS = pl.CompatLevel.newest()  # texts as polars has them: Arrow shares them

_EARLIEST, _LATEST = -62_135_596_800_000_000, YEAR_10000 * 1_000_000 - 1  # microseconds: years 1 to 9999
_INT_LIMITS = {"client_port": 65_535, "server_port": 65_535, "connection_request_number": 2**31 - 1}


def nothing(height: int) -> pl.Series:
    """Return texts that are not there."""
    return pl.Series([None], dtype=pl.String).new_from_index(0, height)


class _Entries:
    """The columns under construction, with what went wrong on the way."""

    def __init__(self, matched: pl.Series) -> None:
        self.matched = matched
        self.columns: dict[str, pl.Series] = {}
        self.fields: dict[str, pl.Series] = {}
        self.reasons = nothing(len(matched))
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
    def text(slot: Slot, values: pl.Series) -> pl.Series:
        """Texts; null for ``-`` where it means that there is none."""
        return values.set(values == "-", None) if slot.directive.dash else values

    def unescape(self, lines: pl.Series, escaping: Escaping) -> None:
        """Undo the escapes of all values at once, of those lines (indices) that have some: mostly few."""
        if not len(lines) or not self._escaped:
            return
        columns = [place[name].alias(str(number)) for number, (place, name) in enumerate(self._escaped)]
        some = pl.DataFrame(columns).select(pl.all().gather(lines))
        found = some.select(pl.all().str.contains("\\", literal=True).any()).row(0)
        places = [number for number, escaped in enumerate(found) if escaped]
        if not places:
            return
        plain = unescape(pl.concat([some.to_series(number) for number in places], rechunk=True), escaping)
        for start, number in zip(range(0, len(plain), len(lines)), places, strict=True):
            place, name = self._escaped[number]
            place[name] = place[name].clone().scatter(lines, plain.slice(start, len(lines)))

    def integer(self, values: pl.Series, limit: int = 2**63 - 1) -> pl.Series:
        """Numbers; null for ``-`` and nothing. What does not fit rejects its line."""
        numbers = values.cast(pl.Int64, strict=False)
        if (numbers > limit).any():
            numbers = numbers.set(numbers > limit, None)
        if numbers.null_count() > values.null_count():
            absent = (values == "-") | (values == "") | values.is_null()
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


def convert(
    layout: Layout, groups: pl.DataFrame, matched: pl.Series, escaped: pl.Series
) -> tuple[pl.DataFrame, pl.Series, dict[ParseNote, pl.Series]]:
    """Return the columns of lines, why some are rejected, and which lines a note is for.

    ``groups`` are what a layout has captured of the lines that ``matched``; ``escaped`` are the indices
    of lines with escapes.
    """
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


def note_texts(notes: dict[ParseNote, pl.Series], height: int) -> pl.Series:
    """Return what is noted of each line, in words."""
    if not notes:
        return nothing(height)
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
        path, query = _halves(target)
        entries.put("url_path", slot, path)
        entries.put("url_query", slot, query)
        entries.put("url_original", slot, target)


def _halves(target: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Cut targets at their first ``?``."""
    found = texts.halves(target.to_arrow(compat_level=VIEWS), b"?")
    if found is not None:
        return pl.Series(found[0]), pl.Series(found[1])
    halves = target.str.splitn("?", 2).struct.unnest()
    return halves.to_series(0), halves.to_series(1)


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


def _whole_time(layout: Layout, slot: Slot, values: pl.Series, entries: _Entries) -> pl.Series:
    """Return microseconds since the epoch; what is no time rejects its line."""
    if slot.clock is not None:
        read = read_clock(values, slot.clock, layout.log_format.timezone).cast(pl.Int64)
    else:
        numbers = values.cast(pl.Int64, strict=False)
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
