"""A small store that has every kind of file in it, and a key."""

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from report.small import line

from lpaudit import ingest, pipeline, retention, signing
from lpaudit import keys as keyring
from lpaudit.model import Gap, GapCause, Observer
from lpaudit.store import append_gap, commitlog, open_store, packing
from lpaudit.store.transaction import _commit as commit
from lpaudit.verification import Asked, verify

NOW = datetime(2026, 11, 24, tzinfo=UTC)


class Killed(BaseException):
    """What ends a process at once, as far as its files tell."""


def _killed(table, add, properties, transactions):
    if "segments" in properties.custom_metadata:
        raise Killed
    return commit(table, add, properties, transactions)


class Evidence:
    """A store that is written to, signed and verified."""

    def __init__(self, folder):
        self.folder = folder
        self.root = folder / "store"
        self.logs = folder / "logs"
        self.logs.mkdir()
        self._numbers = itertools.count(1)
        self.key = folder / "key.pem"
        private = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
        self.key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self.key.chmod(0o600)
        keyring.init(str(self.root), self.key, "gw1", now=NOW, unique=self.unique())
        self.signer = keyring.signer(open_store(str(self.root)), self.key)
        self.remembered = []

    def unique(self):
        return f"{next(self._numbers):032x}"

    def write(self, name, *lines):
        """Let a log grow, and ingest it."""
        with (self.logs / name).open("a") as log:
            log.writelines(f"{text}\n" for text in lines)
        options = ingest.IngestOptions("gw1", None, ZoneInfo("UTC"), 1 << 20)
        now = NOW + timedelta(seconds=next(self._numbers))
        done = ingest.ingest(
            str(self.root), [str(self.logs / name)], options, Observer(), now=lambda: now, unique=self.unique
        )
        assert not done.errors

    def killed(self, name, *lines):
        """The same, by a process that is killed when all is written but the commit of the lines."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("lpaudit.store.transaction._commit", _killed)
            with pytest.raises(Killed):
                self.write(name, *lines)

    def sign(self):
        signed = signing.sign(open_store(str(self.root)), self.signer, unique=self.unique)
        self.remembered = [("here", signed.note)] if signed else self.remembered
        return signed

    def compact(self):
        pipeline.compact(str(self.root), keep_replaced=24, unique=self.unique)

    def hold(self, **cover):
        """Hold lines; return the hold's id."""
        said = retention.Said("counsel", "litigation", "LEGAL-7", "gw1", "tests")
        return retention.add(
            str(self.root), retention.Cover(**cover), said, now=lambda: NOW, unique=self.unique
        )[0]

    def purge(self, cut, *classes, signer=None):
        """Purge what is older than a date, and return what was done."""
        rule = retention.Rule(
            "400d", datetime.fromisoformat(f"{cut}T00:00:00Z"), tuple(retention.chosen(classes))
        )
        said = retention.Said("ops", "policy", None, "gw1", "tests")
        means = retention.Means(
            signer or self.signer, (), {"HOME": str(self.folder)}, lambda: NOW, self.unique
        )
        return retention.purge(str(self.root), rule, said, means)

    def select(self, sql):
        """Ask the store; return rows as dictionaries."""
        with pipeline.opened(str(self.root)) as (connection, _):
            return connection.select(sql).to_pylist()

    def verify(self, sample=None, kept=(), keys=None):
        asked = Asked(tuple(keys or [self.signer.public]), sample, kept=tuple(kept))
        return verify(str(self.root), asked)

    def data_files(self, table):
        target = open_store(str(self.root))
        return target.files(table, target.table(table))

    def files(self):
        return sorted(path for path in self.root.rglob("*") if path.is_file())


@pytest.fixture
def evidence(tmp_path):
    return Evidence(tmp_path)


@pytest.fixture
def every_kind(evidence, monkeypatch):
    """A store with merged data files, packs, archives, Delta's checkpoints, an error log, a gap, a purge."""
    monkeypatch.setattr(packing, "LEAST", 4)
    monkeypatch.setattr(commitlog, "LEAST", 2)
    monkeypatch.setattr(commitlog, "KEEP", 3)
    evidence.write("old.log", line("01/Mar/2025:10:00:00", "GET /old", user="alice"))
    evidence.hold(identity="nobody")
    evidence.purge("2026-01-01")
    for number in range(9):
        evidence.write("access.log", line(f"10:00:{number:02d}", f"GET /api/flows/{number}", user="alice"))
        if number == 4:
            evidence.sign()
    evidence.write("access.log", "garbage")
    evidence.write(
        "error.log",
        "2026-11-23 10:00:00: (mod_auth.c.828) password doesn't match for /api/x username: bob IP: 10.0.0.1",
    )
    gap = Gap(
        source="/var/log/x",
        source_id="1" * 16,
        host_name="gw1",
        start=None,
        end=NOW,
        bytes=None,
        lines=None,
        cause=GapCause.DELETED,
        from_offset=7,
        detected_at=NOW,
    )
    append_gap(open_store(str(evidence.root)), gap, evidence.unique())
    evidence.compact()
    evidence.sign()
    evidence.compact()
    evidence.write("access.log", line("11:00:00", "DELETE /api/flows/1", user="bob"))
    evidence.sign()
    evidence.compact()
    evidence.sign()
    return evidence
