"""Layout × block of lines → entries: one row a line, in order, good or rejected.

Vectorised throughout: a hostile line costs what a good one costs.
"""

from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from lpaudit.logformat import core
from lpaudit.logformat.directives import Kind
from lpaudit.logformat.entries import VIEWS, convert, note_texts, nothing
from lpaudit.logformat.layout import HEAD, Layout
from lpaudit.logformat.lines import MAX_LINE, RAW_TEXT, Lines, split
from lpaudit.model import ParseNote, RejectReason

_ESCAPED = 2  # what the core says of a line with a backslash


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
    """Have the expressions read what the core has not."""
    others = pl.arg_where(found.marks == 0, eager=True)
    lines = split(_lines_at(block, found.lengths, others), layout.log_format.escaping)
    groups, matched = _extract(layout, lines.readable)
    escaped = pl.arg_where(found.marks == _ESCAPED, eager=True)
    return _entries(
        layout,
        block,
        _Read(
            found.groups(others, groups),
            (found.marks > 0).scatter(others, matched),
            pl.concat([escaped, others.gather(_escaped(lines.readable))]),
            found.lengths,
            lines,
            others.filter(~matched),
            pl.arg_where(~matched, eager=True),
        ),
    )


def _by_expressions(layout: Layout, block: bytes) -> Parsed:
    lines = split(block, layout.log_format.escaping)
    groups, matched = _extract(layout, lines.readable)
    left = pl.arg_where(~matched, eager=True)
    read = _Read(groups, matched, _escaped(lines.readable), lines.lengths, lines, left, left)
    return _entries(layout, block, read)


@dataclass(frozen=True, slots=True)
class _Read:
    """A block's lines: the texts captured of those that ``matched``, and where those with escapes are.

    ``left`` are the lines that did not match, at the places ``where`` in ``lines``.
    """

    groups: pl.DataFrame
    matched: pl.Series
    escaped: pl.Series
    lengths: pl.Series
    lines: Lines
    left: pl.Series
    where: pl.Series


def _entries(layout: Layout, block: bytes, read: _Read) -> Parsed:
    columns, reasons, notes = convert(layout, read.groups, read.matched, read.escaped)
    height = len(read.lengths)
    if block and not block.endswith(b"\n"):
        notes[ParseNote.NO_LINE_END] = pl.int_range(height, eager=True) == height - 1
    partly = pl.arg_where(reasons.is_not_null(), eager=True)
    if len(partly):
        # A line that cannot be read in full is not read in part: its text is kept instead.
        kept = pl.repeat(True, height, eager=True).scatter(partly, False)  # noqa: FBT003
        columns = columns.with_columns(_where(kept, column) for column in columns)
    if len(read.left):
        reasons = reasons.scatter(read.left, _explanations(read.lines, read.where))
    raw, words = nothing(height), note_texts(notes, height)
    rejected = pl.arg_where(reasons.is_not_null(), eager=True)
    if len(rejected):
        words = words.scatter(rejected, None)
        lines = split(_lines_at(block, read.lengths, rejected), layout.log_format.escaping)
        raw = raw.scatter(rejected, lines.texts.str.strip_chars_end("\r").str.slice(0, RAW_TEXT))
    return Parsed(columns.with_columns(parse_note=words, reject_reason=reasons, raw=raw), read.lengths)


def _where(kept: pl.Series, column: pl.Series) -> pl.Series:
    """Return a column with nothing where a line is not ``kept`` (Boolean, no nulls)."""
    if column.null_count() == len(column):
        return column
    array = column.to_arrow(compat_level=VIEWS)
    if column.dtype == pl.List or array.offset:
        return pl.select(pl.when(kept).then(column)).to_series().alias(column.name)
    # What is there stays: only that it is there is said anew.
    there = pc.and_(kept.to_arrow(), array.is_valid()).buffers()[1]
    return pl.Series(
        column.name, pa.Array.from_buffers(array.type, len(array), [there, *array.buffers()[1:]])
    )


def _lines_at(block: bytes, lengths: pl.Series, places: pl.Series) -> bytes:
    """Return some of a block's lines, those at ``places`` (indices in order)."""
    if len(places) == len(lengths):
        return block
    ends = lengths.cum_sum().gather(places)
    return b"".join(
        block[end - length : end] for end, length in zip(ends, lengths.gather(places), strict=True)
    )


def match_count(layout: Layout, block: bytes, *, plausible: bool = False) -> tuple[int, int]:
    """Return how many of the block's lines match the layout, and how many could: not blank, not too long.

    With ``plausible`` a line whose client is no address does not match: another server's
    format may look alike, with something else in that place.
    """
    lines = split(block, layout.log_format.escaping)
    readable = int(((lines.texts.str.strip_chars() != "") & (lines.lengths <= MAX_LINE)).sum())
    if not (block.startswith(layout.beginning) or b"\n" + layout.beginning in block):
        return 0, readable
    return int(_matches(layout, lines, plausible=plausible).sum()), readable


def fits(layout: Layout, block: bytes) -> list[bool]:
    """Tell of each line of a block whether it matches the layout, and its client is an address."""
    lines = split(block, layout.log_format.escaping)
    if not lines.readable.str.contains(layout.full).any():  # as hardly any line of another format does
        return [False] * len(lines.readable)
    return _matches(layout, lines, plausible=True).to_list()


def _matches(layout: Layout, lines: Lines, *, plausible: bool) -> pl.Series:
    groups, matched = _extract(layout, lines.readable)
    if plausible:
        for index, slot in enumerate(layout.slots):
            if slot.column == "client_address":
                matched &= (
                    groups[f"g{index}"].str.contains(r"^(?:[0-9A-Fa-f.:]+|~+|-)$").fill_null(value=False)
                )
    return matched


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


def _escaped(lines: pl.Series) -> pl.Series:
    """Return which lines have escapes, as indices."""
    return pl.arg_where(lines.str.contains("\\", literal=True), eager=True)


def _explanations(lines: Lines, where: pl.Series) -> pl.Series:
    """Return why lines did not match, the most telling reason for each."""
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
    return unmatched.select(why).to_series()
