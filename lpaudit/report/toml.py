"""Tables of the TOML under reports/: read strictly, and explained where they are broken."""

import tomllib
from collections.abc import Collection
from difflib import get_close_matches

from lpaudit.errors import CheckError

Toml = dict[str, object]


def decoded(data: bytes, file: str) -> str:
    """Return the text of a file. Raises CheckError."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CheckError(f"{file} is not UTF-8", hint="save it as UTF-8") from error


def parse(text: str, file: str) -> Toml:
    """Parse TOML. Raises CheckError."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CheckError(f"{file} is not TOML: {error}", hint="reports/README.md shows one") from error


def only(raw: Toml, known: Collection[str], file: str) -> None:
    """Refuse a key that means nothing: it is a typing error that would silently change the report."""
    for key in raw:
        if key not in known:
            raise CheckError(f"{file}: unknown key {key!r}", hint=hint(key, known))


def text(raw: Toml, key: str, file: str) -> str:
    """Return a text that must be there and say something. Raises CheckError."""
    value = raw.get(key)
    if not isinstance(value, str) or not value.strip():
        raise CheckError(f"{file}: {key} must be a text", hint="reports/README.md lists the keys and why")
    return value.strip()


def texts(raw: Toml, key: str, file: str) -> tuple[str, ...]:
    """Return a list of texts that must be there. Raises CheckError."""
    values = raw.get(key)
    if (
        not isinstance(values, list)
        or not values
        or not all(isinstance(v, str) and v.strip() for v in values)
    ):
        raise CheckError(
            f"{file}: {key} must be a list of texts", hint="reports/README.md lists the keys and why"
        )
    return tuple(v.strip() for v in values)


def table(value: object, key: str, file: str) -> Toml:
    """Return a table that must be one. Raises CheckError."""
    if not isinstance(value, dict):
        raise CheckError(f"{file}: {key} must be a table", hint="reports/README.md lists the keys and why")
    return value


def hint(word: str, known: Collection[str]) -> str:
    """Say what may have been meant, else what there is."""
    close = get_close_matches(word, known, n=1)
    return f"did you mean {close[0]}?" if close else "there are: " + ", ".join(sorted(known))
