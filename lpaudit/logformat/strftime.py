"""strftime(3) read backwards: what its conversions look like in a line, and which instant they say.

lighttpd hands whatever stands in ``%{…}t`` to the C library, in the C locale (it sets
LC_TIME itself). What is here is what glibc, musl and the BSDs write alike, and glibc's
flags for padding and case, and its widths of numbers.
"""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import tzinfo

import polars as pl

# Digits of conversions that are padded with zeros, and of those that are padded with spaces.
_ZEROS: Mapping[str, int] = {
    **dict.fromkeys("YG", 4),
    **dict.fromkeys("j", 3),
    **dict.fromkeys("CygmdHIMSUWV", 2),
    **dict.fromkeys("uw", 1),
}
_SPACES: Mapping[str, int] = dict.fromkeys("ekl", 2)
# Words as they are, and with a flag that changes their case.
_WORDS: Mapping[str, tuple[str, str]] = {
    "b": ("[A-Z][a-z]{2}", "[A-Za-z]{3}"),
    "h": ("[A-Z][a-z]{2}", "[A-Za-z]{3}"),
    "B": ("[A-Z][a-z]{2,8}", "[A-Za-z]{3,9}"),
    "a": ("[A-Z][a-z]{2}", "[A-Za-z]{3}"),
    "A": ("[A-Z][a-z]{5,8}", "[A-Za-z]{6,9}"),
    "p": ("[AP]M", "[AaPp][Mm]"),
    "P": ("[ap]m", "[AaPp][Mm]"),
    "Z": ("[A-Za-z0-9+-]{1,16}", "[A-Za-z0-9+-]{1,16}"),
}
_OTHERS: Mapping[str, str] = {"z": "[+-][0-9]{4}", "s": "[0-9]+", "%": "%"}
# Conversions that stand for several others.
_COMPOUND: Mapping[str, str] = {
    "F": "%Y-%m-%d",
    "T": "%H:%M:%S",
    "X": "%H:%M:%S",
    "R": "%H:%M",
    "D": "%m/%d/%y",
    "x": "%m/%d/%y",
    "c": "%a %b %e %H:%M:%S %Y",
    "r": "%I:%M:%S %p",
    "n": "\n",
    "t": "\t",
}
# Conversions that say the same as another one.
_SAME: Mapping[str, str] = {"e": "d", "h": "b", "B": "b", "A": "a", "k": "H", "l": "I", "P": "p"}
# Alternative eras and digits: the C locale has none, so they change nothing.
_MODIFIABLE: Mapping[str, str] = {"": "", "E": "cCxXyY", "O": "deHIkmlMSuUVwWy"}
_CONVERSION = re.compile(
    "%(?P<flag>[-_0^#]?)(?P<width>[0-9]{0,2})(?P<modifier>[EO]?)(?P<letter>.?)", re.DOTALL
)

_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_UTC = ("utc", "gmt", "uct")

YEAR_10000 = 253_402_300_800
"""Seconds since the epoch: beyond it is no time that DuckDB, Delta or a person could read."""


@dataclass(frozen=True, slots=True)
class Strftime:
    """A strftime form.

    ``pattern`` finds it in a line. ``parts``, empty where ``form`` is for polars to read,
    matches a text that was found, with a group for each kind of conversion in it.
    ``is_instant``: whether it says one; else what it writes is kept as a field.
    """

    pattern: str
    form: str
    has_offset: bool = False
    seconds: bool = False  # since the epoch: %s, which says everything
    is_instant: bool = True
    parts: str = ""


def compile_strftime(form: str) -> Strftime:
    """Compile a strftime form. Raises ValueError with the conversion that cannot be read."""
    form = _CONVERSION.sub(_expanded, form)
    pattern, parts, position = "", "", 0
    seen: set[str] = set()
    while position < len(form):
        if form[position] != "%":
            piece = named = f"\\x{{{ord(form[position]):02x}}}"
            position += 1
        else:
            found = _CONVERSION.match(form, position)
            assert found is not None  # noqa: S101 -- for the type checker: there is a %
            piece = _pattern(found)
            kind = _SAME.get(found["letter"], found["letter"])
            named = piece if kind in seen or kind == "%" else f"(?P<{kind}>{piece})"
            seen.add(kind)
            position = found.end()
        pattern += piece
        parts += named
    return Strftime(pattern, form, "z" in seen, "s" in seen, _is_instant(seen), f"^{parts}$")


def _expanded(found: re.Match[str]) -> str:
    if found["letter"] not in _COMPOUND:
        return found[0]
    changed = found["flag"] or found["width"]
    if changed or (found["modifier"] and found["letter"] not in _MODIFIABLE[found["modifier"]]):
        raise ValueError(found[0])
    return _COMPOUND[found["letter"]]


def _pattern(found: re.Match[str]) -> str:
    flag, width, modifier, letter = found.group("flag", "width", "modifier", "letter")
    if modifier and letter not in _MODIFIABLE[modifier]:
        raise ValueError(found[0])
    if letter in _WORDS and flag in ("", "^", "#") and not width:
        return _WORDS[letter][flag != ""]
    if letter in _OTHERS and not flag and not width:
        return _OTHERS[letter]
    if letter == "s" and flag in ("", "-", "_", "0"):
        return " *[0-9]+" if flag == "_" else "[0-9]+"
    digits = _ZEROS.get(letter) or _SPACES.get(letter)
    if digits is None or flag in ("^", "#"):
        raise ValueError(found[0])
    least = max(1, int(width or 0))
    if flag == "-":  # no zeros, but a width is kept
        return f"[0-9 ]{{{least - 1}}}[0-9]{{1,{max(digits - least, 0) + 1}}}"
    digits = max(digits, least)
    if digits > 1 and (flag == "_" or (letter in _SPACES and flag != "0")):
        return f"[0-9 ]{{{digits - 1}}}[0-9]"
    return f"[0-9]{{{digits}}}"


def _is_instant(seen: AbstractSet[str]) -> bool:
    """Whether these conversions say a day and, from the hour on, how late on it."""
    if "s" in seen:
        return True
    weekday = not seen.isdisjoint("uwa")
    in_year = {"m", "d"} <= seen or {"b", "d"} <= seen or "j" in seen
    in_year |= weekday and not seen.isdisjoint("UW")
    dated = (in_year and not seen.isdisjoint("Yy")) or (weekday and "V" in seen and not seen.isdisjoint("Gg"))
    hour = "H" in seen or {"I", "p"} <= seen
    if "I" in seen and not hour:
        return False  # morning or evening?
    return dated and (hour or "M" not in seen) and ("M" in seen or "S" not in seen)


def read_strftime(texts: pl.Series, clock: Strftime, timezone: tzinfo) -> pl.Series:
    """Texts that ``clock.pattern`` found → Datetime("us", "UTC"); null where one is no time (31/Feb).

    A time that is said without an offset is one of ``timezone``. The hour that a change of
    daylight saving repeats is read as its first occurrence, unless %Z says which it is. The
    hour that it leaves out is no time, nor is one whose %Z that zone does not have.
    """
    found = texts.str.extract_groups(clock.parts).struct.unnest()
    if clock.seconds:
        seconds = found["s"].str.strip_chars_start(" ").cast(pl.Int64, strict=False)
        return (seconds.set(seconds >= YEAR_10000, None) * 1_000_000).cast(pl.Datetime("us", "UTC"))
    naive = _naive(found)
    if clock.has_offset:
        return naive.dt.replace_time_zone("UTC") - found.select(_offset()).to_series()
    return _zoned(naive, found, str(timezone))


def _naive(found: pl.DataFrame) -> pl.Series:
    """Return the times as their clock shows them."""
    date, form = _date(set(found.columns))
    texts = pl.concat_str(date, *(pl.lit(":") + part for part in _hour_minute_second(set(found.columns))))
    return found.select(texts).to_series().str.to_datetime(form + ":%H:%M:%S", time_unit="us", strict=False)


def _number(kind: str) -> pl.Expr:
    return pl.col(kind).str.strip_chars_start(" 0").str.zfill(_ZEROS[kind])


def _date(kinds: AbstractSet[str]) -> tuple[pl.Expr, str]:
    """Return the day as text, and the form that this text is in."""
    if "V" in kinds and not kinds.isdisjoint("Gg") and not kinds.isdisjoint("uwa"):
        form, parts = "%G-%V-%u", (_year("G", "g", kinds), _number("V"), _weekday(kinds))
    elif "d" in kinds and not kinds.isdisjoint("mb"):
        form, parts = "%Y-%m-%d", (_year("Y", "y", kinds), _month(kinds), _number("d"))
    elif "j" in kinds:
        return _year("Y", "y", kinds) + "-" + _number("j"), "%Y-%j"
    else:
        week = "U" if "U" in kinds else "W"
        form, parts = f"%Y-%{week}-%u", (_year("Y", "y", kinds), _number(week), _weekday(kinds))
    return pl.concat_str(*parts, separator="-"), form


def _year(full: str, short: str, kinds: AbstractSet[str]) -> pl.Expr:
    if full in kinds:
        return _number(full)
    if "C" in kinds and short == "y":
        return _number("C") + _number(short)
    # As strptime(3) has it: 69 to 99 are of the last century.
    recent = _number(short).cast(pl.Int64) < 69
    return pl.when(recent).then(pl.lit("20")).otherwise(pl.lit("19")) + _number(short)


def _month(kinds: AbstractSet[str]) -> pl.Expr:
    if "m" in kinds:
        return _number("m")
    numbers = {name: f"{number:02}" for number, name in enumerate(_MONTHS, 1)}
    return pl.col("b").str.to_lowercase().replace_strict(_and_short(numbers), default=None)


def _weekday(kinds: AbstractSet[str]) -> pl.Expr:
    """Return the day of the week, 1 to 7."""
    if "u" in kinds:
        return _number("u")
    if "w" in kinds:
        return _number("w").replace("0", "7")
    numbers = {name: str(number) for number, name in enumerate(_DAYS, 1)}
    return pl.col("a").str.to_lowercase().replace_strict(_and_short(numbers), default=None)


def _and_short(numbers: Mapping[str, str]) -> dict[str, str]:
    return {**numbers, **{name[:3]: number for name, number in numbers.items()}}


def _hour_minute_second(kinds: AbstractSet[str]) -> tuple[pl.Expr, ...]:
    """Return them as two digits; zeros for what the form leaves out."""
    if "H" not in kinds and "I" in kinds:
        twelve = _number("I").cast(pl.Int64)
        afternoon = pl.col("p").str.to_lowercase() == "pm"
        of_day = pl.when(twelve.is_between(1, 12)).then(
            twelve % 12 + pl.when(afternoon).then(12).otherwise(0)
        )
        hour = of_day.cast(pl.String).str.zfill(2)
    else:
        hour = _number("H") if "H" in kinds else pl.lit("00")
    return hour, *(_number(kind) if kind in kinds else pl.lit("00") for kind in "MS")


def _offset() -> pl.Expr:
    hours, minutes = (pl.col("z").str.slice(at, 2).cast(pl.Int64) for at in (1, 3))
    sign = pl.when(pl.col("z").str.starts_with("-")).then(-1).otherwise(1)
    exists = (hours < 24) & (minutes < 60)
    return pl.when(exists).then(pl.duration(minutes=sign * (hours * 60 + minutes)))


def _zoned(naive: pl.Series, found: pl.DataFrame, timezone: str) -> pl.Series:
    first, second = (
        naive.dt.replace_time_zone(timezone, ambiguous=which, non_existent="null")
        for which in ("earliest", "latest")
    )
    if "Z" not in found.columns:
        return first.dt.convert_time_zone("UTC")
    name = found["Z"].str.to_lowercase()
    either = second.zip_with(first.dt.to_string("%Z").str.to_lowercase() != name, first)
    local = either.set(either.dt.to_string("%Z").str.to_lowercase() != name, None)
    return naive.dt.replace_time_zone("UTC").zip_with(name.is_in(_UTC), local.dt.convert_time_zone("UTC"))
