"""What verify.py finds in a binder that was tampered with, and what it refuses to look into."""

import io
import json
import runpy
import shutil
import stat
import sys
import zipfile
from base64 import b64decode
from hashlib import sha256

import pytest
from binder.conftest import SCRIPT, verify
from evidence.conftest import Evidence

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

pytestmark = pytest.mark.xdist_group("binder")


def flip(path, place=None):
    data = path.read_bytes()
    place = len(data) // 2 if place is None else place
    path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])


def rewritten(folder):
    """Let the manifest say what is there, as somebody does who can change everything but has no key."""
    path = folder / "manifest.json"
    told = json.loads(path.read_text())
    told["signed_by"] = None
    (folder / "manifest.sig").unlink(missing_ok=True)
    told["files"] = {
        p.relative_to(folder).as_posix(): {
            "size": p.stat().st_size,
            "sha256": sha256(p.read_bytes()).hexdigest(),
        }
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != "manifest.json"
    }
    path.write_text(json.dumps(told))


def test_a_good_one_has_no_findings(signed, folder, binders):
    for where in (signed, folder):
        status, said = verify(where, "--key", binders.key)
        assert (status, said.count("\n")) == (0, 1), said
    assert said.endswith("8 segments: 8 in the tree, 8 with their bytes\n")
    status, said = verify(None, "--key", binders.key, script=folder / "verify.py")
    assert status == 0
    status, said = verify(folder)
    assert status == 0
    assert "is the binder's own word" in said


def test_a_flipped_byte_is_found_in_every_file(copy, binders):
    names = {p.relative_to(copy).as_posix() for p in copy.rglob("*") if p.is_file()}
    names -= {"manifest.json", "manifest.sig"}
    for name in names:
        flip(copy / name)
    status, said = verify(copy, "--key", binders.key)
    assert status == 1
    assert names <= {line.partition(": ")[2] for line in said.splitlines() if "has been changed" in line}


def test_a_changed_manifest_or_signature_is_found(copy, binders):
    kept = (copy / "manifest.sig").read_bytes()
    flip(copy / "manifest.sig", -3)
    assert "no trusted key has signed the manifest" in verify(copy, "--key", binders.key)[1]
    (copy / "manifest.sig").write_bytes(kept)
    flip(copy / "manifest.json", (copy / "manifest.json").read_bytes().index(b'"Acme') + 3)
    status, said = verify(copy, "--key", binders.key)
    assert (status, said.count("no trusted key has signed the manifest")) == (1, 1)


def test_a_signature_is_no_signature_with_any_other_byte(folder, binders):
    name, _, encoded = binders.key.split("+", 2)
    script = runpy.run_path(str(SCRIPT))
    note = (folder / "manifest.sig").read_bytes()
    text = script["signer"](note.decode(), keys := [(name, b64decode(encoded)[1:])])
    good = text.encode(), b64decode(note.split()[-1])[4:]
    script["signer"].__globals__["verified"] = lambda _, *signed: signed == good
    assert script["signer"](note.decode(), keys) == text
    for place, byte in enumerate(note):
        for other in {byte ^ 1, byte ^ 32, ord("\n"), ord("=")} - {byte}:
            assert (
                script["signer"](
                    (note[:place] + bytes([other]) + note[place + 1 :]).decode(errors="replace"), keys
                )
                is None
            ), place


def test_what_is_missing_or_more_is_found(copy, binders):
    (copy / "README.md").unlink()
    (copy / "sql" / "segments.sql").rename(copy / "sql" / "other.sql")
    (copy / "populations" / "extra.csv").write_text("x")
    (copy / "reports" / "mine.html").unlink()
    (copy / "reports" / "mine.html").symlink_to("mine.md")
    (copy / "etc").symlink_to("/etc")
    status, said = verify(copy, "--key", binders.key)
    assert status == 1
    for sentence in (
        "this file is missing: README.md",
        "this file is missing: sql/segments.sql",
        "this file is in no manifest: sql/other.sql",
        "this file is in no manifest: populations/extra.csv",
        "this file is missing: reports/mine.html",
        "refused: a link, or no name of a file in a binder: 'reports/mine.html'",
        "refused: a link, or no name of a file in a binder: 'etc'",
    ):
        assert sentence in said


def test_another_key_is_not_believed(signed, tmp_path):
    other = Evidence(tmp_path)
    wrong = str(other.signer.public)
    wrong = wrong.replace("gw1+", "gw2+")
    status, said = verify(signed, "--key", wrong)
    assert status == 1
    assert "no trusted key has signed the manifest: manifest.sig" in said
    assert "no trusted key has signed the checkpoint of: 00000000000000000000.batch" in said


def test_a_manifest_that_was_made_anew_gives_nobody_away_but_the_key_does(copy, binders):
    (copy / "reports" / "mine.md").write_text("nothing happened")
    rewritten(copy)
    assert verify(copy)[0] == 0, "without a key it only agrees with itself"
    status, said = verify(copy, "--key", binders.key)
    assert (status, "nobody has signed the manifest" in said) == (1, True)


def test_evidence_that_was_made_anew_is_found(copy):
    batch = copy / "evidence" / "00000000000000000001.batch"
    batch.write_text(batch.read_text().replace('"lines":1,', '"lines":2,', 1))
    proofs = copy / "evidence" / "segments.jsonl"
    first, second, *rest = proofs.read_text().splitlines()
    swapped = json.loads(first) | {"leaf": json.loads(second)["leaf"]}
    proofs.write_text("\n".join([json.dumps(swapped), second, *rest]) + "\n")
    (copy / "evidence" / "checkpoint").write_text("lpaudit/x\n0\n\n\n— x x\n")
    one, two, three = sorted(copy.glob("segments/*/*.zst"))[:3]
    one.write_bytes(zstd.compress(b"another line\n"))
    two.write_bytes(zstd.compress(bytes(1 << 26)))  # 64 MiB in 2 KiB
    three.write_bytes(b"no zstd")
    shutil.copy(one, one.with_name(f"{'1' * 16}-{'2' * 16}-{'0' * 64}.zst"))
    rewritten(copy)
    status, said = verify(copy)
    assert status == 1
    assert "the leaves are not those that were signed: 00000000000000000001.batch" in said
    assert f"its leaf is of another segment: {json.loads(first)['segment']}" in said
    assert f"its proof does not lead to the root: {json.loads(second)['segment']}" in said
    assert "it is not the checkpoint of the last batch: evidence/checkpoint" in said
    for path in (one, two, three):
        assert f"the log's bytes in this segment are others: {path.relative_to(copy).as_posix()}" in said
    assert "the evidence does not name this segment: segments/" in said


def entry(name, kind=stat.S_IFREG):
    made = zipfile.ZipInfo("x")
    made.filename = name
    made.external_attr = (kind | 0o644) << 16
    return made


def test_a_zip_with_other_names_than_it_may_have_is_refused(signed, binders, tmp_path):
    hostile = tmp_path / "a" / "b" / "hostile.zip"
    hostile.parent.mkdir(parents=True)
    shutil.copy(signed, hostile)
    names = ["../../slip", "/tmp/absolute", "a/../b", "a\\b", "C:/drive", "a//b", "./a", "dir/", "x\x00.md"]
    with zipfile.ZipFile(hostile, "a") as archive:
        for name in names:
            archive.writestr(entry(name), "x")
        archive.writestr(entry("link", stat.S_IFLNK), "/etc/passwd")
        archive.writestr(entry("ReadMe.MD"), "another")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr(entry("README.md"), "a third")
    status, said = verify(hostile, "--key", binders.key)
    assert status == 1
    for name in [*names, "link"]:
        assert f"refused: a link, or no name of a file in a binder: {name!r}" in said
    assert "refused: this name is there twice: 'README.md'" in said
    assert "refused: this name is there twice: 'ReadMe.MD'" in said
    assert [p.name for p in tmp_path.rglob("*")] == ["a", "b", "hostile.zip"]


def test_a_bomb_is_not_looked_into(folder, binders, tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            name = path.relative_to(folder).as_posix()
            archive.writestr(entry(name), bytes(1 << 25) if name == "README.md" else path.read_bytes(), 8)
    data = bytearray((tmp_path / "bomb.zip").read_bytes())
    status, said = verify(tmp_path / "bomb.zip", "--key", binders.key)
    assert (status, said.splitlines()[0]) == (1, "this file has another size: README.md")
    size = json.loads((folder / "manifest.json").read_text())["files"]["README.md"]["size"]
    place = data.index(b"README.md", data.index(b"PK\1\2"))  # the directory says what the manifest says
    data[place - 22 : place - 18] = size.to_bytes(4, "little")
    (tmp_path / "bomb.zip").write_bytes(data)
    status, said = verify(tmp_path / "bomb.zip", "--key", binders.key)
    assert (status, said.splitlines()[0]) == (1, "this file has been changed: README.md")


@pytest.mark.parametrize("how", ["before", "after", "between", "comment"])
def test_nothing_is_in_a_zip_beside_its_entries(signed, binders, tmp_path, how):
    path = tmp_path / "more.zip"
    data = signed.read_bytes()
    if how == "comment":
        shutil.copy(signed, path)
        with zipfile.ZipFile(path, "a") as archive:
            archive.comment = b"more"
    else:
        with zipfile.ZipFile(signed) as archive:
            start = archive.start_dir
        end = bytearray(data[-22:])
        end[16:20] = (start + 4).to_bytes(4, "little")
        path.write_bytes({
            "before": b"more" + data,
            "after": data + b"more",
            "between": data[:start] + b"more" + data[start:-22] + bytes(end),
        }[how])  # fmt: skip
    status, said = verify(path, "--key", binders.key)
    assert (status, "the ZIP holds something that is no entry" in said) == (1, True), said


@pytest.mark.parametrize("manifest", ["", "[]", '{"files": {"a": 1}, "signed_by": null}', '{"files": {}}'])
def test_what_cannot_be_read_is_a_finding(tmp_path, manifest):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("manifest.json", manifest)
    (tmp_path / "x.zip").write_bytes(data.getvalue() if manifest else b"PK no ZIP")
    status, said = verify(tmp_path / "x.zip")
    assert (status, "cannot go on" in said) == (1, True)


def test_what_is_hostile_does_nothing_to_a_terminal(tmp_path):
    told = {"files": {"\x1b[31mred\ud800": {"size": 1, "sha256": ""}}, "signed_by": "\x1b]0;title\x07"}
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("manifest.json", json.dumps(told))
        archive.writestr("manifest.sig", "x")
        archive.writestr("evidence/segments.jsonl", "")
        archive.writestr(entry("\u202egpj.exe"), "")
    status, said = verify(tmp_path / "x.zip")
    assert (status, "\x1b" in said, "\x07" in said, "\u202e" in said) == (1, False, False, False)
    assert "this file is missing: '\\x1b[31mred\\ud800'" in said


def test_what_is_not_there_cannot_be_run(tmp_path):
    assert verify(tmp_path / "none.zip")[0] == 2
    assert verify(tmp_path)[0] == 2
