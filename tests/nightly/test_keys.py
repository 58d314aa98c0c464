"""Keys, and what they sign: judged by cryptography alone, and by what openssl would read."""

import base64
import json
import stat
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from report.small import line

from lpaudit import identities, keys, signoff
from lpaudit.errors import ConfigError, SourceError, StoreError
from lpaudit.model import Period
from lpaudit.store import open_store

REPORT = f"<div><dt>Report id</dt><dd>{'0f' * 16}</dd></div>"
NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)


@pytest.fixture
def hans(nights, tmp_path):
    """A key of Hans's, and its file."""
    file = tmp_path / "home" / "hans.pem"
    return keys.init(nights.root, file, "hans", now=NOW, unique="1" * 32), file


def test_a_key_is_a_file_for_its_owner_alone_and_its_other_half_is_in_the_store(nights, hans):
    key, file = hans
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    raw = load_pem_private_key(file.read_bytes(), None).public_key().public_bytes_raw()
    told = json.loads((nights.folder / "store" / "keys" / f"{key.key_id}.json").read_text())
    assert base64.b64decode(told["public_key"]) == raw
    assert sha256(raw).hexdigest() == key.fingerprint
    assert told["key_id"] == sha256(raw).hexdigest()[:16]
    assert told["name"] == "hans"
    everything = b"".join(p.read_bytes() for p in (nights.folder / "store").rglob("*") if p.is_file())
    assert b"PRIVATE" not in everything


def test_the_same_key_is_published_again_and_not_made_again(nights, hans):
    key, file = hans
    before = file.read_bytes()
    assert keys.init(nights.root, file, "hans", now=NOW, unique="2" * 32) == key
    assert file.read_bytes() == before
    with pytest.raises(ConfigError, match="is hans's"):
        keys.init(nights.root, file, "olu", now=NOW, unique="2" * 32)


def test_a_private_key_is_never_put_into_the_store_nor_used_where_others_read_it(nights, hans):
    _, file = hans
    with pytest.raises(ConfigError, match="in the store"):
        keys.init(nights.root, nights.folder / "store" / "keys" / "k.pem", "x", now=NOW, unique="2" * 32)
    assert not list((nights.folder / "store" / "keys").glob("*.pem"))
    file.chmod(0o640)
    with pytest.raises(ConfigError, match="others may read"):
        keys.load(file)


def test_a_rotated_key_is_signed_for_by_the_one_before_and_both_stay(nights, hans):
    old, file = hans
    new = keys.rotate(nights.root, file, now=NOW, unique="3" * 32)
    known = keys.published(open_store(nights.root))
    assert set(known) == {old.key_id, new.key_id}
    assert keys.endorsed_by(known[new.key_id], known) == old
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(old.public_key))
    told = json.loads((nights.folder / "store" / "keys" / f"{new.key_id}.json").read_text())
    signature = base64.b64decode(told.pop("endorsement"))
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    public.verify(signature, text)
    assert keys.key_of(open_store(nights.root), keys.load(file)) == new
    assert keys.key_of(open_store(nights.root), keys.load(file.with_name(f"hans.pem.{old.key_id}"))) == old


def test_a_key_that_says_it_follows_another_is_not_believed_without_its_signature(nights, hans):
    old, file = hans
    new = keys.rotate(nights.root, file, now=NOW, unique="3" * 32)
    path = nights.folder / "store" / "keys" / f"{new.key_id}.json"
    told = json.loads(path.read_text()) | {"name": "eve"}
    path.write_text(json.dumps(told))
    known = keys.published(open_store(nights.root))
    assert keys.endorsed_by(known[new.key_id], known) is None
    assert keys.endorsed_by(old, known) is None
    path.write_text(json.dumps(told | {"public_key": base64.b64encode(b"x" * 32).decode()}))
    with pytest.raises(StoreError, match="is no key"):
        keys.published(open_store(nights.root))


@pytest.fixture
def signed(nights, hans, tmp_path):
    """Sign a report off: ``signed("accepted", …)`` → the row."""
    report = tmp_path / "report.html"
    report.write_text(REPORT)

    def sign(
        decision="accepted", *, reviewer="hans", file=hans[1], path=report, comment="fine, so far", **more
    ):
        said = signoff.Said(reviewer, decision, comment, **({"prepared_by": "lpaudit"} | more))
        return signoff.sign_off(
            nights.root, path, said, file, host="gw1", user="root", now=nights.now(), unique=nights.unique
        )

    return sign, report


def test_a_sign_off_can_be_checked_without_lpaudit(nights, hans, signed):
    sign, report = signed
    sign(comment="naïve “quotes” \u2028 and \x1b[2J", period=Period(NOW, NOW.replace(year=2027)))
    [row] = nights.select("select * from signoff")
    assert row["report_sha256"] == sha256(report.read_bytes()).hexdigest()
    told = {
        name: f"{value:%Y-%m-%dT%H:%M:%S.%fZ}" if isinstance(value, datetime) else value
        for name, value in row.items()
        if name != "signature"
    }
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(hans[0].public_key))
    public.verify(base64.b64decode(row["signature"]), text)
    [found] = signoff.verify(nights.root, report)
    assert found.problems == ()


@pytest.mark.parametrize(
    ("column", "value"), [("decision", "rejected"), ("comment", "x"), ("report", "y.html")]
)
def test_a_changed_row_is_found_out(nights, signed, monkeypatch, column, value):
    sign, report = signed
    sign()
    stored = signoff.pipeline.select

    def changed(root, table, sql, parameters=None):
        rows = stored(root, table, sql, parameters)
        index = rows.column_names.index(column)
        return rows.set_column(index, rows.schema.field(column), [[value] * len(rows)])

    monkeypatch.setattr(signoff.pipeline, "select", changed)
    [found] = signoff.verify(nights.root, report)
    assert found.problems == ("the signature is not of this row",)


@pytest.mark.parametrize("preparer", ["hans", "HANS ", "ｈａｎｓ"])
def test_nobody_reviews_his_own(nights, signed, preparer):
    sign, _ = signed
    with pytest.raises(ConfigError, match="nobody reviews his own"):
        sign(prepared_by=preparer)
    assert nights.select("select * from signoff") == []


PEOPLE = """
directory = "staff"
[[identity]]
name = "hans"
kind = "human"
aliases = ["hwm", "Hans.M"]

[[identity]]
name = "olu"
kind = "human"
"""


@pytest.mark.parametrize(
    ("reviewer", "preparer", "same"),
    [
        ("hans", "hwm", True),
        ("hwm", "hans.m", True),
        ("HWM", "Hans", True),
        ("hans", "olu", False),
        ("hwm", "lpaudit", False),
    ],
)
def test_nobody_reviews_his_own_under_another_login(nights, signed, tmp_path, reviewer, preparer, same):
    (tmp_path / "people.toml").write_text(PEOPLE)
    identities.import_files(
        nights.root,
        [tmp_path / "people.toml"],
        as_of=None,
        form=None,
        directory=None,
        now=nights.now,
        unique=nights.unique,
    )
    file = tmp_path / "home" / "another.pem"
    keys.init(nights.root, file, reviewer, now=NOW, unique="3" * 32)
    sign, _ = signed
    if same:
        with pytest.raises(
            ConfigError, match=rf"{preparer} made this report \(told\), who is {reviewer}, and"
        ):
            sign(reviewer=reviewer, file=file, prepared_by=preparer)
    else:
        assert sign(reviewer=reviewer, file=file, prepared_by=preparer)["preparer"] == preparer


@pytest.mark.parametrize(
    "data",
    [b"", b"junk", b"<h1>Report</h1>", b"PK\x03\x04", b"{", b'{"id": "x"}', b"[1]", b"%PDF-1.7\nReport"],
)
def test_what_is_no_report_is_not_signed_off(nights, signed, tmp_path, data):
    sign, _ = signed
    (tmp_path / "junk.html").write_bytes(data)
    with pytest.raises(ConfigError, match=r"junk\.html is no report of lpaudit") as refused:
        sign(path=tmp_path / "junk.html")
    assert refused.value.hint
    assert nights.select("select * from signoff") == []


def test_who_made_a_night_s_report_is_known_and_cannot_be_talked_away(nights, signed):
    sign, _ = signed
    run = nights.run(user="hans")
    path = nights.out / "2026-11-23" / "operation.html"
    with pytest.raises(ConfigError, match=r"hans made this report \(control_run\)"):
        sign(path=path, prepared_by="somebody else")
    nights.ingest(line("12:00:00", "GET /more", 404), name="more")
    other = nights.run(user="lpaudit")  # other bytes, as there is another line
    with pytest.raises(ConfigError, match=r"hans made this report \(told\)"):
        sign(path=path, prepared_by="hans")
    row = sign(path=path)
    assert other.run_id != run.run_id
    assert (row["preparer"], row["preparer_from"], row["run_id"]) == ("lpaudit", "control_run", other.run_id)
    assert row["period_start"] == run.period.start


def test_nobody_signs_with_somebody_else_s_key(nights, signed, tmp_path):
    sign, _ = signed
    with pytest.raises(ConfigError, match="is hans's, and not olu's"):
        sign(reviewer="olu")
    stranger = tmp_path / "other.pem"
    keys.init(str(tmp_path / "another-store"), stranger, "hans", now=NOW, unique="4" * 32)
    with pytest.raises(ConfigError, match="does not know this key"):
        sign(file=stranger)


def test_other_bytes_are_another_report(nights, signed):
    sign, report = signed
    sign()
    sign("rejected")
    assert [v.row["decision"] for v in signoff.verify(nights.root, report)] == ["accepted", "rejected"]
    report.write_text("<h1>Another</h1>")
    assert signoff.verify(nights.root, report) == []
    with pytest.raises(SourceError):
        signoff.verify(nights.root, report.with_name("gone"))


def test_a_key_that_is_gone_verifies_nothing(nights, hans, signed):
    sign, report = signed
    sign()
    (nights.folder / "store" / "keys" / f"{hans[0].key_id}.json").unlink()
    [found] = signoff.verify(nights.root, report)
    assert found.problems == (f"the store has no key {hans[0].key_id}",)


def test_the_commands(nights, lpaudit, tmp_path):
    store = ("--store", nights.root)
    report = tmp_path / "r.html"
    report.write_text(REPORT)
    assert lpaudit("signoff", "--verify", report, *store).returncode == 1
    made = lpaudit("keys", "init", "--as", "hans", *store)
    assert made.returncode == 0, made.stderr
    words = ("signoff", report, "--as", "hans", "--decision", "accepted", "--comment", "seen", *store)
    assert lpaudit(*words, "--prepared-by", "hans").returncode == 2
    done = lpaudit(*words, "--prepared-by", "lpaudit", "--from", "2026-11-23", "--to", "2026-11-23")
    assert done.returncode == 0, done.stderr
    verified = lpaudit("signoff", "--verify", report, *store)
    assert verified.returncode == 0
    assert "signature good" in verified.stdout
    assert lpaudit("keys", "rotate", *store).returncode == 0
    listed = json.loads(lpaudit("keys", "list", "--format", "json", *store).stdout)
    assert [(row["name"], row["endorsed"]) for row in listed] == [("hans", None), ("hans", True)]
    for wrong in (("--decision", "fine"), ("--comment", " "), ("--from", "2026-11-23")):
        assert lpaudit(*words, *wrong).returncode == 2, wrong


def test_a_day_is_reviewed_when_somebody_else_has_accepted_it_and_nobody_rejected_it_later(nights, signed):
    from datetime import date, timedelta

    from lpaudit import pipeline
    from lpaudit import report as reports

    sign, _ = signed
    for day in (22, 23):
        report = nights.out / f"2026-11-{day}" / "operation.md"
        report.parent.mkdir(parents=True)
        report.write_text(f"of {day}")
        made = {f"2026-11-{day}/operation.md": sha256(report.read_bytes()).hexdigest()}
        nights.mark(date(2026, 11, day), report_hashes=made)
    nights.time += timedelta(days=40)
    month = Period(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))

    def unsigned():
        with pipeline.opened(nights.root) as (connection, _):
            _, rows, _ = reports.ask(reports.load_check("review-sign-off"), month, connection.select)
        return [(row["night"], row["decision"]) for row in rows.to_pylist()]

    sign(path=nights.out / "2026-11-22" / "operation.md")
    assert unsigned() == [("2026-11-23", None)]
    sign("rejected", path=nights.out / "2026-11-22" / "operation.md")
    assert unsigned() == [("2026-11-22", "rejected"), ("2026-11-23", None)]
    sign(period=month)
    assert unsigned() == []
