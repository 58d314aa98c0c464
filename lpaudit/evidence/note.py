"""Signed notes and checkpoints: what a key has said of a tree.

The forms are C2SP's: a text, an empty line, and a line for each signature (signed-note); the
text names the log, the tree's size and its root (tlog-checkpoint). So tools for transparency
logs read them, and `openssl pkeyutl` verifies them.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from lpaudit.errors import EvidenceError

_ED25519 = b"\x01"
_KEY = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{44})")
_SIGNATURE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/=]+)")


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that signatures are checked with, by the name of whoever holds the other half."""

    name: str
    raw: bytes

    @property
    def id(self) -> bytes:
        """Four bytes that tell it from other keys of the same name."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.raw).digest()[:4]

    def __str__(self) -> str:
        """The key in one line: name, id, and kind and bytes in base64."""
        return f"{self.name}+{self.id.hex()}+{b64encode(_ED25519 + self.raw).decode()}"

    @classmethod
    def parse(cls, text: str) -> "PublicKey":
        """Inverse of ``str``. Raises EvidenceError."""
        match = _KEY.fullmatch(text.strip())
        try:
            key = cls(match[1], b64decode(match[3], validate=True)[1:]) if match else None
            if key is not None and str(key) == text.strip():
                Ed25519PublicKey.from_public_bytes(key.raw)
                return key
        except ValueError:
            pass
        raise EvidenceError(
            "this is not a public key of the form name+id+base64", hint="`lpaudit keys list` prints them"
        )

    def verifies(self, text: bytes, signature: bytes) -> bool:
        """Tell whether the other half has signed the text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, text)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key and its name."""

    name: str
    key: Ed25519PrivateKey

    @property
    def public(self) -> PublicKey:
        """The half that may be known."""
        return PublicKey(self.name, self.key.public_key().public_bytes_raw())

    def sign(self, text: str) -> str:
        """Return a note: the text, which ends with a line's end, and this key's signature."""
        signature = b64encode(self.public.id + self.key.sign(text.encode())).decode()
        return f"{text}\n— {self.name} {signature}\n"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was signed of a tree: which log, how many leaves, and the root above them."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The note's text."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


def read_note(note: str, keys: Iterable[PublicKey]) -> tuple[str, PublicKey]:
    """Return a note's text, and the key of those given that has signed it.

    Raises EvidenceError if it is none, if none of the keys has signed it, or if one has not
    whose signature it says it bears.
    """
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    known = list(keys)
    lines = signatures.split("\n")
    if lines.pop() != "" or not lines:
        raise EvidenceError("a note ends without a signature")
    found = [key for line in lines for key in _signers(line, text, known)]
    if not found:
        names = ", ".join(sorted({line.split(" ")[1] for line in lines}))
        raise EvidenceError(
            f"it is signed by {names}, of which no key is known", hint="name its public key with --key"
        )
    return text, found[0]


def _signers(line: str, text: str, known: Iterable[PublicKey]) -> Iterator[PublicKey]:
    """Yield the key that a line of signatures is by, if it is known. Raises EvidenceError."""
    match = _SIGNATURE.fullmatch(line)
    if match is None:
        raise EvidenceError("a line of a note's signatures is not one")
    try:
        blob = b64decode(match[2], validate=True)
    except ValueError as error:
        raise EvidenceError("a signature of a note is not base64") from error
    if b64encode(blob).decode() != match[2]:
        raise EvidenceError("a signature of a note is written in an odd way")
    for key in known:
        if key.name == match[1] and key.id == blob[:4]:
            if not key.verifies(text.encode(), blob[4:]):
                raise EvidenceError(f"a note's signature is not of the key {key.name}")
            yield key


def read_checkpoint(note: str, keys: Iterable[PublicKey]) -> tuple[Checkpoint, PublicKey]:
    """Return what a checkpoint says, and who has signed it. Raises EvidenceError, as ``read_note`` does."""
    text, key = read_note(note, keys)
    return _parse(text), key


def _parse(text: str) -> Checkpoint:
    try:
        origin, size, root = text.split("\n")[:3]
        checkpoint = Checkpoint(origin, int(size), b64decode(root, validate=True))
    except ValueError as error:
        raise EvidenceError("a checkpoint does not say which log, size and root") from error
    if checkpoint.text != text:
        raise EvidenceError("a checkpoint says more, or says it in another way, than it should")
    return checkpoint
