"""Keys that sign: where the private one is kept, and which public ones are believed.

A private key is a line in a file of its user's (mode 0600, outside the store), in the form of
Go's note tools: ``PRIVATE+KEY+name+id+base64``. Each key that has signed a store leaves its
public half in the store, in a note that it signs itself, and that the key before it signs
too: so whoever trusts one key of a row can trust those that followed it.
"""

import os
import re
import stat
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lpaudit.errors import ConfigError, EvidenceError
from lpaudit.evidence import PublicKey, Signer, read_note
from lpaudit.reason import reason_of
from lpaudit.store import Store, cannot_read, cannot_write

FOLDER = "keys"
_PREFIX = "PRIVATE+KEY+"
_NAME = re.compile(r"[A-Za-z0-9._@/-]{1,64}")
_MODE = 0o600


def init(path: Path, name: str, target: Store | None, unique: str) -> PublicKey:
    """Make a key, and leave its public half in the store, if there is one.

    Raises ConfigError if there is a key already, or the name cannot be one; EvidenceError if
    the file cannot be written; StoreError.
    """
    _outside(path, target)
    signer = _make(path, name)
    if target is not None:
        publish(target, signer, None, unique)
    return signer.public


def rotate(path: Path, target: Store | None, unique: str) -> PublicKey:
    """Make a new key of the same name in the place of the old one, which is kept beside it.

    The old one says in the store that it believes the new one. Raises as ``init`` does.
    """
    old = load(path)
    kept = path.with_name(f"{path.name}.{old.public.id.hex()}")
    try:
        path.rename(kept)
    except OSError as error:
        raise _cannot(path, "write", error) from error
    signer = _make(path, old.name)
    if target is not None:
        publish(target, signer, old, unique)
    return signer.public


def load(path: Path) -> Signer:
    """Read a private key. Raises EvidenceError if there is none, or if others may read it."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text("ascii").strip()
    except FileNotFoundError as error:
        raise EvidenceError(f"there is no key at {path}", hint="make one: lpaudit keys init") from error
    except (OSError, UnicodeDecodeError) as error:
        raise _cannot(path, "read", error) from error
    if mode & 0o077:
        raise EvidenceError(f"others may read the key {path}", hint=f"chmod 600 {path}")
    try:
        name, key_id, encoded = text.removeprefix(_PREFIX).split("+", 2)
        signer = Signer(name, Ed25519PrivateKey.from_private_bytes(b64decode(encoded, validate=True)[1:]))
    except ValueError as error:
        raise EvidenceError(
            f"{path} is no private key", hint="restore it, or move it away: keys init"
        ) from error
    if signer.public.id.hex() != key_id or not text.startswith(_PREFIX):
        raise EvidenceError(f"{path} is no private key", hint="restore it, or move it away: keys init")
    return signer


def own(path: Path) -> list[PublicKey]:
    """Return the public halves of a private key and of those that it replaced; none if there is none."""
    files = [path, *sorted(path.parent.glob(f"{path.name}.????????"))] if path.parent.is_dir() else []
    return [load(file).public for file in files if file.is_file()]


def given(text: str) -> PublicKey:
    """Return the public key that an option gives: itself, or the file that holds it. Raises EvidenceError."""
    path = Path(text)
    try:
        return PublicKey.parse(path.read_text("utf-8").split("\n", 1)[0] if path.is_file() else text)
    except (OSError, UnicodeDecodeError) as error:
        raise _cannot(path, "read", error) from error


def in_store(target: Store) -> dict[str, str]:
    """Return the notes of public keys that lie in the store, by path. Raises StoreError."""
    try:
        paths = [f"{FOLDER}/{name}" for name in target.storage.names(FOLDER) if name.endswith(".pub")]
        return {path: target.storage.read(path).decode("utf-8", "replace") for path in paths}
    except OSError as error:
        raise cannot_read(target.location, error) from error


def believed(notes: Iterable[str], known: Iterable[PublicKey]) -> list[PublicKey]:
    """Return the keys that are known, and those of the notes that one of these has signed, and so on."""
    keys = dict.fromkeys(known)
    left = list(notes)
    while True:
        found = [(note, key) for note in left for key in _signed(note, keys)]
        if not found:
            return list(keys)
        keys |= dict.fromkeys(key for _, key in found)
        left = [note for note in left if note not in {note for note, _ in found}]


def in_words(notes: Mapping[str, str]) -> list[PublicKey]:
    """Return the keys that a store says it was signed with: they are believed by nobody."""
    found = []
    for note in notes.values():
        with suppress(EvidenceError):
            found.append(PublicKey.parse(note.split("\n", 1)[0]))
    return found


def _signed(note: str, keys: Iterable[PublicKey]) -> list[PublicKey]:
    try:
        text, _ = read_note(note, keys)
        return [PublicKey.parse(text)]
    except EvidenceError:
        return []


def publish(target: Store, signer: Signer, before: Signer | None, unique: str) -> None:
    """Leave a public key in the store, signed by itself and by the key before it. Raises StoreError."""
    name = f"{signer.public.id.hex()}.pub"
    note = signer.sign(f"{signer.public}\n")
    if before is not None:
        note += before.sign(f"{signer.public}\n").rpartition("\n\n")[2]
    try:
        if name not in target.storage.names(FOLDER):
            target.storage.create(f"{FOLDER}/{name}", note.encode(), unique)
    except OSError as error:
        raise cannot_write(target.location, error) from error


def _make(path: Path, name: str) -> Signer:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"a key cannot be called {name!r}",
            hint="letters, digits and . _ @ / -, at most 64: gw1.example.com",
        )
    signer = Signer(name, Ed25519PrivateKey.generate())
    encoded = b64encode(b"\x01" + signer.key.private_bytes_raw()).decode()
    line = f"{_PREFIX}{name}+{signer.public.id.hex()}+{encoded}\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "w") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise ConfigError(f"there is a key at {path}", hint="make another: lpaudit keys rotate") from error
    except OSError as error:
        raise _cannot(path, "write", error) from error
    return signer


def _outside(path: Path, target: Store | None) -> None:
    if target is not None and path.absolute().is_relative_to(target.location):
        raise ConfigError(
            f"{path} is in the store: whoever can write the one could then sign as the other",
            hint="name another file with --key",
        )


def _cannot(path: Path, what: str, error: Exception) -> EvidenceError:
    reason = reason_of(error) if isinstance(error, OSError) else str(error)
    return EvidenceError(f"cannot {what} {path}: {reason}")
