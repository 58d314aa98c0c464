"""Values → the one JSON text of them that hashes and signatures are made over.

Keys in order, no blanks, no escapes but JSON's own, times in UTC with six digits of a second: a
few lines in any language write the same text, so that nobody needs lpaudit to check it.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256


def canonical(value: object) -> bytes:
    """Return the text as UTF-8."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_told)
    return text.encode("utf-8", "surrogatepass")


def digest(value: object) -> str:
    """Return the SHA-256 of the text, in hex digits."""
    return sha256(canonical(value)).hexdigest()


def stamp(time: datetime) -> str:
    """Write a time as in such a text: ``2026-11-23T10:14:04.834870Z``. It is UTC's if it has no offset."""
    return f"{time.astimezone(UTC) if time.tzinfo else time:%Y-%m-%dT%H:%M:%S.%fZ}"


def _told(value: object) -> object:
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
