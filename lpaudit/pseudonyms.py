"""Pseudonyms of addresses and users: what a store holds in their place, and the way back.

A pseudonym is the name itself, encrypted with AES-SIV (RFC 5297): of the same it makes the same, so that
rows still join and count, and who has the key can read it, or tell that it is none of his. The key is a file
outside the store, as that of fingerprints.
"""

import re
from base64 import b32decode, b32encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import ip_address
from typing import Protocol

import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from lpaudit import fingerprints
from lpaudit.errors import ConfigError
from lpaudit.redaction import ADDRESSES, USERS

KINDS = (ADDRESSES, USERS)
"""What there may be pseudonyms of: the words of the setting."""

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "access_event": {
        "client_address": ADDRESSES,
        "http_request_x_forwarded_for": ADDRESSES,
        "user_name": USERS,
    },
    "server_event": {"client": ADDRESSES, "user": USERS},
}
"""The columns that hold them, by table, and of what."""

_SIGNS = {ADDRESSES: "a~", USERS: "u~"}
_PARTS = re.compile(r"[^\s,]+")  # of X-Forwarded-For, which is a list
_FOLDER, _WORD = "keys", "lpaudit"
_KNOWN = 1 << 16  # pseudonyms that are remembered

_PSEUDONYM = re.compile(r"[au]~[a-z2-7]{26,}")
PATTERN = r"^(?:[au]~[a-z2-7]{26,}[\s,]*)+$"
"""What a column holds that holds pseudonyms."""


@dataclass(frozen=True)
class Pseudonyms:
    """Makes pseudonyms of the ``kinds`` that were asked for, and reads them."""

    kinds: frozenset[str]
    key: bytes = field(repr=False)
    _known: dict[tuple[str, str], str] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def _cipher(self) -> AESSIV:
        derived = HKDF(SHA256(), 64, None, b"lpaudit pseudonyms 1").derive(self.key)
        return AESSIV(derived)

    def of(self, kind: str, name: str) -> str:
        """Return the pseudonym of a name."""
        made = self._known.get((kind, name))
        if made is None:
            sign = _SIGNS[kind]
            sealed = self._cipher.encrypt(name.encode("utf-8", "surrogatepass"), [sign.encode()])
            made = sign + b32encode(sealed).decode().rstrip("=").lower()
            if len(self._known) >= _KNOWN:
                self._known.clear()
            self._known[kind, name] = made
        return made

    def of_value(self, kind: str, value: str) -> str:
        """Return a column's value with pseudonyms in it: of a list of addresses, one of each."""
        if kind == USERS:
            return self.of(kind, value)
        return _PARTS.sub(lambda part: self.of(kind, part[0]), value)

    def column(self, kind: str, values: pa.ChunkedArray) -> pa.Array:
        """Return a column with pseudonyms in the place of names."""
        coded = values.combine_chunks().dictionary_encode()
        if isinstance(coded, pa.ChunkedArray):  # there were no rows
            coded = coded.combine_chunks()
        names = [None if v is None else self.of_value(kind, v) for v in coded.dictionary.to_pylist()]
        return pa.array(names, pa.string()).take(coded.indices)

    def name_of(self, pseudonym: str) -> str:
        """Return the name that a pseudonym stands for. Raises ConfigError if it was made with no such key."""
        sealed = pseudonym[2:].upper()
        try:
            padded = sealed + "=" * (-len(sealed) % 8)
            return self._cipher.decrypt(b32decode(padded), [pseudonym[:2].encode()]).decode(
                "utf-8", "surrogatepass"
            )
        except (ValueError, InvalidTag):
            raise ConfigError(
                f"{pseudonym!r} is no pseudonym that this key has made",
                hint="`pseudonym_key` names the key's file: is it that of the host that stored it?",
            ) from None


def is_pseudonym(text: str) -> bool:
    """Tell whether a text looks like a pseudonym."""
    return _PSEUDONYM.fullmatch(text) is not None


def kind_of(name: str) -> str:
    """Return which kind of pseudonym a name has: an address is none of a user."""
    try:
        ip_address(name)
    except ValueError:
        return USERS
    return ADDRESSES


def kinds(setting: str, origin: str) -> frozenset[str]:
    """Return what there are to be pseudonyms of. Raises ConfigError for an unknown word."""
    words = frozenset(part.strip() for part in setting.split(",") if part.strip())
    for word in sorted(words - set(KINDS)):
        raise ConfigError(
            f"pseudonyms is {setting!r} ({origin}): {word!r} means nothing",
            hint="there are: " + ", ".join(KINDS),
        )
    return words


class Files(Protocol):
    """What is asked of a store (``store.storage.Storage``)."""

    def create(self, name: str, data: bytes, unique: str) -> bool:
        """Store a file unless there is one of that name: then return False."""

    def read(self, name: str) -> bytes:
        """Return a file's bytes."""

    def names(self, folder: str) -> list[str]:
        """Return the names right below a folder."""


def agree(files: Files, people: Pseudonyms | None, unique: Callable[[], str] | None) -> None:
    """Have a store hold pseudonyms of one key, and of people that have some nothing else from then on.

    With ``unique`` it is noted which it holds: a pseudonym of a word that is known tells the key again.
    Raises ConfigError if the store holds others, or such as nobody asks for; OSError.
    """
    there = set(files.names(_FOLDER))
    for kind in KINDS:
        name = f"{_FOLDER}/{kind}.pseudonyms"
        mine = None if people is None or kind not in people.kinds else people.of(kind, _WORD).encode() + b"\n"
        if f"{kind}.pseudonyms" not in there and mine is not None:
            if unique is None or files.create(name, mine, unique()):
                continue
        elif f"{kind}.pseudonyms" not in there:
            continue
        if mine is None:
            raise ConfigError(
                f"the store holds pseudonyms of {kind}, and the settings do not ask for them",
                hint=f'write pseudonyms = "{kind}" into the settings, with the key of those that are there',
            )
        if files.read(name) != mine:
            raise ConfigError(
                f"the store's pseudonyms of {kind} were made with another key",
                hint="copy the key from the host that began it, and name its file with `pseudonym_key`",
            )


def load(
    wanted: frozenset[str],
    setting: str,
    location: str,
    environ: Mapping[str, str],
    random: Callable[[int], bytes] | None,
    *,
    keep: bool = True,
) -> Pseudonyms:
    """Return who makes pseudonyms of the ``wanted`` kinds, with the key that ``setting`` names.

    If there is none, it is made with ``random`` bytes, and kept. Raises ConfigError; also if there is none
    and there are no random bytes.
    """
    path = fingerprints.path_of(setting, environ, "pseudonym.key")
    key = fingerprints.key(path, location, random if keep else None, what="pseudonyms")
    if key is None and random is not None:
        key = random(32)
    if key is None:
        raise ConfigError(
            f"there is no key of pseudonyms at {path}", hint="name its file with `pseudonym_key`"
        )
    return Pseudonyms(wanted, key)
