"""Keys that sign: Ed25519. The private half is a file outside the store, the public one is in its `keys/`.

There may be several, of several people and machines, and a key may follow another one (it is rotated):
then the old key has signed the new one's record. Whoever can write the store can put a key into it, so
what a key's name is worth is known by those who compare its fingerprint with what its owner told them.
"""

import base64
import json
import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from lpaudit import store
from lpaudit.canonical import canonical, stamp
from lpaudit.errors import ConfigError, EvidenceError, StoreError
from lpaudit.evidence import PublicKey, Signer
from lpaudit.reason import reason_of

FOLDER = "keys"

_ODD = re.compile(r"[\s+\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Key:
    """A key's public half. ``key_id`` are the first 16 hex digits of the SHA-256 of its 32 bytes.

    ``public_key`` and ``endorsement`` are base64. ``endorsement`` is what the key that it ``replaces`` made
    over the other values.
    """

    key_id: str
    name: str
    public_key: str
    created_at: str
    replaces: str | None = None
    endorsement: str | None = None

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the public half: what people compare."""
        return sha256(base64.b64decode(self.public_key)).hexdigest()

    @property
    def public(self) -> PublicKey:
        """The key as signed notes call it. A name that they cannot hold is written without what is odd."""
        return PublicKey(note_name(self.name), base64.b64decode(self.public_key))

    def made(self, signature: str, value: object) -> bool:
        """Tell whether a signature over a value is this key's."""
        try:
            public = Ed25519PublicKey.from_public_bytes(base64.b64decode(self.public_key, validate=True))
            public.verify(base64.b64decode(signature, validate=True), canonical(value))
        except (InvalidSignature, ValueError):
            return False
        return True


def note_name(name: str) -> str:
    """Return a name as signed notes have it: without blanks and plus signs."""
    return _ODD.sub("_", name) or "_"


def init(root: str, path: Path, name: str, *, now: datetime, unique: str) -> Key:
    """Make a key and publish it in the store; one that is there already is only published.

    Raises ConfigError for a file that cannot be a key, or would be in the store; StoreError.
    """
    target = store.create_store(root)
    if not path.exists():
        _write_private(target, path, Ed25519PrivateKey.generate())
    private = load(path)
    known = published(target).get(_key_id(private))
    if known is not None and known.name != name:
        raise ConfigError(
            f"the key {known.key_id} is {known.name}'s in this store",
            hint="make another: name its file with `key`",
        )
    return known or _publish(target, _key(private, name, now), unique)


def rotate(root: str, path: Path, *, now: datetime, unique: str) -> Key:
    """Make a key that follows the one at ``path``, which is kept beside it under its id.

    Raises ConfigError, StoreError.
    """
    target = store.open_store(root)
    old = load(path)
    before = published(target).get(_key_id(old))
    if before is None:
        raise ConfigError(f"the store does not know the key {path}", hint="`lpaudit keys init` publishes it")
    new = Ed25519PrivateKey.generate()
    fresh = Key(**asdict(_key(new, before.name, now)) | {"replaces": before.key_id})
    endorsed = Key(**asdict(fresh) | {"endorsement": sign(old, _endorsed(fresh))})
    aside = path.with_name(f"{path.name}.{before.key_id}")
    _write_private(target, path.with_name(f"{path.name}.new"), new)
    _publish(target, endorsed, unique)
    os.link(path, aside)
    path.with_name(f"{path.name}.new").replace(path)
    return endorsed


def load(path: Path) -> Ed25519PrivateKey:
    """Read a private key. Raises ConfigError, also for one that others may read."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ConfigError(f"others may read the private key {path}", hint=f"chmod 600 {path}")
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise ConfigError(
            f"cannot read the private key {path}: {reason_of(error)}",
            hint="`lpaudit keys init` makes one; the setting `key` names its file",
        ) from error
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(
            f"{path} is no Ed25519 key in PEM without a password", hint="`lpaudit keys init` makes one"
        )
    return key


def sign(private: Ed25519PrivateKey, value: object) -> str:
    """Return the signature over a value's canonical JSON, in base64."""
    return base64.b64encode(private.sign(canonical(value))).decode("ascii")


def key_of(target: store.Store, private: Ed25519PrivateKey) -> Key:
    """Return what the store says of a key. Raises ConfigError if it does not know it, StoreError."""
    known = published(target).get(_key_id(private))
    if known is None:
        raise ConfigError(
            f"the store {target.location} does not know this key", hint="publish it: lpaudit keys init"
        )
    return known


def signer(target: store.Store, path: Path) -> Signer:
    """Return what signs the tree: the key at ``path``, by its name in the store.

    Raises ConfigError, also if the store does not know it; StoreError.
    """
    private = load(path)
    return Signer(note_name(key_of(target, private).name), private)


def own(target: store.Store, path: Path) -> list[PublicKey]:
    """Return the keys of this machine that the store knows: the one at ``path``, and those that it replaced.

    Raises ConfigError, StoreError.
    """
    files = [path, *sorted(path.parent.glob(f"{path.name}.{'?' * 16}"))] if path.is_file() else []
    known = published(target)
    ids = [_key_id(load(file)) for file in files]
    return [known[key_id].public for key_id in ids if key_id in known]


def believed(keys: Mapping[str, Key], known: Iterable[PublicKey]) -> list[PublicKey]:
    """Return the keys that are known, and those that these have signed for, and so on."""
    found = list(known)
    while True:
        more = [
            key.public
            for key in keys.values()
            if key.public not in found and (before := endorsed_by(key, keys)) and before.public in found
        ]
        if not more:
            return found
        found += more


def trusted(
    target: store.Store, path: Path, named: Sequence[PublicKey] = ()
) -> tuple[tuple[PublicKey, ...], bool]:
    """Return the keys to verify a store with, and whether nothing but the store vouches for them.

    Those that are ``named``, else those of this machine, and whom they have signed for. If
    there are none, the store's own: then it at least agrees with itself.
    Raises ConfigError, StoreError.
    """
    there = published(target)
    found = believed(there, named or own(target, path))
    return (tuple(found), False) if found else (tuple(key.public for key in there.values()), True)


def given(text: str) -> PublicKey:
    """Return the public key that an option gives: itself, or a file that holds it. Raises EvidenceError."""
    path = Path(text)
    try:
        return PublicKey.parse(path.read_text("utf-8") if path.is_file() else text)
    except (OSError, UnicodeDecodeError) as error:
        raise EvidenceError(f"cannot read {path}") from error


def published(target: store.Store) -> dict[str, Key]:
    """Return the public keys of a store by their ids, the oldest first. Raises StoreError."""
    try:
        names = [f"{FOLDER}/{name}" for name in target.storage.names(FOLDER) if name.endswith(".json")]
        found = [_read(name, target.storage.read(name)) for name in names]
    except OSError as error:
        raise store.cannot_read(target.location, error) from error
    return {key.key_id: key for key in sorted(found, key=lambda key: (key.created_at, key.key_id))}


def endorsed_by(key: Key, keys: Mapping[str, Key]) -> Key | None:
    """Return the key that a key replaces, if that one has signed for it."""
    before = keys.get(key.replaces or "")
    if before is None or key.endorsement is None or not before.made(key.endorsement, _endorsed(key)):
        return None
    return before


def _endorsed(key: Key) -> dict[str, Any]:
    return {name: value for name, value in asdict(key).items() if name != "endorsement"}


def _key(private: Ed25519PrivateKey, name: str, now: datetime) -> Key:
    return Key(_key_id(private), name, base64.b64encode(_raw(private)).decode("ascii"), stamp(now))


def _raw(private: Ed25519PrivateKey) -> bytes:
    return private.public_key().public_bytes_raw()


def _key_id(private: Ed25519PrivateKey) -> str:
    return sha256(_raw(private)).hexdigest()[:16]


def _read(name: str, data: bytes) -> Key:
    try:
        key = Key(**json.loads(data))
        if key.fingerprint[:16] != key.key_id or name != f"{FOLDER}/{key.key_id}.json":
            raise ValueError(key.key_id)  # noqa: TRY301 -- as damaged as any other
    except (ValueError, TypeError) as error:
        raise StoreError(
            f"{name} is no key of lpaudit's", hint="restore it from a copy of the store"
        ) from error
    return key


def _publish(target: store.Store, key: Key, unique: str) -> Key:
    text = json.dumps(asdict(key), indent=1) + "\n"
    try:
        target.storage.write(f"{FOLDER}/{key.key_id}.json", lambda file: _write_text(file, text), unique)
    except OSError as error:
        raise StoreError(
            f"cannot write the store {target.location}: {reason_of(error)}", hint="check its permissions"
        ) from error
    return key


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")


def _write_private(target: store.Store, path: Path, private: Ed25519PrivateKey) -> None:
    """Write a private key that nobody but its owner may read, from its first byte on."""
    if "://" not in target.location and path.resolve().is_relative_to(Path(target.location).resolve()):
        raise ConfigError(
            f"the private key would be in the store, at {path}", hint="name a file elsewhere with `key`"
        )
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(pem)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            with suppress(OSError):
                path.unlink()
            raise
    except OSError as error:
        raise ConfigError(
            f"cannot write the private key {path}: {reason_of(error)}", hint="check `key`"
        ) from error
