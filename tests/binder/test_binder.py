"""What is in a binder, and that it is the same each time."""

import csv
import json
import re
import shutil
import subprocess
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pyarrow.parquet as pq
import pytest
from binder.conftest import NEVER, SCRIPT, Binders, unpacked, verify
from report.hostile import ESCAPED, TEXTS
from report.small import DAY, line

from lpaudit import pipeline
from lpaudit.binder import Frame, frame_of
from lpaudit.binder import populations as of_populations
from lpaudit.errors import ConfigError, OutputError
from lpaudit.model import Period
from lpaudit.report import checks, is_report, load_check
from lpaudit.report.check import named_parameters

pytestmark = pytest.mark.xdist_group("binder")


def read_csv(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_it_holds_what_it_says(folder):
    told = json.loads((folder / "manifest.json").read_text())
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert there == {*told["files"], "manifest.json", "manifest.sig"}
    for name, facts in told["files"].items():
        data = (folder / name).read_bytes()
        assert (facts["size"], facts["sha256"]) == (len(data), sha256(data).hexdigest())
    assert {name.partition("/")[0] for name in told["files"]} == {
        *("README.md", "verify.py", "reports", "exceptions", "populations", "sql", "evidence", "segments")
    }
    assert {p.name for p in (folder / "reports").iterdir()} == {
        "mine.html",
        "mine.json",
        "mine.md",
        "mine-csv",
    }
    assert told["period"] == {"start": "2026-11-23 00:00:00Z", "end": "2026-11-24 00:00:00Z"}
    assert (folder / "verify.py").read_bytes() == SCRIPT.read_bytes()


def test_it_is_known_as_what_a_reviewer_may_sign_off(signed):
    assert is_report(signed.read_bytes())


def test_populations_and_exceptions_are_the_rows_that_were_counted(folder):
    told = {one["check"]: one for one in json.loads((folder / "manifest.json").read_text())["checks"]}
    lines = read_csv(folder / "populations" / "access.csv")
    assert told["mine-lines"]["population_rows"] == "populations/access"
    assert told["mine-lines"]["population"] == len(lines) == len(ESCAPED) + 5 + 1
    assert [row["time"] for row in lines] == sorted(row["time"] for row in lines)
    assert told["mine-denied"]["population_rows"] == "populations/mine-denied"
    assert told["mine-denied"]["population"] == len(lines) - 1
    exact = pq.read_table(folder / "populations" / "access.parquet").to_pylist()
    assert [row["line_id"] for row in exact] == [row["line_id"] for row in lines]
    deleted = {row["line_id"] for row in exact if row["method"] == "DELETE"}
    found = read_csv(folder / "exceptions" / "mine-lines.csv")
    assert {row["line_id"] for row in found} == deleted
    assert told["mine-lines"]["exceptions"] == len(found) == len(ESCAPED) + 1
    assert all(re.fullmatch("[0-9a-f]{16}", row["exception_id"]) for row in found)
    segments = read_csv(folder / "populations" / "segments.csv")
    assert told["segments"]["population"] == len(segments) == 8
    assert told["result-in-numbers"]["population_rows"] is None
    assert "all that the store has" in told["result-in-numbers"]["population_why_not"]


def test_the_period_can_be_asked_in_pieces(binders, folder, monkeypatch):
    monkeypatch.setattr(of_populations, "_MOST", 20)
    made = unpacked(binders.make("pieces.zip", formats=["md"]).path, binders.folder / "pieces")
    name = "populations/access.csv"
    assert (made / name).read_bytes() == (folder / name).read_bytes()


def test_what_was_asked_can_be_asked_again(folder):
    asked = json.loads((folder / "sql" / "mine-lines.json").read_text())
    data = (folder / "sql" / "mine-lines.sql").read_bytes()
    assert asked["sha256"] == sha256(data).hexdigest()
    assert asked["sql"].strip() in data.decode()
    assert asked["parameters"] == {"start": "2026-11-23 00:00:00Z", "end": "2026-11-24 00:00:00Z"}


def test_hostile_text_stays_text(folder):
    rows = read_csv(folder / "populations" / "access.csv") + read_csv(
        folder / "exceptions" / "mine-lines.csv"
    )
    for value in (value for row in rows for value in row.values()):
        assert value.isprintable()
        assert not value or value[0] not in "=+-@"
    paths = {row["path"] for row in pq.read_table(folder / "populations" / "access.parquet").to_pylist()}
    assert f"/api/{TEXTS[0]}" in paths
    assert all(re.fullmatch(r"[\w.-]+", path.name, re.ASCII) for path in folder.rglob("*"))
    assert "`Acme \\x7c \\x3cb\\x3e`" in (folder / "README.md").read_text()


def test_no_row_holds_what_may_be_secret(folder):
    for path in (folder / "populations").glob("*.parquet"):
        names = set(pq.read_schema(path).names)
        assert not names & {"raw", "query", "url_query", "url_original", "referer", "fields", "document"}


def test_segments_are_those_of_the_period_also_out_of_packs(binders, folder):
    names = {p.relative_to(folder).as_posix() for p in folder.glob("segments/*/*")}
    listed = [json.loads(line) for line in (folder / "evidence" / "segments.jsonl").read_text().splitlines()]
    assert names == {told["segment"] for told in listed}
    assert all(told["leaf"] for told in listed)
    assert len(names) == 8
    assert any(not (binders.evidence.root / name).exists() for name in names), "none of them was in a pack"


def test_the_same_again_is_the_same_bytes(binders, signed):
    again = binders.make("again.zip", segments=True)
    assert again.path.read_bytes() == signed.read_bytes()
    assert again.key == binders.key


def test_without_a_key_it_says_so_and_a_question_that_cannot_be_asked_is_named(binders, tmp_path):
    made = binders.make("worse.zip", frameworks=["worse", "mine"], formats=["md"], key=tmp_path / "none.pem")
    folder = unpacked(made.path, tmp_path / "x")
    assert made.key is None
    assert not (folder / "manifest.sig").exists()
    assert not (folder / "segments").exists()
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["signature"] == "unsigned"
    assert "unsigned" in (folder / "README.md").read_text()
    status, said = verify(made.path)
    assert (status, said.splitlines()[0][:25]) == (0, "The manifest is unsigned:")
    status, said = verify(made.path, "--key", binders.key)
    assert (status, said.splitlines()[0]) == (1, "nobody has signed the manifest: manifest.sig")

    assert [error.split(":")[:2] for error in made.errors] == [["worse", " mine-broken"]]
    told = {one["check"]: one for one in manifest["checks"]}
    assert told["mine-broken"]["outcome"] == "error"
    assert told["mine-broken"]["population"] is None
    assert told["mine-broken"]["population_why_not"].startswith("it was not asked: ")
    assert "a number that is computed" in told["mine-sum"]["population_why_not"]
    assert not (folder / "exceptions" / "mine-broken.csv").exists()
    assert {p.name for p in (folder / "reports").iterdir()} == {"mine.md", "worse.md"}


def test_the_command_ends_with_1_when_a_question_could_not_be_asked(binders, lpaudit, tmp_path):
    options = ("--store", binders.evidence.root, "--reports", binders.library.own[0], "--format", "md")
    done = lpaudit("binder", "--period", "2026-11-23", "--framework", "worse", *options)
    assert done.returncode == 1
    assert "a question could not be asked: worse: mine-broken" in done.stderr
    assert done.stdout.startswith("wrote lpaudit-binder-20261123-20261123.zip: ")
    assert "manifest: unsigned" in done.stdout
    assert verify(tmp_path / "lpaudit-binder-20261123-20261123.zip")[0] == 0


def test_a_store_that_nobody_signed(tmp_path):
    made = Binders(tmp_path)
    made.evidence.write("access.log", line("10:00:00", "GET /api/x"), "garbage")
    bound = made.make("b.zip", key=tmp_path / "none.pem", formats=["md"])
    told = json.loads((unpacked(bound.path, tmp_path / "x") / "manifest.json").read_text())
    expected = {"signed": False, "checkpoint": None, "batches": 0, "leaves": 0, "segments": 1, "proven": 0}
    assert told["evidence"] == expected
    assert "nothing of this store was ever signed" in (tmp_path / "x" / "README.md").read_text()
    assert verify(bound.path)[0] == 0


def test_a_period_in_which_nothing_was(binders, tmp_path):
    made = binders.make("empty.zip", period=Period(NEVER, NEVER + timedelta(days=1)), formats=["md"])
    folder = unpacked(made.path, tmp_path / "x")
    assert (made.errors, made.evidence.segments) == ([], 0)
    assert len(read_csv(folder / "populations" / "access.csv")) == 0
    assert verify(made.path, "--key", binders.key)[0] == 0


def test_nothing_is_there_when_it_could_not_be_made(binders, tmp_path, monkeypatch):
    (tmp_path / "old.zip").write_text("old")
    binders.library.own[0].joinpath("frameworks/mine.toml").rename(tmp_path / "away")
    try:
        with pytest.raises(ConfigError, match="no report"):
            binders.make(tmp_path / "old.zip")
    finally:
        (tmp_path / "away").rename(binders.library.own[0] / "frameworks" / "mine.toml")
    with pytest.raises(ConfigError, match="is a directory"):
        binders.make(tmp_path)
    monkeypatch.setattr("zipfile.ZipFile.open", _full)
    with pytest.raises(OutputError, match="no space left"):
        binders.make(tmp_path / "old.zip")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("old.zip", "old")]


def _full(*_, **__):
    raise OSError(28, "No space left on device")


def test_the_commands_of_its_readme_work(copy, binders):
    blocks = re.findall(r"```sh\n(.*?)```", (copy / "README.md").read_text(), re.DOTALL)
    assert [block.split()[0] for block in blocks] == ["python3", "python3", "sha256sum"]
    assert binders.key in blocks[1]
    for block in blocks:
        subprocess.run(["/bin/sh", "-ec", block], cwd=copy, check=True, capture_output=True)


def test_openssl_verifies_the_manifest(folder, tmp_path):
    text, _, signature = (folder / "manifest.sig").read_text().rpartition("\n\n")
    assert text == f"lpaudit binder manifest\n{sha256((folder / 'manifest.json').read_bytes()).hexdigest()}"
    [record] = (folder / "evidence" / "keys").iterdir()
    raw = b64decode(json.loads(record.read_text())["public_key"])
    (tmp_path / "key").write_bytes(bytes.fromhex("302a300506032b6570032100") + raw)
    (tmp_path / "text").write_text(text + "\n")
    (tmp_path / "signature").write_bytes(b64decode(signature.split(" ")[2])[4:])
    command = "openssl pkeyutl -verify -pubin -keyform DER -inkey key -rawin -in text -sigfile signature"
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Verified Successfully" in done.stdout


WITHOUT_ROWS = {
    *("bypass", "missed-nights", "versions"),  # numbers that are computed
    *("quarantine", "result-in-numbers", "run-timeline", "sources"),  # all lines of the store
}


def test_every_other_check_has_the_rows_of_its_population():
    frames = {check_id: frame_of(load_check(check_id)) for check_id in checks()}
    assert {check_id for check_id, frame in frames.items() if isinstance(frame, str)} == WITHOUT_ROWS


@pytest.mark.soak
def test_rows_are_as_many_as_were_counted_in_every_check(binders):
    with pipeline.opened(str(binders.evidence.root)) as (connection, _):
        for check in map(load_check, checks()):
            frame = frame_of(check)
            if isinstance(frame, Frame):
                values = {"start": DAY.start, "end": DAY.end} | {p.name: p.default for p in check.parameters}
                counted, rows = (
                    connection.select(sql, {name: values[name] for name in named_parameters(sql, check.file)})
                    for sql in (check.population, frame.sql)
                )
                assert rows.num_rows == counted.column(0)[0].as_py(), check.id


def test_a_store_can_be_checked_by_the_script_of_a_binder(binders, folder, tmp_path):
    script = shutil.copy(folder / "verify.py", tmp_path)
    assert verify(binders.evidence.root, script=script)[0] == 2, "without a key"
    assert verify(binders.evidence.root, "--key", binders.key, script=script)[0] == 0


def test_a_binder_over_purged_lines_has_their_certificate(tmp_path):
    made = Binders(tmp_path)
    made.evidence.write("access.log", line("01/Mar/2025:10:00:00", "GET /old"))
    made.evidence.write("access.log", line("10:00:00", "GET /"))
    done = made.evidence.purge("2026-01-01")
    period = Period(datetime(2025, 3, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
    path = made.make("purged.zip", period=period, formats=["md"]).path
    folder = unpacked(path, tmp_path / "x")
    certificate = folder / f"evidence/purges/{done.purge_id}.certificate"
    assert (
        certificate.read_bytes() == (made.evidence.root / f"purges/{done.purge_id}.certificate").read_bytes()
    )
    status, said = verify(path, "--key", made.key)
    assert (status, "purged: 1 lines in 1 segments, under 1 certificates" in said) == (0, True)
    assert f"were purged (certificate {done.purge_id}" in (folder / "reports/mine.md").read_text()
    certificate.write_bytes(certificate.read_bytes().replace(b'"lines":1', b'"lines":2', 1))
    status, said = verify(folder, "--key", made.key)
    assert (status, "no trusted key has signed this certificate" in said) == (1, True)
