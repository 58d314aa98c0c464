"""Checkpoints → copies in other hands: who rewrites the store cannot rewrite those.

An anchor is a directory, an ``s3://BUCKET/PREFIX``, a command (``|COMMAND``, which gets the
checkpoint on stdin), or a time-stamp authority (``tsa+URL``, RFC 3161, asked through
openssl). One that is down is told of, tried again with the next checkpoint, and holds up nothing.
"""

import json
import os
import shlex
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from lpaudit import signing
from lpaudit.errors import ConfigError, EvidenceError, LpauditError
from lpaudit.evidence import Signer
from lpaudit.model import LogKind
from lpaudit.reason import reason_of
from lpaudit.signing import Signed
from lpaudit.store import Store, mark_file
from lpaudit.store.storage import storage_of

_TIMEOUT = 60.0  # seconds for one anchor
_COMMAND, _TSA = "|", "tsa+"


@dataclass(frozen=True, slots=True)
class State:
    """How it went with an anchor: the largest tree that it has, when that came, why the last try failed."""

    size: int | None = None
    at: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What of a store is signed, and who else has the checkpoint.

    ``leaves`` are those of ``batches`` batches, ``unsigned`` the commits since the last one.
    ``error`` says why that cannot be told.
    """

    leaves: int
    batches: int
    unsigned: int
    anchors: dict[str, State]
    error: str | None = None


def standing(
    target: Store, versions: Mapping[str, int], anchors: Iterable[str], environ: Mapping[str, str]
) -> Standing:
    """Say what is signed of a store, whose tables are of ``versions`` now. Raises StoreError."""
    states = read(target, environ)
    known = {anchor: states.get(anchor, State()) for anchor in anchors}
    try:
        batch = signing.last_batch(target)
    except EvidenceError as error:
        return Standing(0, 0, 0, known, error.message)
    # Commits are numbered from 0.
    signed: Mapping[str, int] = batch.head.tables if batch else {}
    unsigned = sum(version - signed.get(name, -1) for name, version in versions.items())
    if batch is None:
        return Standing(0, 0, unsigned, known)
    return Standing(batch.head.size + len(batch.leaves), batch.head.number + 1, unsigned, known)


def parse(setting: str) -> tuple[str, ...]:
    """Return the anchors that a setting names, separated by commas. Raises ConfigError."""
    found = tuple(part.strip() for part in setting.split(",") if part.strip())
    for anchor in found:
        if anchor.startswith(_TSA) and not anchor.startswith((f"{_TSA}https://", f"{_TSA}http://")):
            raise ConfigError(
                f"{anchor} is no time-stamp authority", hint="write it like tsa+https://tsa.example.com/"
            )
    return found


def sign(
    target: Store,
    signer: Signer,
    anchors: Sequence[str],
    *,
    now: Callable[[], datetime],
    unique: Callable[[], str],
    environ: Mapping[str, str],
) -> tuple[Signed | None, list[str]]:
    """Sign what is new, and give the checkpoint to the anchors; return it, and who failed, in words.

    Raises StoreError or EvidenceError if it cannot be signed.
    """
    signed = signing.sign(target, signer, unique=unique)
    if signed is None:
        return None, []
    _remember(target, signed, environ)
    states = send(target, anchors, signed, now=now(), unique=unique(), environ=environ)
    failed = [name for name in anchors if states[name].error]
    return signed, [f"the anchor {name} did not take the checkpoint: {states[name].error}" for name in failed]


def send(
    target: Store,
    anchors: Iterable[str],
    signed: Signed,
    *,
    now: datetime,
    unique: str,
    environ: Mapping[str, str],
) -> dict[str, State]:
    """Give a checkpoint to every anchor; return how it went, which is remembered."""
    states = read(target, environ)
    for anchor in anchors:
        try:
            _send(target, anchor, signed, unique)
            states[anchor] = State(signed.checkpoint.size, now.isoformat(), None)
        except LpauditError as error:
            states[anchor] = _failed(states.get(anchor), error.message)
        except urllib.error.URLError as error:
            reason = error.reason if isinstance(error.reason, Exception) else Exception(error.reason)
            states[anchor] = _failed(states.get(anchor), reason_of(reason))
        except OSError as error:
            states[anchor] = _failed(states.get(anchor), reason_of(error))
        except subprocess.SubprocessError as error:
            states[anchor] = _failed(states.get(anchor), _ended(error))
    with suppress(OSError):
        file = _file(target, environ)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(
            json.dumps({name: asdict(state) for name, state in states.items()}, indent=1), "utf-8"
        )
    return states


def _ended(error: subprocess.SubprocessError) -> str:
    """Say in words how a command came to no good end."""
    if isinstance(error, subprocess.CalledProcessError):
        return f"{error.cmd[0]} ended with {error.returncode}"
    return f"it took longer than {_TIMEOUT:.0f} seconds"


def _failed(before: State | None, error: str) -> State:
    return State(before.size if before else None, before.at if before else None, error)


def read(target: Store, environ: Mapping[str, str]) -> dict[str, State]:
    """Return how it went with each anchor the last time, as this user knows."""
    try:
        told = json.loads(_file(target, environ).read_text("utf-8"))
        return {str(name): State(**state) for name, state in told.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def kept(anchors: Sequence[str]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the checkpoints that anchors can give back, by where they are; and which cannot now, and why."""
    found, lost = [], []
    for anchor in anchors:
        if anchor.startswith((_COMMAND, _TSA)):
            continue
        try:
            found += _kept(anchor)
        except LpauditError as error:
            lost.append((anchor, error.message))
        except OSError as error:
            lost.append((anchor, reason_of(error)))
    return found, lost


def _kept(anchor: str) -> list[tuple[str, str]]:
    path = Path(anchor)
    if path.is_file():
        return [(anchor, path.read_text("utf-8", "replace"))]
    storage = storage_of(anchor)
    names = [name for name in storage.names("") if name.endswith(".checkpoint")]
    return [(f"{anchor}/{name}", storage.read(name).decode("utf-8", "replace")) for name in names]


def remembered(target: Store, environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the last checkpoint that this user has signed here, with where that is kept; none if none is."""
    file = _file(target, environ, "checkpoint")
    with suppress(OSError):
        return [(str(file), file.read_text("utf-8", "replace"))]
    return []


def _remember(target: Store, signed: Signed, environ: Mapping[str, str]) -> None:
    """Keep a checkpoint outside the store: without one, nobody can tell that later ones were taken away."""
    file = _file(target, environ, "checkpoint")
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}.{os.getpid()}")
        temporary.write_text(signed.note, "utf-8")
        temporary.replace(file)


def _file(target: Store, environ: Mapping[str, str], what: str = "anchors.json") -> Path:
    mark = mark_file(target, environ, LogKind.ACCESS)
    return mark.with_name(f"{mark.stem}-{what}")


def _send(target: Store, anchor: str, signed: Signed, unique: str) -> None:
    name = f"{signed.checkpoint.origin.rpartition('/')[2][:16]}-{signed.checkpoint.size:020d}.checkpoint"
    if anchor.startswith(_COMMAND):
        subprocess.run(  # noqa: S603 -- what the operator wrote into the settings, without a shell
            shlex.split(anchor.removeprefix(_COMMAND)),
            input=signed.note.encode(),
            stdout=subprocess.DEVNULL,
            timeout=_TIMEOUT,
            check=True,
        )
    elif anchor.startswith(_TSA):
        token = _time_stamp(anchor.removeprefix(_TSA), signed.note)
        target.storage.create(
            f"{signing.TIMESTAMPS}/{name.removesuffix('.checkpoint')}-{unique[:8]}.tsr", token, unique
        )
    else:
        storage = storage_of(anchor)
        storage.prepare()
        storage.create(name, signed.note.encode(), unique)


def _time_stamp(url: str, note: str) -> bytes:
    """Return an authority's answer to the checkpoint's hash: a token that openssl verifies."""
    with TemporaryDirectory(prefix="lpaudit-") as folder:
        query = Path(folder, "query.tsq")
        subprocess.run(  # noqa: S603 -- fixed words
            ["openssl", "ts", "-query", "-data", "/dev/stdin", "-sha256", "-cert", "-out", str(query)],  # noqa: S607 -- as PATH says
            input=note.encode(),
            capture_output=True,
            timeout=_TIMEOUT,
            check=True,
        )
        asked = urllib.request.Request(  # noqa: S310 -- parse: http or https
            url, query.read_bytes(), {"Content-Type": "application/timestamp-query"}
        )
        with urllib.request.urlopen(asked, timeout=_TIMEOUT) as answer:  # noqa: S310 -- http or https: parse()
            token: bytes = answer.read(1 << 20)
        reply = Path(folder, "reply.tsr")
        reply.write_bytes(token)
        told = subprocess.run(  # noqa: S603 -- fixed words
            ["openssl", "ts", "-reply", "-in", str(reply), "-text"],  # noqa: S607 -- the system's openssl
            capture_output=True,
            timeout=_TIMEOUT,
            check=True,
            env={**os.environ, "LC_ALL": "C"},
        )
    # Whom to trust is the verifier's to know, with the authority's certificate; here it must
    # at least have stamped something, and this: a token holds the hash's bytes as they are.
    if b"Status: Granted" not in told.stdout:
        raise EvidenceError("it refuses to stamp")
    if sha256(note.encode()).digest() not in token:
        raise EvidenceError("it has stamped another checkpoint")
    return token
