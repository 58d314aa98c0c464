"""Lines that were purged are gone, and a certificate says so: nothing else may be gone."""

import base64
import gzip
import itertools
import json
import re
import sys
from datetime import UTC, datetime
from hashlib import sha256

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from report.small import RUN, line

from lpaudit import fingerprints, pipeline, retention, showing, signing, store
from lpaudit.errors import ConfigError, LpauditError, StoreError
from lpaudit.evidence import Signer, inclusion_proof, leaf_hash, root_of_proof
from lpaudit.model import Period
from lpaudit.retention import ledger, plan, purging
from lpaudit.store import open_store, packing, removal
from tests.evidence.test_without_lpaudit import run as run_script
from tests.follower import Driven, append

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def old(number, request="GET /api/flows/old", **facts):
    return line(f"0{number + 1}/Mar/2025:10:00:00", request, **facts)


def new(number, request="GET /api/flows/new", **facts):
    return line(f"23/Nov/2026:10:00:{number:02d}", request, **facts)


@pytest.fixture
def aged(evidence):
    """A log whose first four segments are of March 2025, and the next two of November 2026."""
    for number in range(4):
        evidence.write("access.log", old(number, user="alice", agent="ancient"))
    for number in range(2):
        evidence.write("access.log", new(number, user="bob"))
    evidence.sign()
    return evidence


def agents(evidence):
    return sorted(row["agent"] for row in evidence.select("select user_agent as agent from access"))


def everything(evidence):
    """All that the store's files hold, decompressed: who looks for a purged line finds it nowhere."""
    found = b""
    for path in evidence.files():
        data = path.read_bytes()
        if path.suffix == ".zst" and "segments" in path.parts:
            data = zstd.decompress(data)
        elif path.suffix == ".parquet":
            data = json.dumps(pq.ParquetFile(path).read().to_pylist(), default=str).encode()
        found += data
    return found


def clean(evidence):
    """The store has no findings, neither with lpaudit nor without it."""
    evidence.sign()
    result = evidence.verify()
    assert result.findings == []
    status, said = run_script(evidence)
    assert status == 0, said
    return result, said


def test_what_is_old_goes_and_what_is_not_stays(aged):
    assert b"ancient" in everything(aged)
    done = aged.purge("2026-01-01")
    assert [s.row["first_time"].day for s in done.plan.purge] == [1, 2, 3, 4]
    assert b"ancient" not in everything(aged)
    assert agents(aged) == ["prefect/3.9.1"] * 2
    assert len(list((aged.root / "segments").rglob("*.zst"))) == 2
    result, said = clean(aged)
    assert (result.purges, result.purged, result.purged_lines) == (1, 4, 4)
    assert result.unsigned == 0
    assert "purged: 4 lines in 4 segments, under 1 certificates" in said


def test_the_certificate_names_each_leaf_of_the_tree(aged):
    done = aged.purge("2026-01-01")
    text = (aged.root / f"purges/{done.purge_id}.certificate").read_text()
    title, head, *leaves = text.partition("\n\n")[0].split("\n")
    told = json.loads(head)
    assert title == "lpaudit purge certificate"
    assert told["keep"] == "400d"
    assert (told["by"], told["reason"], told["segments"], told["lines"]) == ("ops", "policy", 4, 4)
    batches = sorted((aged.root / "evidence").glob("*.batch"))
    tree = [text for path in batches for text in path.read_text().partition("\n\n")[0].split("\n")[1:]]
    for leaf in map(json.loads, leaves):
        signed = json.loads(tree[leaf["leaf"]])
        assert signed["leaf"] == "segment"
        assert {key: signed[key] for key in ("source_id", "start", "end", "lines", "sha256")} == {
            key: leaf[key] for key in ("source_id", "start", "end", "lines", "sha256")
        }
        assert leaf["source"].endswith("/logs/access.log")
        assert inclusion_proof([b""] * len(tree), leaf["leaf"])


def test_lines_are_counted_also_when_they_are_gone(aged):
    before = pipeline.status(str(aged.root))
    aged.purge("2026-01-01")
    after = pipeline.status(str(aged.root))
    assert [before.total(name) for name in ("lines", "access", "purged")] == [6, 6, 0]
    assert [after.total(name) for name in ("lines", "access", "purged")] == [6, 2, 4]
    assert after.missing_segments == []
    same = ("source", "offset", "segments", "first_time", "last_time", "log_format")
    assert [before.sources[0][name] for name in same] == [after.sources[0][name] for name in same]


def test_purged_lines_are_not_read_again(aged):
    aged.purge("2026-01-01")
    aged.write("access.log")
    assert len(agents(aged)) == 2
    log = aged.logs / "access.log"
    (aged.logs / "access.log.1.gz").write_bytes(gzip.compress(log.read_bytes()))
    aged.write("access.log", new(9))
    assert len(agents(aged)) == 3
    whole = log.read_bytes()
    log.unlink()
    done = pipeline.status(str(aged.root))
    assert (done.total("lines"), done.total("purged")) == (7, 4)
    log.write_bytes(whole)
    aged.write("access.log")
    assert len(agents(aged)) == 3
    clean(aged)


def test_a_source_of_which_nothing_is_left_goes_on_where_it_was(aged):
    aged.purge("2027-01-01")
    assert agents(aged) == []
    aged.write("access.log")
    assert agents(aged) == []
    aged.write("access.log", new(9, agent="later"))
    assert agents(aged) == ["later"]
    [row] = aged.select("select line_number from access")
    assert row["line_number"] == 7
    clean(aged)


def test_a_log_with_secrets_is_known_again_with_another_key(evidence, monkeypatch):
    secret = old(1, "GET /api/x?api_key=0123456789abcdef0123", user="alice")
    kept = [fingerprints, b"k" * 32]
    from lpaudit import ingest

    options = ingest.IngestOptions
    for key in (b"k" * 32, b"other" * 6 + b"xx", None):
        monkeypatch.setattr(
            ingest, "IngestOptions", lambda *a, key=key, **k: options(*a, **k, fingerprint_key=key)
        )
        evidence.write("access.log", *([secret] if key == kept[1] else []))
        if key == kept[1]:
            evidence.sign()
            evidence.purge("2026-01-01")
            assert evidence.select("select redacted is not null as told from purged_segment") == [
                {"told": True}
            ]
    assert evidence.select("select * from access") == []
    # Another log that begins with the same line, and goes on otherwise, is another one.
    (evidence.logs / "other.log").write_text(f"{secret}\n{new(1, agent='another')}\n")
    evidence.write("other.log")
    assert agents(evidence) == ["another"]


def test_a_segment_stays_as_a_whole_if_one_of_its_lines_is_young_enough(evidence):
    evidence.write("access.log", old(1), old(2), new(1))
    assert evidence.purge("2026-01-01").purge_id is None
    assert len(agents(evidence)) == 3


def test_a_line_without_a_time_is_as_old_as_its_being_stored(evidence):
    evidence.write("access.log", old(1))
    evidence.write("access.log", "garbage")  # stored in November 2026
    evidence.purge("2026-01-01")
    assert evidence.select("select raw from quarantine") == [{"raw": "garbage"}]
    assert agents(evidence) == []
    evidence.purge("2027-01-01")
    assert evidence.select("select raw from quarantine") == []
    result, _ = clean(evidence)
    assert result.purges == 2


def test_only_the_class_that_is_named_is_purged(evidence):
    evidence.write("access.log", old(1))
    evidence.write("error.log", "2025-03-01 10:00:00: (server.c.1513) server started (lighttpd/1.4.69)")
    evidence.purge("2026-01-01", "error")
    assert len(agents(evidence)) == 1
    assert evidence.select("select * from server_event") == []
    evidence.write("error.log")
    assert evidence.select("select * from server_event") == []
    evidence.purge("2026-01-01")
    assert agents(evidence) == []
    clean(evidence)


HELD = {
    "time": {"start": datetime(2025, 3, 2, tzinfo=UTC), "end": datetime(2025, 3, 3, tzinfo=UTC)},
    "since": {"start": datetime(2025, 3, 4, tzinfo=UTC)},
    "identity": {"identity": "Alice"},
    "run": {"run": RUN},
    "run of somebody": {"run": RUN, "identity": "bob"},
    "time of somebody": {"identity": "bob", "end": datetime(2025, 3, 2, tzinfo=UTC)},
}


@pytest.mark.parametrize(
    ("kind", "days"),
    [
        ("time", [2]),
        ("since", [4]),
        ("identity", [1]),
        ("run", [3]),
        ("run of somebody", [3]),
        ("time of somebody", []),
    ],
)
def test_a_hold_keeps_every_segment_with_a_line_that_it_covers(evidence, kind, days):
    evidence.write("access.log", old(0, user="bob"), old(0, user="alice"))
    evidence.write("access.log", old(1))
    evidence.write("access.log", old(2, f"GET /api/flow_runs/{RUN}", user="bob"), old(2))
    evidence.write("access.log", old(3))
    hold_id = evidence.hold(**HELD[kind])
    if kind == "time of somebody":
        days = [1]  # bob's line of the first of March
    done = evidence.purge("2026-01-01")
    assert [one.row["first_time"].day for one in done.plan.held] == days
    assert {hold for one in done.plan.held for hold in one.held_by} == {hold_id}
    rows = evidence.select("select distinct day(time) as day from access order by day")
    assert [row["day"] for row in rows] == days
    clean(evidence)


def test_a_hold_covers_what_an_alias_did_and_what_cannot_be_read(evidence, tmp_path):
    from lpaudit import identities

    file = tmp_path / "identities.toml"
    file.write_text('[[identity]]\nname = "alice"\nkind = "human"\naliases = ["svc-al"]\n')
    at = datetime(2026, 11, 23, tzinfo=UTC)
    identities.import_files(
        str(evidence.root),
        [file],
        as_of=at,
        form=None,
        directory=None,
        now=lambda: at,
        unique=evidence.unique,
    )
    evidence.write("access.log", old(0, user="svc-al"))
    evidence.write("access.log", old(1, user="bob"))
    evidence.write("access.log", "what ALICE broke")
    evidence.hold(identity="alice")
    done = evidence.purge("2027-01-01")
    assert (len(done.plan.held), len(done.plan.purge)) == (2, 1)


def test_what_was_released_may_go(aged):
    hold_id = aged.hold(identity="alice")
    assert aged.purge("2026-01-01").purge_id is None
    assert len(agents(aged)) == 6
    said = retention.Said("counsel", "settled", None, "gw1", "tests")
    retention.release(str(aged.root), hold_id, said, now=lambda: datetime.now(UTC), unique=aged.unique)
    assert aged.purge("2026-01-01").purge_id is not None
    assert len(agents(aged)) == 2
    clean(aged)


def test_a_hold_that_comes_before_a_purge_begins_is_heeded(aged, monkeypatch):
    certificate, once = purging._certificate, iter([True])

    def meanwhile(*arguments):
        if next(once, False):
            aged.hold(identity="alice")
        return certificate(*arguments)

    monkeypatch.setattr(purging, "_certificate", meanwhile)
    assert aged.purge("2026-01-01").purge_id is None
    assert len(agents(aged)) == 6
    assert list((aged.root / "purges").iterdir()) == []
    clean(aged)


def test_a_purge_past_a_hold_by_time_is_found_by_whoever_reads_the_certificate(aged, monkeypatch):
    """Who holds the key could purge what is held; the certificate says so, as its text is checked."""
    aged.hold(start=datetime(2025, 3, 2, tzinfo=UTC))
    monkeypatch.setattr(plan, "_meets", lambda cover, row: False)
    aged.purge("2026-01-01")
    assert [f.text.partition(" was")[2] for f in aged.verify().findings]
    status, said = run_script(aged)
    assert status == 1
    assert "this certificate is of lines that were held" in said


def test_parts_of_packs_and_of_merged_files_go_and_the_rest_stays(evidence, monkeypatch):
    monkeypatch.setattr(packing, "LEAST", 4)
    for number in range(12):
        evidence.write("access.log", (new if number % 5 == 0 else old)(number % 9, agent=f"agent{number}"))
    evidence.sign()
    evidence.compact()
    evidence.sign()
    assert len(list((evidence.root / "segments").rglob("*.pack.zst"))) == 1
    evidence.purge("2026-01-01")
    assert agents(evidence) == ["agent0", "agent10", "agent5"]
    found = everything(evidence)
    assert {int(n) for n in re.findall(rb"agent(\d+)", found)} == {0, 5, 10}
    result, _ = clean(evidence)
    assert result.leftovers == ()
    evidence.write("access.log", new(20))
    evidence.compact()
    clean(evidence)


def test_what_a_crash_has_left_of_purged_lines_goes_with_them(evidence):
    """It was stored again, in another cut."""
    evidence.killed("access.log", old(0, agent="ancient"), old(1, agent="ancient"))
    evidence.write("access.log", old(2, agent="ancient"))
    evidence.killed("access.log", new(0))
    evidence.write("access.log", new(1))
    assert len(agents(evidence)) == 5
    assert len(clean(evidence)[0].leftovers) == 4
    assert evidence.purge("2026-01-01").removed.files == 4
    assert b"ancient" not in everything(evidence)
    assert len(clean(evidence)[0].leftovers) == 2


def test_what_a_crash_has_left_goes_also_when_the_purge_was_interrupted(evidence, monkeypatch):
    evidence.killed("access.log", old(0, agent="ancient"))
    evidence.write("access.log", old(1, agent="ancient"), new(0))
    evidence.write("access.log", new(1))
    evidence.killed("other.log", old(2, agent="ancient"))
    evidence.write("other.log", old(3, agent="ancient"))
    evidence.sign()

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(purging.store, "remove_segments", interrupted)
        with pytest.raises(KeyboardInterrupt):
            evidence.purge("2027-01-01")
    evidence.purge("2027-01-01")
    assert b"ancient" not in everything(evidence)
    assert clean(evidence)[0].leftovers == ()


def test_a_segment_that_is_no_copy_is_no_crash_s_and_stays(aged):
    """A purge hides no change: `verify` has something to say of it."""
    first = min((aged.root / "segments").rglob("*.zst"))
    data = zstd.decompress(first.read_bytes()).replace(b"alice", b"mally")
    forged = first.with_name(f"{0:016d}-{len(data):016d}-{sha256(data).hexdigest()}.zst")
    forged.write_bytes(zstd.compress(data))
    empty = first.with_name(f"{0:016d}-{len(data):016d}-{'0' * 64}.zst")
    empty.write_bytes(b"")
    aged.purge("2026-01-01")
    assert forged.exists()
    assert empty.exists()


def test_a_segment_of_a_commit_that_is_still_to_come_stays(aged):
    """It begins where the purged ones end, and another process is about to commit it."""
    aged.killed("access.log", old(5, agent="ancient"))
    before = max((aged.root / "segments").rglob("*.zst"))
    aged.purge("2027-01-01")
    assert before.exists()
    assert agents(aged) == []


def test_packing_leaves_alone_what_is_being_purged(aged, monkeypatch):
    monkeypatch.setattr(packing, "LEAST", 2)
    monkeypatch.setattr(purging.store, "remove_segments", lambda *_: aged.compact() or store.Removed())
    aged.purge("2026-01-01")
    packs = list((aged.root / "segments").rglob("*.pack.zst"))
    assert [b"ancient" in zstd.decompress(path.read_bytes()) for path in packs] == [False]


def test_a_table_says_again_that_it_is_append_only(aged):
    aged.purge("2026-01-01")
    table = DeltaTable(aged.root / "access_event")
    assert table.metadata().configuration["delta.appendOnly"] == "true"
    with pytest.raises(Exception, match="append-only"):
        table.delete()


def test_nothing_is_purged_that_was_changed(aged):
    [path] = [
        p for p in (aged.root / "segments").rglob("*.zst") if b"01/Mar" in zstd.decompress(p.read_bytes())
    ]
    path.write_bytes(zstd.compress(zstd.decompress(path.read_bytes()).replace(b"alice", b"carol")))
    with pytest.raises(StoreError, match="has been changed"):
        aged.purge("2026-01-01")
    assert len(agents(aged)) == 6


def test_a_second_purge_has_nothing_to_do(aged):
    aged.purge("2026-01-01")
    done = aged.purge("2026-01-01")
    assert (done.purge_id, done.finished, done.plan.purge) == (None, [], ())
    assert len(list((aged.root / "purges").iterdir())) == 1


# What is gone without a certificate is missing.


def findings(evidence):
    status, said = run_script(evidence)
    found = evidence.verify().findings
    assert bool(status) == bool(found), said
    return [(f.what, f.text) for f in found]


def test_a_segment_that_no_certificate_names_is_missing(aged):
    aged.purge("2026-01-01")
    path = next((aged.root / "segments").rglob("*.zst"))
    path.unlink()
    assert ("missing", "version 5 of access_event names it") in findings(aged) or findings(aged)


def test_rows_that_are_taken_away_without_a_certificate_are_found(aged):
    [row] = aged.select("select segment from log_line order by first_time desc limit 1")
    store.remove_rows(open_store(str(aged.root)), "access_event", {row["segment"]}, "0" * 16, aged.unique)
    aged.sign()
    said = [text for _, text in findings(aged)]
    assert any("takes 1 rows away, and no certificate of a purge says so" in text for text in said)
    assert any("access_event has no row of its 1 lines" in text for text in said)


def test_no_changed_byte_of_a_certificate_passes_unseen(aged):
    aged.purge("2026-01-01")
    aged.sign()
    [path] = (aged.root / "purges").iterdir()
    data = path.read_bytes()
    for place in range(0, len(data), 97):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert aged.verify(sample=0).findings
    path.write_bytes(data)
    for place in (5, 300, len(data) - 30):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert run_script(aged)[0] == 1
    path.unlink()
    assert findings(aged)
    path.write_bytes(data)
    assert findings(aged) == []


def test_a_certificate_of_another_key_covers_nothing(aged):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    thief = Signer("gw1", Ed25519PrivateKey.from_private_bytes(b"t" * 32))
    aged.purge("2026-01-01")
    [path] = (aged.root / "purges").iterdir()
    text = path.read_text().rpartition("\n\n")[0] + "\n"
    path.write_text(thief.sign(text))
    aged.sign()
    said = findings(aged)
    assert ("unsigned", "it is signed by gw1, of which no key is known") in said
    assert len([text for what, text in said if what == "missing"]) >= 4


def test_a_certificate_of_another_leaf_covers_nothing(aged):
    aged.purge("2026-01-01")
    [path] = (aged.root / "purges").iterdir()
    text = path.read_text().rpartition("\n\n")[0] + "\n"
    path.write_text(aged.signer.sign(text.replace('"leaf":1,', '"leaf":0,', 1)))
    aged.sign()
    assert any("of the tree is not segments/" in text for _, text in findings(aged))


def test_what_stands_for_lines_must_have_a_certificate(aged):
    aged.purge("2026-01-01")
    rows = store.Table(str(aged.root / "purged_segment")).to_pyarrow_table().slice(0, 1)
    forged = rows.set_column(rows.schema.get_field_index("purge_id"), "purge_id", [["f" * 16]])
    forged = forged.set_column(rows.schema.get_field_index("segment"), "segment", [["segments/x/0-1-y.zst"]])
    store.append_row(open_store(str(aged.root)), "purged_segment", forged.cast(rows.schema), aged.unique())
    aged.sign()
    assert "purged_segment says that it was purged; no certificate does" in [
        found.text for found in aged.verify().findings
    ]


# Whatever interrupts a purge, the next one finishes it.


class Killed(BaseException):
    """The process ends here."""


STEPS = [
    "_write",
    "ledger",
    "publish",
    "rows",
    "remove_rows",
    "sign",
    "remove_files",
    "remove_segments",
    "decide",
]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", range(9), ids=STEPS)
def test_a_purge_that_is_interrupted_is_finished_by_the_next_one(aged, monkeypatch, step, after):
    places = [
        (purging, "_write"), (ledger.Ledger, "append"), (purging, "_publish"), (purging.store, "append_records"),
        (purging.store, "remove_rows"), (purging.anchors, "sign"), (purging.store, "remove_files"),
        (purging.store, "remove_segments"), (purging, "decide"),
    ]  # fmt: skip
    where, name = places[step]
    whole = getattr(where, name)
    calls = itertools.count()

    def dies(*arguments, **named):
        if name == "sign" and next(calls) == 0:
            return whole(*arguments, **named)  # the first one comes before the purge has begun
        if after:
            whole(*arguments, **named)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(where, name, dies)
        with pytest.raises(Killed):
            aged.purge("2026-01-01")
    assert pipeline.status(str(aged.root)).total("lines") == 6
    found = aged.verify().findings
    assert found == []
    aged.write("access.log", new(8))
    signing.sign(open_store(str(aged.root)), aged.signer, unique=aged.unique)
    assert aged.verify().findings == []
    aged.purge("2026-01-01")
    assert b"ancient" not in everything(aged)
    assert len(agents(aged)) == 3
    assert {path.suffix for path in (aged.root / "purges").iterdir()} == {".certificate"}
    assert aged.select("select count(*) as n from purge where done_at is not null") == [{"n": 1}]
    result, _ = clean(aged)
    assert (result.purged, result.leftovers) == (4, ())


def test_a_purge_needs_a_key(aged):
    aged.key.unlink()
    from lpaudit import keys

    with pytest.raises(ConfigError):
        keys.signer(open_store(str(aged.root)), aged.key)
    assert issubclass(ConfigError, LpauditError)


def test_a_line_that_was_purged_is_shown_as_what_is_left_of_it(aged):
    [row] = aged.select("select line_id from access order by time limit 1")
    before = showing.line_of(str(aged.root), row["line_id"])
    done = aged.purge("2026-01-01")
    after = showing.line_of(str(aged.root), row["line_id"])
    assert isinstance(after, showing.PurgedLine)
    assert after.proof.leaf == before.proof.leaf
    root = root_of_proof(
        leaf_hash(after.proof.leaf.encode()), after.proof.index, after.proof.size, after.proof.hashes
    )
    assert base64.b64encode(root).decode() == after.proof.checkpoint.split("\n")[2]
    said = "\n".join(showing.in_words(after))
    assert said.startswith("purged   2026-11-24 00:00:00Z by ops: lines are kept for 400d, policy\n")
    assert f"under    purges/{done.purge_id}.certificate\n" in said
    assert "alice" not in said
    assert showing.as_json(after)["purged"]["lines"] == 1
    with pytest.raises(ConfigError, match="there is no line"):
        showing.line_of(str(aged.root), row["line_id"][:-3] + "999")


def test_a_report_over_purged_lines_is_incomplete(aged, tmp_path):
    """Never "no exceptions" where nobody can know any more."""
    aged.purge("2026-01-01")
    period = Period(datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 4, 1, tzinfo=UTC))
    pipeline.reports(str(aged.root), ["access"], period, tmp_path / "out", formats=["json"])
    told = json.loads((tmp_path / "out" / "access.json").read_text())
    [about] = [one for one in told["sections"] if one["check"] == "denied"]
    assert about["outcome"] in ("incomplete", "no-data")
    assert any(
        "4 lines of 2025-03-01 10:00:00 to 2025-03-04 10:00:00 UTC were purged" in r for r in about["reasons"]
    )
    [sources] = [one for one in told["sections"] if one["check"] == "sources"]
    row = dict(zip(sources["columns"], sources["rows"][0], strict=True))
    assert (row["lines"], row["purged"], row["difference"], row["missing_bytes"]) == (6, 4, 0, 0)
    for check in ("unreconciled-sources", "broken-segments"):
        assert [one["rows"] for one in told["sections"] if one["check"] == check] in ([], [[]])


def test_a_gap_that_was_filled_stays_filled_when_the_lines_are_purged(aged):
    """Lines after it were found once; that they are purged makes nothing missing."""
    from lpaudit.model import Gap, GapCause
    from lpaudit.store import append_gap

    [row] = aged.select(
        "select source_id, min(byte_offset + byte_length) as first from access group by source_id"
    )
    at = datetime(2025, 3, 1, 11, tzinfo=UTC)
    gap = Gap("x", row["source_id"], "gw1", None, at, None, None, GapCause.DELETED, row["first"], at)
    append_gap(open_store(str(aged.root)), gap, aged.unique())
    assert aged.select("select * from open_gap") == []
    aged.purge("2027-01-01")
    assert aged.select("select * from open_gap") == []


def test_a_follower_beside_a_purge_loses_nothing(aged):
    """Its commits come between those of the purge, which changes the table's properties for a moment."""
    log = aged.logs / "live.log"
    log.write_text("")
    with Driven(aged.root, log) as follower:
        with_lines = [new(number, agent=f"live{number}") for number in range(30)]
        original = purging._sign

        def between(*arguments):
            append(log, f"{with_lines.pop()}\n{with_lines.pop()}\n".encode())
            follower.wait(4)
            return original(*arguments)

        rows = removal._set_append_only

        def meanwhile(*arguments, **named):
            rows(*arguments, **named)
            if len(with_lines) > 20:
                append(log, f"{with_lines.pop()}\n".encode())
                follower.wait(4)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(purging, "_sign", between)
            patched.setattr(removal, "_set_append_only", meanwhile)
            aged.purge("2026-01-01")
        append(log, "".join(f"{text}\n" for text in with_lines).encode())
        follower.wait(4).stop()
    found = [
        row["agent"]
        for row in aged.select("select user_agent as agent from access where user_agent like 'live%'")
    ]
    assert sorted(found) == sorted(f"live{number}" for number in range(30))
    assert b"ancient" not in everything(aged)
    clean(aged)
