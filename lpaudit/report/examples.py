"""One .examples.toml file beside a check: small logs and records, and whether the check finds something.

[[fires]]
why = "a run is deleted"
log = '''
2026-11-23T10:00:00 192.0.2.7 alice 204 0 "DELETE /api/flow_runs/… HTTP/1.1" "curl/8"
'''

[[silent]]
why = "a run is read"
log = …
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from lpaudit.errors import CheckError
from lpaudit.model import Check, Period
from lpaudit.report import toml
from lpaudit.report.library import SHIPPED, Library, checks
from lpaudit.schema import tables

FORMAT = '%{begin:%Y-%m-%dT%H:%M:%S}t %h %u %s %b "%r" "%{User-Agent}i"'
"""What the lines of an example are in, unless it says otherwise: short, and with what most checks ask for."""

HOST = "gw1"
DAY = Period(datetime(2026, 11, 23, tzinfo=UTC), datetime(2026, 11, 24, tzinfo=UTC))

_KEYS = ("why", "log", "format", "period", "parameters", "rows", "expect")


@dataclass(frozen=True, slots=True)
class Example:
    """What a check is tried with.

    ``log`` are lines by the host that wrote them, in ``format``: a preset's name or a format
    string. ``records`` are rows of other tables; what they leave out is null, or something that
    fits. ``rows`` is how many exceptions there are, of a table how many rows; None for any
    number but 0. ``expect`` are columns of the first of them.
    """

    check: str
    why: str
    fires: bool
    log: Mapping[str, str]
    format: str
    period: Period
    parameters: Mapping[str, object]
    records: Mapping[str, list[toml.Toml]]
    rows: int | None
    expect: list[toml.Toml]

    @property
    def name(self) -> str:
        """The example in words."""
        return f"{'fires' if self.fires else 'silent'}: {self.why}"


def load_examples(check: Check, library: Library = SHIPPED) -> tuple[Example, ...]:
    """Read the examples of a check; none if there is no file of them. Raises CheckError."""
    found = checks(library)[check.id]
    path = found.path.with_suffix(".examples.toml")
    file = found.name.removesuffix(".sql") + ".examples.toml"
    if not path.is_file():
        return ()
    return parse_examples(path.read_bytes(), check, file)


def parse_examples(data: bytes, check: Check, file: str) -> tuple[Example, ...]:
    """Read the bytes of a file of examples. Raises CheckError."""
    raw = toml.parse(toml.decoded(data, file), file)
    toml.only(raw, ("fires", "silent", "format"), file)
    usual = toml.text(raw, "format", file) if "format" in raw else FORMAT
    found = []
    for key in ("fires", "silent"):
        listed = raw.get(key, [])
        if not isinstance(listed, list):
            raise CheckError(f"{file}: {key} must be a list", hint=f"write [[{key}]]")
        found += [_example(toml.table(one, key, file), key == "fires", usual, check, file) for one in listed]
    return tuple(found)


def _example(raw: toml.Toml, fires: bool, usual: str, check: Check, file: str) -> Example:  # noqa: FBT001 -- which of two lists it is in
    toml.only(raw, (*_KEYS, *tables()), file)
    rows = raw.get("rows")
    if not isinstance(rows, int | None) or (rows is not None and (rows > 0) is not fires):
        raise CheckError(f"{file}: rows must be a number, above 0 if it fires", hint="leave it out for any")
    parameters = toml.table(raw.get("parameters", {}), "parameters", file)
    toml.only(parameters, [p.name for p in check.parameters], file)
    return Example(
        check=check.id,
        why=toml.text(raw, "why", file),
        fires=fires,
        log=_log(raw.get("log", {}), file),
        format=toml.text(raw, "format", file) if "format" in raw else usual,
        period=_period(raw.get("period"), file),
        parameters=parameters,
        records={name: _records(raw[name], name, file) for name in tables() if name in raw},
        rows=rows if rows is not None else None if fires else 0,
        expect=_records(raw.get("expect", []), "expect", file),
    )


def _log(raw: object, file: str) -> dict[str, str]:
    texts: toml.Toml = {HOST: raw} if isinstance(raw, str) else toml.table(raw, "log", file)
    return {host: toml.text(texts, host, file) for host in texts}


def _period(raw: object, file: str) -> Period:
    match raw:
        case None:
            return DAY
        case [datetime(tzinfo=start_zone) as start, datetime(tzinfo=end_zone) as end] if (
            start_zone and end_zone
        ):
            return Period(start.astimezone(UTC), end.astimezone(UTC))
    raise CheckError(
        f"{file}: a period is two times with an offset", hint="[2026-11-23T00:00:00Z, 2026-11-24T00:00:00Z]"
    )


def _records(raw: object, name: str, file: str) -> list[toml.Toml]:
    if not isinstance(raw, list):
        raise CheckError(f"{file}: {name} must be a list", hint=f"write [[fires.{name}]]")
    return [toml.table(one, name, file) for one in raw]
