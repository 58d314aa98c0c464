"""One file → what it says, in whichever form it is."""

import json
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any

from lpaudit.errors import SourceError
from lpaudit.reason import reason_of
from lpaudit.roster import okta, own, scim
from lpaudit.roster.records import Place, Roster


class Form(StrEnum):
    """How a file says who there is."""

    TOML = "toml"
    CSV = "csv"
    SCIM = "scim"
    OKTA = "okta"


def read(path: Path, form: Form | None = None) -> Roster:
    """Read a file; ``form`` is recognised by its content if it is not given. Raises SourceError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(
            f"cannot read {path}: {reason_of(error)}", hint="name a file that is there"
        ) from None
    text = _text(path, data)
    told = _json(text)
    found = form or _recognised(text, told)
    if found is None:
        raise SourceError(
            f"{path} is in no form that is known: neither TOML or CSV of lpaudit's own, nor SCIM, nor Okta",
            hint="docs/identities.md shows each of them; --format has its errors explained",
        )
    roster = Roster(path.absolute(), str(found), sha256(data).hexdigest())
    match found:
        case Form.TOML:
            own.read_toml(text, roster)
        case Form.CSV:
            own.read_csv(text, roster)
        case Form.OKTA if told is None and okta.is_okta_csv(own.header_of(text)):
            okta.read_okta_csv(text, roster)
        case _:
            _read_json(found, text, told, roster)
    return roster


def _read_json(form: Form, text: str, told: Any, roster: Roster) -> None:
    known, reader = (scim.is_scim, scim.read_scim) if form is Form.SCIM else (okta.is_okta, okta.read_okta)
    if told == []:
        return
    if not known(told):
        raise SourceError(
            f"{roster.path} is not what --format {form} says", hint="leave --format out: it is recognised"
        )
    reader(text, told, roster)


def _recognised(text: str, told: Any) -> Form | None:
    if told is not None:
        return Form.SCIM if scim.is_scim(told) else Form.OKTA if okta.is_okta(told) else None
    columns = own.header_of(text)
    if okta.is_okta_csv(columns):
        return Form.OKTA
    if own.table_of(columns):
        return Form.CSV
    # A broken TOML file is to be told what is wrong with it.
    begins = ("[[identity]]", "[[entitlement]]", "[[token]]", "directory")
    lines = (line.strip().replace(" ", "") for line in text.split("\n"))
    return Form.TOML if any(line.startswith(begins) for line in lines) else None


def _text(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        Place(path, line).refuse("this is not UTF-8", "save the file as UTF-8")


def _json(text: str) -> Any:
    """Return what the text is as JSON, None if it is not."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
