"""What somebody can try who may write the store, but has not the key: each is found, and called by its name."""

import json
import re
import shutil
import threading
import time
from datetime import UTC, datetime
from hashlib import sha256

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from deltalake import DeltaTable, write_deltalake
from report.small import line

from lpaudit import keys as keyring
from lpaudit import signing
from lpaudit.evidence import Signer
from lpaudit.nightly.lock import only_one
from lpaudit.store import open_store, packing
from lpaudit.verification import Asked, verify
from lpaudit.verification import rows as again
from lpaudit.verification.finding import as_findings
from tests.stores import zstd

NOW = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.fixture
def signed(evidence):
    """Three commits, each signed on its own."""
    for number in range(3):
        evidence.write("access.log", line(f"10:00:0{number}", f"GET /api/flows/{number}", user="alice"))
        evidence.sign()
    assert evidence.verify().findings == []
    return evidence


def whats(evidence, **more):
    return {(str(found.what), found.where) for found in evidence.verify(**more).findings}


def last(folder, pattern):
    return max(folder.glob(pattern))


def test_the_last_commit_is_taken_away(signed):
    table = signed.root / "access_event"
    last(table / "_delta_log", "*.json").unlink()
    assert ("rolled-back", "access_event") in whats(signed)


def test_the_last_commit_is_taken_away_with_its_checkpoint_and_a_copy_elsewhere_knows(signed, tmp_path):
    kept = last(signed.root / "evidence", "*.batch").read_text().partition("\n\n")[2]
    table = signed.root / "access_event"
    last(table / "_delta_log", "*.json").unlink()
    last(signed.root / "evidence", "*.batch").unlink()
    assert not {what for what, _ in whats(signed)} & {"rolled-back", "changed"}, "the store alone cannot know"
    assert ("rolled-back", "mail") in whats(signed, kept=[("mail", kept)])


def test_a_copy_elsewhere_of_another_tree(signed, evidence):
    kept = [batch.read_text().partition("\n\n")[2] for batch in sorted((signed.root / "evidence").glob("*"))]
    assert whats(signed, kept=[(f"{n}", note) for n, note in enumerate(kept)]) == set()
    shutil.rmtree(signed.root / "evidence")
    evidence.sign()
    found = whats(signed, kept=[("mail", kept[0])])
    assert ("forked", "mail") in found


def test_a_row_is_written_anew_and_its_file_too(signed):
    [path] = [p for p in (signed.root / "access_event").glob("*.parquet") if "0000000000000000-" in p.name][
        :1
    ]
    rows = pq.read_table(path)
    place = rows.schema.get_field_index("user_name")
    forged = rows.set_column(place, rows.schema.field(place), pa.array(["mallory"] * rows.num_rows))
    pq.write_table(forged, path)
    found = signed.verify().findings
    assert ("changed", f"access_event/{path.name}") in {(str(f.what), f.where) for f in found}
    assert any("its user_name is not what its line says" in f.text for f in found)


def test_rows_that_are_added_after_the_last_checkpoint_are_seen_all_the_same(signed):
    table = DeltaTable(str(signed.root / "access_event"))
    rows = table.to_pyarrow_table().slice(0, 1)
    write_deltalake(table, rows, mode="append")
    assert "different" in {what for what, _ in whats(signed)}


@pytest.mark.parametrize("sample", [0, None])
def test_a_row_takes_the_place_of_another_one_of_the_same_length(evidence, sample):
    evidence.write("a.log", *(line(f"10:00:0{n}", f"GET /api/flows/{n}", user="alice") for n in range(4)))
    evidence.sign()
    [path] = (evidence.root / "access_event").glob("*.parquet")
    rows = pq.read_table(path)
    pq.write_table(rows.take([0, 1, 1, 3]), path)
    [segment] = rows.column("segment").unique().to_pylist()
    told = {(str(f.what), f.where): f.text for f in evidence.verify(sample=sample).findings}
    assert "4 rows of" in told["different", segment] or "begin elsewhere" in told["different", segment]


def test_findings_name_the_first_line_of_each_column_that_differs(evidence):
    evidence.write("a.log", *(line(f"10:00:0{n}", f"GET /api/flows/{n}", user="alice") for n in range(6)))
    [path] = (evidence.root / "access_event").glob("*.parquet")
    rows = pq.read_table(path)
    for name, values in (
        ("user_name", ["alice"] * 3 + ["eve"] * 3),
        ("http_response_status_code", [204] * 6),
    ):
        place = rows.schema.get_field_index(name)
        field = rows.schema.field(place)
        rows = rows.set_column(place, field, pa.array(values, field.type))
    pq.write_table(rows, path)
    ids = rows.column("line_id").to_pylist()
    found = [(f.where, f.text) for f in evidence.verify().findings if f.where.startswith("access_event/")]
    assert (f"access_event/{ids[3]}", "its user_name is not what its line says") in found
    assert (f"access_event/{ids[0]}", "its http_response_status_code is not what its line says") in found


def test_who_stops_it_does_not_wait_for_what_is_done_beside(signed, monkeypatch):
    """Files and logs are read by other threads, which no signal reaches: they stop at the next piece."""
    stop, read = threading.Event(), []

    def interrupted(*_):
        stop.set()
        raise KeyboardInterrupt

    def slow(target, table, told, there, progress):
        assert stop.wait(60)
        for _ in range(600):
            time.sleep(0.1)
            progress(1)
            read.append(1)
        yield from ()

    monkeypatch.setattr("lpaudit.verification.rows.read_counts", interrupted)
    monkeypatch.setattr("lpaudit.verification.log.read_files", slow)
    with pytest.raises(KeyboardInterrupt):
        signed.verify()
    assert len(read) < 600


def test_of_a_large_segment_of_a_sample_some_lines_in_a_row_are_read_again(evidence, monkeypatch):
    monkeypatch.setattr(again, "PART", 500)
    lines = [line(f"10:00:{n:02d}", f"GET /api/flows/{n}", user="alice") for n in range(60)]
    evidence.write("a.log", *lines)
    [path] = (evidence.root / "access_event").glob("*.parquet")
    rows = pq.read_table(path)
    place = rows.schema.get_field_index("user_name")
    ids = rows.column("line_id").to_pylist()

    def found(seed):
        result = verify(str(evidence.root), Asked((evidence.signer.public,), 20, str(seed)))
        assert (result.read_again, result.read_in_part) == (1, 1)
        return {f.where.partition("/")[2] for f in result.findings} & set(ids)

    assert not any(found(seed) for seed in range(10))
    for forged in (0, 30, 59):
        users = ["mallory" if n == forged else "alice" for n in range(60)]
        pq.write_table(rows.set_column(place, rows.schema.field(place), pa.array(users)), path)
        assert {frozenset(found(seed)) for seed in range(20)} == {frozenset(), frozenset([ids[forged]])}


@pytest.mark.parametrize("column", ["segment", "source", "host_name"])
def test_one_row_of_a_segment_names_another_origin(evidence, column):
    evidence.write("a.log", *(line(f"10:00:0{n}", f"GET /api/flows/{n}", user="alice") for n in range(4)))
    [path] = (evidence.root / "access_event").glob("*.parquet")
    rows = pq.read_table(path)
    values = rows.column(column).to_pylist()
    values[2] = "gw9" if column != "segment" else values[2].replace("segments/", "segmentz/")
    place = rows.schema.get_field_index(column)
    field = rows.schema.field(place)
    pq.write_table(rows.set_column(place, field, pa.array(values, field.type)), path)
    found = [(f.where, f.text) for f in evidence.verify().findings]
    where = f"access_event/{rows.column('line_id')[2]}"
    assert (where, f"its {column} is not that of its segment") in found


def said_of(path, **bounds):
    """Have the commit of a data file say of columns that they are from a value to another one."""
    for entry in (path.parent / "_delta_log").glob("*.json"):
        actions = [json.loads(line) for line in entry.read_text().splitlines()]
        for action in actions:
            if action.get("add", {}).get("path") == path.name:
                told = json.loads(action["add"]["stats"])
                for column, (least, most) in bounds.items():
                    told["minValues"][column], told["maxValues"][column] = least, most
                action["add"]["stats"] = json.dumps(told)
                entry.write_text("\n".join(map(json.dumps, actions)))


@pytest.mark.parametrize("forged", ["its rows", "what the commit says of them"])
def test_rows_that_are_not_found_where_they_should_be(evidence, forged):
    """The commit is not signed yet, and the log is gone; rows are looked for by what a commit says of its file."""
    for part in range(3):  # which are read again together: were there no file at all, that would be seen
        evidence.write("a.log", *(line(f"10:00:{part}{n}", f"GET /api/{part}/{n}") for n in range(4)))
    path = min((evidence.root / "access_event").glob("*.parquet"))
    rows = pq.read_table(path)
    [segment] = rows.column("segment").unique().to_pylist()
    if forged == "its rows":
        name, value = "source_id", "0" * 16
        said_of(path, source_id=(value, value))
    else:
        name, value = "http_response_status_code", 299
        said_of(path, byte_offset=(10**9, 2 * 10**9))
    place = rows.schema.get_field_index(name)
    field = rows.schema.field(place)
    pq.write_table(rows.set_column(place, field, pa.array([value] * rows.num_rows, field.type)), path)
    for log in evidence.root.parent.rglob("*.log"):
        log.unlink()
    found = {(str(f.what), f.where): f.text for f in evidence.verify().findings}
    assert found["different", segment] == "its bytes are 4 lines, and access_event has no row of them"


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Query interrupted"),
        duckdb.InterruptException("Interrupted!"),
        duckdb.InvalidInputException("Python exception\nKeyboardInterrupt: "),
    ],
    ids=lambda error: type(error).__name__,
)
def test_ctrl_c_is_no_finding_however_it_is_told(error):
    def stopped():
        raise error
        yield

    with pytest.raises(KeyboardInterrupt):
        list(as_findings("rows", stopped()))


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        (r'"tables":{[^}]*}', '"tables":null'),
        (r'"files":{[^}]*}', '"files":[]'),
        (r'"size":\d+', '"size":null'),
        (r'"batch":\d+', '"batch":null'),
        (r'"frontier":\[[^]]*\]', '"frontier":[1]'),
        (r'\n(.*?)"table":"[a-z_]*"', r'\n\1"table":["x"]'),
        (r'\n(.*?)"version":\d+', r'\n\1"version":{}'),
    ],
)
def test_a_batch_that_says_what_cannot_be_is_a_finding(signed, written, instead):
    """And what is damaged beside it is found, too."""
    first, _, third = sorted((signed.root / "evidence").glob("*.batch"))
    told = first.read_text()
    first.write_text(re.sub(written, instead, told, count=1))
    assert first.read_text() != told
    third.write_bytes(third.read_bytes()[:-20])
    found = {where for _, where in whats(signed)}
    assert {f"evidence/{first.name}", f"evidence/{third.name}"} <= found


@pytest.mark.parametrize(
    ("table", "column"),
    [("server_event", "timezone"), ("log_format", "timezone"), ("log_format", "escaping")],
)
def test_rows_that_say_what_cannot_be_are_a_finding(evidence, table, column):
    """A changed byte makes a name of nothing, of a time zone for instance; the rest is verified all the same."""
    evidence.write("a.log", line("10:00:00", "GET /api/flows/1", user="alice"))
    evidence.write("error.log", "2026-11-23 10:00:00: (server.c.1990) server started (lighttpd/1.4.69)")
    [path] = (evidence.root / table).glob("*.parquet")
    rows = pq.read_table(path)
    place = rows.schema.get_field_index(column)
    field = rows.schema.field(place)
    pq.write_table(rows.set_column(place, field, pa.array(["UjC"] * rows.num_rows, field.type)), path)
    found = {(str(f.what), f.text) for f in evidence.verify().findings}
    assert any(what == "unreadable" and "what cannot be" in text for what, text in found)


def test_a_commit_that_delta_cannot_read_is_a_finding(evidence):
    for name in "ab":
        evidence.write(f"{name}.log", line(f"10:00:0{ord(name) % 10}", "GET /api/flows/1", user="alice"))
    entry = max((evidence.root / "access_event" / "_delta_log").glob("*.json"))
    entry.write_text(entry.read_text().replace('"version":', '"versiom":'))
    told = {(str(f.what), f.where) for f in evidence.verify().findings}
    assert ("changed", f"access_event/_delta_log/{entry.name}") in told
    assert ("changed", "access_event") in told


def test_a_text_that_is_no_utf8_is_a_finding(evidence):
    evidence.write("a.log", *(line(f"10:00:0{n}", "GET /api/flows/1", user="alice") for n in range(3)))
    [path] = (evidence.root / "access_event").glob("*.parquet")
    good = path.read_bytes()
    for column in ("segment", "source", "user_name", "log_format"):
        rows = pq.read_table(path)
        place = rows.schema.get_field_index(column)
        field = rows.schema.field(place)
        damaged = pa.Array.from_buffers(
            pa.string(), 3, pa.array([b"\xff\xfe"] * 3, pa.binary()).buffers(), null_count=0
        )
        pq.write_table(rows.set_column(place, field, damaged), path)
        assert {"different", "unreadable"} & {str(finding.what) for finding in evidence.verify().findings}
        path.write_bytes(good)
    assert [str(finding.what) for finding in evidence.verify().findings] == ["unsigned"]


def test_a_segment_of_two_formats_verifies_line_by_line(evidence, sample_logs):
    lines = (sample_logs / "default.log").read_text().splitlines()[:5]
    lines += (sample_logs / "audit.json.log").read_text("latin-1").splitlines()[:5]
    evidence.write("a.log", *lines, "garbage")
    evidence.sign()
    assert len(evidence.select("select distinct log_format from access_event")) == 2
    assert evidence.verify().findings == []


def test_a_line_is_made_up_with_its_segment_and_commit(signed):
    table = DeltaTable(str(signed.root / "access_event"))
    rows = table.to_pyarrow_table().slice(0, 1)
    name = "segments/" + "f" * 16 + "/" + "0" * 16 + "-" + "0" * 15 + "9-" + "0" * 64 + ".zst"
    forged = rows.set_column(
        rows.schema.get_field_index("segment"), "segment", pa.array([name], rows.schema.field("segment").type)
    )
    write_deltalake(table, forged, mode="append")
    assert ("added", name) in whats(signed)


def test_the_store_is_signed_anew_with_another_key(signed):
    shutil.rmtree(signed.root / "evidence")
    shutil.rmtree(signed.root / "keys")
    mallory = Signer("gw1", Ed25519PrivateKey.from_private_bytes(b"m" * 32))
    signing.sign(open_store(str(signed.root)), mallory, unique=signed.unique)
    found = signed.verify().findings
    assert {str(f.what) for f in found} == {"unsigned"}
    assert "no key is known" in found[0].text


def test_batches_change_places(signed):
    first, second, third = sorted((signed.root / "evidence").glob("*.batch"))
    a, b = second.read_bytes(), third.read_bytes()
    second.write_bytes(b)
    third.write_bytes(a)
    assert ("forked", "evidence/00000000000000000001.batch") in whats(signed)
    second.unlink()
    assert ("missing", "evidence/00000000000000000001.batch") in whats(signed)
    assert first.exists()


def test_what_readers_begin_with_is_made_to_name_fewer_files(signed):
    table = DeltaTable(str(signed.root / "access_event"))
    table.create_checkpoint()
    log = signed.root / "access_event" / "_delta_log"
    path = last(log, "*.checkpoint.parquet")
    rows = pq.read_table(path)
    adds = pc.is_valid(rows.column("add"))
    fewer = rows.filter(pc.or_(pc.invert(adds), pc.equal(pc.cumulative_sum(adds.cast("int64")), 1)))
    pq.write_table(fewer, path)
    told = json.loads((log / "_last_checkpoint").read_text())
    told |= {"size": fewer.num_rows, "sizeInBytes": path.stat().st_size, "numOfAddFiles": 1}
    (log / "_last_checkpoint").write_text(json.dumps(told, separators=(",", ":")))
    assert len(DeltaTable(str(signed.root / "access_event")).file_uris()) == 1
    assert "different" in {what for what, _ in whats(signed)}


def test_a_log_that_is_still_there_says_otherwise(signed):
    for number in range(20):
        signed.write("long.log", line(f"11:00:{number:02d}", "GET /" + "x" * 500_000, user="alice"))
    signed.sign()
    log = signed.logs / "long.log"
    with log.open("r+b") as file:
        file.seek(log.stat().st_size // 2)
        file.write(b"y")
    assert ("changed", str(log)) in whats(signed)


def test_files_that_nothing_explains(signed):
    (signed.root / "evil.sh").write_text("#!/bin/sh")
    (signed.root / "segments" / ("0" * 16)).mkdir()
    (signed.root / "segments" / ("0" * 16) / "x.zst").write_text("x")
    (signed.root / "evidence" / "x").write_text("x")
    names = {"evil.sh", f"segments/{'0' * 16}/x.zst", "evidence/x"}
    assert {("added", name) for name in names} <= whats(signed)


def test_what_a_crash_leaves_is_no_finding(signed):
    (signed.root / "access_event" / ".part-1.parquet.abc.tmp").write_text("x")
    (signed.root / "access_event" / "part-0-0-abc.parquet").write_text("x")
    assert whats(signed) == set()
    assert len(signed.verify().leftovers) == 2


def test_a_segment_that_no_commit_names_is_what_a_crash_leaves_or_a_finding(signed):
    """A crash leaves bytes that are stored again afterwards, in another cut."""
    plain = (path for path in signed.root.glob("segments/*/*.zst") if ".pack" not in path.name)
    first = min(plain, key=lambda path: path.stat().st_size)
    data = zstd.decompress(first.read_bytes())
    start = int(first.name.partition("-")[0])

    def put(folder, begin, content):
        name = f"{begin:016d}-{begin + len(content):016d}-{sha256(content).hexdigest()}.zst"
        (folder / name).write_bytes(zstd.compress(content))
        return f"segments/{folder.name}/{name}"

    put(first.parent, start, data[: len(data) // 2])
    assert whats(signed) == set()
    assert len(signed.verify().leftovers) == 1
    forged = put(first.parent, start, data[:-3] + b"x\n")
    assert whats(signed) == {("added", forged)}
    (signed.root / forged).write_bytes(b"x")
    assert whats(signed) == {("added", forged)}


def test_what_is_left_of_a_log_of_which_nothing_is_stored_is_no_finding(signed):
    """Its first commit never came: it comes when the log is read again."""
    signed.killed("other.log", line("11:00:00", "GET /", user="bob"))
    assert whats(signed) == set()
    assert len(signed.verify().leftovers) == 2
    [segment] = (signed.root / name for name in signed.verify().leftovers if name.startswith("segments/"))
    pack = segment.rename(segment.with_name(segment.name.replace(".zst", ".pack.zst")))
    assert whats(signed) == {("added", str(pack.relative_to(signed.root)))}


def test_segments_that_are_packed_while_they_are_verified_are_no_finding(signed, monkeypatch):
    monkeypatch.setattr(packing, "LEAST", 2)
    drawn = again.sampled

    def packed_meanwhile(*arguments):
        signed.compact()
        return drawn(*arguments)

    monkeypatch.setattr(again, "sampled", packed_meanwhile)
    assert whats(signed) == set()
    assert len(list((signed.root / "segments").rglob("*.pack.zst"))) == 1


def test_commits_after_the_last_checkpoint_are_counted_and_no_finding(signed):
    signed.write("access.log", line("12:00:00", "GET /", user="bob"))
    result = signed.verify()
    assert (result.findings, result.unsigned) == ([], 1)
    assert signed.sign().leaves == 2
    assert signed.verify().unsigned == 0
    assert signed.sign() is None


def test_nothing_more_is_signed_over_a_hole(signed):
    log = signed.root / "access_event" / "_delta_log"
    signed.write("access.log", line("12:00:00", "GET /", user="bob"))
    signed.write("access.log", line("12:00:01", "GET /", user="bob"))
    sorted(log.glob("*.json"))[-2].unlink()
    with pytest.raises(Exception, match="is not there"):
        signed.sign()


def test_a_key_that_was_exchanged_is_believed_because_the_one_before_says_so(signed):
    target, old = open_store(str(signed.root)), signed.signer.public
    keyring.rotate(str(signed.root), signed.key, now=NOW, unique=signed.unique())
    signed.write("access.log", line("12:00:00", "GET /", user="bob"))
    signing.sign(target, keyring.signer(target, signed.key), unique=signed.unique)
    published = keyring.published(target)
    assert signed.verify(keys=keyring.believed(published, [old])).findings == []
    assert {str(f.what) for f in signed.verify(keys=[old]).findings} == {"unsigned"}
    assert keyring.believed(published, []) == []
    assert set(keyring.own(target, signed.key)) == {old, keyring.signer(target, signed.key).public}


def test_the_lock_of_a_night_is_no_finding(signed):
    with only_one(open_store(str(signed.root)), {}, {"night": "2026-11-23"}, NOW):
        assert signed.verify().findings == []
    assert signed.verify().findings == []
