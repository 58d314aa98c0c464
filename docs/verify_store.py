#!/usr/bin/env python3
"""Verify an lpaudit store, or a binder of `lpaudit binder`, without lpaudit.

    python3 verify_store.py STORE KEY...
    python3 verify.py [--key KEY] [BINDER]

BINDER is the ZIP, or the directory that it was unpacked into; without it, the directory of this
script. KEY is a public key as `lpaudit keys init` printed it (name+id+base64), which you have
from somewhere else than the store or the binder; it may be given several times.

Python (3.9 or newer) is enough, with the command openssl for what is signed and zstd for raw
logs. Nothing is written but temporary files, and nothing of a ZIP is unpacked. Exit status 0:
everything is as it was signed or listed; 1: something is not, and is named; 2: this cannot be run.

What it does with a store, and in which order, is in store-format.md; what is in a binder, in binder.md.
"""

import argparse
import base64
import hashlib
import io
import json
import os
import re
import shutil
import stat
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path

DER = bytes.fromhex("302a300506032b6570032100")  # an Ed25519 public key begins so (RFC 8410)
BEYOND = ("manifest.json", "manifest.sig")  # what a binder's manifest does not list
NAME = re.compile(
    r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*"
)  # one that leads nowhere else
MOST = 1 << 30  # bytes of a text that is read as a whole
DAMAGED = (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError)
DAMAGED += (OSError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error)
found = []


def wrong(what, where):
    found.append((what, where))
    print(f"{what}: {plain(where)}")


def plain(text):
    """Return a text that does nothing to a terminal: what is checked may be hostile."""
    return text if text.isprintable() else ascii(text)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def unpacked(data):
    """Decompress with the command zstd; None if it is damaged."""
    done = subprocess.run(["zstd", "-dcq"], input=data, capture_output=True)
    return done.stdout if done.returncode == 0 else None


def verified(key, text, signature):
    """Have openssl check an Ed25519 signature."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "key").write_bytes(DER + key)
        (folder / "text").write_bytes(text)
        (folder / "signature").write_bytes(signature)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "key", "-rawin"]
        command += ["-in", "text", "-sigfile", "signature"]
        return subprocess.run(command, cwd=folder, capture_output=True).returncode == 0


def add(tree, leaf):
    """Add a leaf to a tree, which is [(how many leaves, hash)], the largest first (RFC 6962)."""
    tree.append((1, hashlib.sha256(b"\0" + leaf).digest()))
    while len(tree) > 1 and tree[-1][0] == tree[-2][0]:
        (n, left), (m, right) = tree[-2:]
        tree[-2:] = [(n + m, hashlib.sha256(b"\1" + left + right).digest())]


def root(tree):
    if not tree:
        return hashlib.sha256().digest()
    node = tree[-1][1]
    for _, left in reversed(tree[:-1]):
        node = hashlib.sha256(b"\1" + left + node).digest()
    return node


def signer(note, keys):
    """Return the text of a note that one of the keys has signed, else None (c2sp.org/signed-note)."""
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    *lines, end = signatures.split("\n")
    signed = []
    for line in lines:
        try:
            dash, name, encoded = line.split(" ")
            blob = base64.b64decode(encoded)
        except ValueError:
            return None
        if end or dash != "—" or base64.b64encode(blob).decode() != encoded:
            return None  # other letters may mean the same bytes, but nobody has signed in them
        signed.append((name, blob))
    for name, blob in signed:
        for known, key in keys:
            key_id = hashlib.sha256(known.encode() + b"\n\1" + key).digest()[:4]
            if known == name and key_id == blob[:4] and verified(key, text.encode(), blob[4:]):
                return text
    return None


def trusted(records, keys):
    """Add the keys that a trusted key has signed for, and those that these have."""
    raw = {told["key_id"]: base64.b64decode(told["public_key"]) for told in records}
    while True:
        more = []
        for told in records:
            before, signature = raw.get(told["replaces"]), base64.b64decode(told["endorsement"] or "")
            signed = {name: value for name, value in told.items() if name != "endorsement"}
            text = json.dumps(signed, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
            key = named(told)
            if (
                before in [other for _, other in keys]
                and key not in keys
                and verified(before, text, signature)
            ):
                more.append(key)
        if not more:
            return keys
        keys = keys + more


def named(record):
    """Return a key's record as notes call it."""
    return re.sub(r"[\s+\x00-\x1f\x7f]", "_", record["name"]), base64.b64decode(record["public_key"])


def batches(texts, keys):
    """Read the tree from its batches, (name, text) each; return its leaves, it, and the last checkpoint."""
    leaves, tree, origin, note = [], [], None, None
    tables, files = {}, {}
    for number, (name, data) in enumerate(texts):
        body, _, note = data.partition("\n\n")
        head, *lines = body.split("\n")
        told = json.loads(head)
        if name != f"{number:020d}.batch" or told["batch"] != number:
            wrong("a batch is missing before", name)
        if told["size"] != len(leaves) or [bytes.fromhex(h) for h in told["frontier"]] != [
            h for _, h in tree
        ]:
            wrong("it does not go on from the batch before", name)
        for line in lines:
            add(tree, line.encode())
            leaves.append(json.loads(line))
            if leaves[-1].get("leaf") == "commit":
                tables[leaves[-1]["table"]] = leaves[-1]["version"]
            elif leaves[-1].get("leaf") == "file":
                files[leaves[-1]["path"]] = leaves[-1]["sha256"]
        if (told["tables"], told["files"]) != (tables, files):
            wrong("its first line names other versions or files than the leaves", name)
        origin = origin or told["origin"]
        text = signer(note, keys)
        if text is None:
            wrong("no trusted key has signed the checkpoint of", name)
        elif text != f"{origin}\n{len(leaves)}\n{base64.b64encode(root(tree)).decode()}\n":
            wrong("the leaves are not those that were signed", name)
    return leaves, tree, note


def entries(store, table):
    """Return the entries of a table's log by version: those in its directory, and those in archives."""
    there = {}
    for archive in sorted((store / "commits" / table).glob("*.tar.zst")):
        try:
            with tarfile.open(fileobj=io.BytesIO(unpacked(archive.read_bytes()) or b"")) as tar:
                there.update({int(member.name[:20]): tar.extractfile(member).read() for member in tar})
        except (tarfile.TarError, ValueError) as error:
            wrong(f"this archive is damaged ({error})".splitlines()[0], archive.name)
    for path in (store / table / "_delta_log").glob("*.json"):
        if re.fullmatch(r"\d{20}\.json", path.name):
            there[int(path.name[:20])] = path.read_bytes()
    return there


def purges(certificates, leaves, keys):
    """Check certificates of purges, given as (name, text); return their ids, and which leaves they cover."""
    ids, covered = set(), set()
    for name, note in certificates:
        said = signer(note, keys)
        if said is None:
            wrong("no trusted key has signed this certificate", name)
            continue
        title, first, *lines = said.splitlines()
        head = json.loads(first)
        if title != "lpaudit purge certificate" or name != f"{head['purge']}.certificate":
            wrong("this is no certificate of that purge", name)
            continue
        ids.add(head["purge"])
        by_time = [hold for hold in head["holds"] if not hold["identity"] and hold["flow_run_id"] is None]
        for told in map(json.loads, lines):
            leaf = leaves[told["leaf"]] if told["leaf"] < len(leaves) else {}
            facts = ("table", "source_id", "start", "end", "lines", "sha256")
            if leaf.get("leaf") != "segment" or any(leaf[fact] != told[fact] for fact in facts):
                wrong("this certificate names a leaf that is another", f"{name} {told['leaf']}")
                continue
            covered.add(told["leaf"])
            if told["last"] >= head["cut"]:
                wrong("this certificate is of lines that were too young", f"{name} {told['leaf']}")
            for hold in by_time:  # times are written so that they sort as texts do
                if (hold["start"] or "") <= told["last"] and told["first"] < (hold["end"] or "~"):
                    wrong("this certificate is of lines that were held", f"{name} {told['leaf']}")
    if covered:
        lines = sum(leaves[number]["lines"] for number in covered)
        print(f"purged: {lines} lines in {len(covered)} segments, under {len(ids)} certificates")
    return ids, covered


def rows_of(actions, known):
    """Return how many rows a version takes away; learn how many each file has."""
    for added in (a["add"] for a in actions if "add" in a):
        known[added["path"]] = json.loads(added["stats"] or "{}").get("numRecords", 0)
    removed = sum(known.get(a["remove"]["path"], 0) for a in actions if "remove" in a)
    return removed - sum(known[a["add"]["path"]] for a in actions if "add" in a)


def commits(store, leaves, ids):
    """Compare the tables' logs and data files with the leaves; ``ids`` are purges that have a certificate."""
    logs, removed = {}, set()
    for leaf in leaves:
        table = leaf.get("table")
        if table is not None and table not in logs:
            logs[table], known = entries(store, table), {}
            for version, data in sorted(logs[table].items()):
                actions = [json.loads(line) for line in data.decode().splitlines()]
                removed |= {(table, a["remove"]["path"]) for a in actions if "remove" in a}
                info = next((a["commitInfo"] for a in actions if "commitInfo" in a), {})
                if rows_of(actions, known) > 0 and info.get("purge") not in ids:
                    wrong("this version takes rows away, and no certificate says so", f"{table} {version}")
    for leaf in leaves:
        if leaf["leaf"] != "commit":
            continue
        table, version = leaf["table"], leaf["version"]
        data = logs[table].get(version)
        if data is None:
            wrong("this version was signed, and is not there", f"{table} {version}")
        elif sha256(data) != leaf["entry_sha256"]:
            wrong("this version is not the one that was signed", f"{table} {version}")
        for name, known in leaf["files"].items():
            path = store / table / name
            if not path.exists() and (table, name) not in removed:
                wrong("this data file is missing", f"{table}/{name}")
            elif path.exists() and known is not None and sha256(path.read_bytes()) != known:
                wrong("this data file has been changed", f"{table}/{name}")
    for table, log in logs.items():
        signed = max(leaf["version"] for leaf in leaves if leaf.get("table") == table)
        if max(log, default=-1) > signed:
            print(f"not signed yet: {max(log) - signed} commits of {table}")


def segments(store, leaves, covered):
    """Compare the kept bytes of logs with the leaves; return how many bytes they are.

    Those of leaves that a certificate covers may be gone.
    """
    size, packs = 0, {}
    for number, leaf in enumerate(leaves):
        if leaf["leaf"] != "segment":
            continue
        folder = store / "segments" / leaf["source_id"]
        path = folder / f"{leaf['start']:016d}-{leaf['end']:016d}-{leaf['sha256']}.zst"
        if path.exists():
            packed = path.read_bytes()
            if leaf["file_sha256"] not in (None, sha256(packed)):
                wrong("this segment has been changed", path.name)
            data = unpacked(packed)
        else:  # in a pack: several segments' files, one after the other
            data = None
            for pack in sorted(folder.glob("*.pack.zst")):
                first, last = (int(number) for number in pack.name.split("-")[:2])
                if first <= leaf["start"] and leaf["end"] <= last:
                    if pack not in packs:
                        packs = {pack: unpacked(pack.read_bytes()) or b""}
                    data = packs[pack][leaf["start"] - first : leaf["end"] - first]
        if data is None and number in covered and not path.exists():
            continue
        if data is None:
            wrong("this segment is missing or damaged", path.name)
        elif sha256(data) != leaf["sha256"]:
            wrong("the log's bytes in this segment are others", path.name)
        elif data.count(b"\n") not in (leaf["lines"], leaf["lines"] - 1):
            wrong("this segment has another number of lines", path.name)
        else:
            size += len(data)
    return size


def files(store, leaves):
    """Compare what has a leaf of its own; the last one counts."""
    for path, known in {leaf["path"]: leaf["sha256"] for leaf in leaves if leaf["leaf"] == "file"}.items():
        if not (store / path).exists():
            if not path.endswith(".pack.zst"):  # what was in it is looked for with the segments
                wrong("this file was signed, and is not there", path)
        elif sha256((store / path).read_bytes()) != known:
            wrong("this file has been changed", path)


def check_store(store, keys):
    """Check a store; return how many leaves and bytes of logs that were."""
    records = [json.loads(path.read_text()) for path in sorted((store / "keys").glob("*.json"))]
    told = ((path.name, path.read_text()) for path in sorted((store / "evidence").glob("*.batch")))
    keys = trusted(records, keys)
    leaves, _, _ = batches(told, keys)
    if not leaves:
        wrong("nothing was signed", str(store))
    files(store, leaves)
    paths = sorted((store / "purges").glob("*.certificate"))
    ids, covered = purges(((path.name, path.read_text()) for path in paths), leaves, keys)
    commits(store, leaves, ids)
    return f"{len(leaves)} records, {segments(store, leaves, covered)} bytes of logs"


class Unpacked:
    """A binder that was unpacked: its files by name, with their sizes."""

    def __init__(self, folder):
        self.folder, self.sizes = folder, {}
        for where, folders, names in os.walk(folder):
            for name in folders + names:
                path = Path(where, name)
                mode, told = path.lstat().st_mode, path.relative_to(folder).as_posix()
                if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or not NAME.fullmatch(told):
                    wrong("refused: a link, or no name of a file in a binder", repr(told))
                elif stat.S_ISREG(mode):
                    self.sizes[told] = path.stat().st_size

    def open(self, name):
        return (self.folder / name).open("rb")


class Zipped:
    """A binder as it was made. An entry gives no more bytes than the ZIP says that it has."""

    def __init__(self, path):
        self.zip, self.sizes = zipfile.ZipFile(path), {}
        with path.open("rb") as file:
            end, seen = 0, set()
            for entry in sorted(self.zip.infolist(), key=lambda e: e.header_offset):
                name, kind = entry.orig_filename, stat.S_IFMT(entry.external_attr >> 16)
                if kind not in (0, stat.S_IFREG) or not NAME.fullmatch(name):
                    wrong("refused: a link, or no name of a file in a binder", repr(name))
                elif name.casefold() in seen:
                    wrong("refused: this name is there twice", repr(name))
                    self.sizes.pop(name, None)
                else:
                    self.sizes[name] = entry.file_size
                seen.add(name.casefold())
                if entry.header_offset != end or entry.comment:
                    wrong("the ZIP holds something that is no entry, before", repr(name))
                file.seek(entry.header_offset + 26)
                end = entry.header_offset + 30 + sum(struct.unpack("<2H", file.read(4))) + entry.compress_size
            file.seek(-22, os.SEEK_END)
            if end != self.zip.start_dir or file.read(4) != b"PK\5\6":
                wrong("the ZIP holds something that is no entry", path.name)

    def open(self, name):
        return self.zip.open(name)


def text(binder, name):
    """Return a file's text. Its size is that which the manifest says."""
    if binder.sizes[name] >= MOST:
        raise ValueError(f"{name} is too large")
    with binder.open(name) as file:
        return file.read(MOST).decode()


def listed(binder, told):
    """Compare the files with the manifest; return how many bytes they are."""
    for name in sorted(binder.sizes.keys() - told.keys() - {*BEYOND}):
        wrong("this file is in no manifest", name)
        del binder.sizes[name]
    for name, facts in sorted(told.items()):
        if name not in binder.sizes:
            wrong("this file is missing", name)
        elif binder.sizes[name] != facts["size"]:
            wrong("this file has another size", name)
            del binder.sizes[name]  # it may be a bomb: nobody looks into it
        elif digest(binder, name) != facts["sha256"]:
            wrong("this file has been changed", name)
    return sum(facts["size"] for facts in told.values())


def digest(binder, name):
    """Return a file's SHA-256, a piece at a time; None if it cannot be read."""
    total = hashlib.sha256()
    try:
        with binder.open(name) as file:
            while piece := file.read(1 << 20):
                total.update(piece)
    except DAMAGED:
        return None
    return total.hexdigest()


def vouched(binder, manifest, keys, own):
    """Check who has signed the manifest."""
    expected = f"lpaudit binder manifest\n{sha256(manifest.encode())}\n"
    claimed = json.loads(manifest)["signed_by"]
    if "manifest.sig" in binder.sizes:
        if signer(text(binder, "manifest.sig"), keys) != expected:
            wrong("no trusted key has signed the manifest", "manifest.sig")
        elif own:
            print(
                f"The manifest is signed by {plain(claimed)}; that key is the binder's own word: give --key."
            )
    elif claimed or not own:
        wrong("nobody has signed the manifest", "manifest.sig")
    else:
        print("The manifest is unsigned: nothing but this binder vouches for its files.")


def proven(leaf, place, size, hashes):
    """Return the root that a proof of inclusion leads to (RFC 9162, 2.1.3.2)."""
    node, last = hashlib.sha256(b"\0" + leaf.encode()).digest(), size - 1
    for other in map(bytes.fromhex, hashes):
        while not place & 1 and place == last and last:
            place, last = place >> 1, last >> 1
        left, right = (other, node) if place & 1 else (node, other)
        node, place, last = hashlib.sha256(b"\1" + left + right).digest(), place >> 1, last >> 1
    return node


def evidence(binder, keys):
    """Check the tree, the proofs of segments, and raw segments; return what that was, in words."""
    names = sorted(name for name in binder.sizes if re.fullmatch(r"evidence/[^/]+\.batch", name))
    leaves, tree, note = batches(((name[9:], text(binder, name)) for name in names), keys)
    if names and text(binder, "evidence/checkpoint") != note:
        wrong("it is not the checkpoint of the last batch", "evidence/checkpoint")
    told = sorted(name for name in binder.sizes if re.fullmatch(r"evidence/purges/[^/]+\.certificate", name))
    purges(((name.rpartition("/")[2], text(binder, name)) for name in told), leaves, keys)
    proofs = [json.loads(line) for line in text(binder, "evidence/segments.jsonl").splitlines()]
    for told in proofs:
        name, leaf = told["segment"], json.loads(told["leaf"] or "null")
        if leaf and name != path_of(leaf):
            wrong("its leaf is of another segment", name)
        elif leaf and proven(told["leaf"], told["index"], len(leaves), told["hashes"]) != root(tree):
            wrong("its proof does not lead to the root", name)
        if name in binder.sizes:
            unchanged(binder, name, leaf)
    known = {told["segment"] for told in proofs}
    for name in sorted(name for name in binder.sizes if name.startswith("segments/") and name not in known):
        wrong("the evidence does not name this segment", name)
    there = sum(told["segment"] in binder.sizes for told in proofs)
    signed = sum(told["leaf"] is not None for told in proofs)
    return f"{len(leaves)} records, {len(proofs)} segments: {signed} in the tree, {there} with their bytes"


def path_of(leaf):
    return f"segments/{leaf['source_id']}/{leaf['start']:016d}-{leaf['end']:016d}-{leaf['sha256']}.zst"


def unchanged(binder, name, leaf):
    """Compare the bytes of a segment with its name, and its file with its leaf."""
    start, end, hashed = name.rpartition("/")[2].removesuffix(".zst").split("-")
    if leaf and leaf["file_sha256"] not in (None, digest(binder, name)):
        wrong("this segment has been changed", name)
    with tempfile.NamedTemporaryFile() as packed:
        with binder.open(name) as file:
            shutil.copyfileobj(file, packed)
        packed.flush()
        command = ["zstd", "-dcq", packed.name]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as zstd:
            data = zstd.stdout.read(int(end) - int(start) + 1)  # and no more: it may be a bomb
            zstd.kill()
    if len(data) != int(end) - int(start) or sha256(data) != hashed:
        wrong("the log's bytes in this segment are others", name)


def check_binder(binder, keys):
    """Check a binder; return what that was, in words."""
    manifest = text(binder, "manifest.json")
    told = json.loads(manifest)["files"]
    size = listed(binder, told)
    names = [name for name in sorted(binder.sizes) if re.fullmatch(r"evidence/keys/[^/]+\.json", name)]
    records = [json.loads(text(binder, name)) for name in names]
    own = not keys
    keys = trusted(records, keys) if keys else [named(told) for told in records]
    vouched(binder, manifest, keys, own)
    return f"{len(told)} files of {size} bytes, {evidence(binder, keys)}"


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("where", nargs="?", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument("keys", nargs="*")
    parser.add_argument("--key", action="append", default=[])
    given = parser.parse_args()
    sys.stdout.reconfigure(errors="backslashreplace")
    where, keys, said = given.where, [], ""
    zipped = where.is_file()
    if not where.exists() or not (zipped or (where / "manifest.json").exists() or given.keys or given.key):
        print(__doc__)
        return 2
    for key in given.keys + given.key:
        name, _, encoded = [*key.split("+", 2), "", ""][:3]
        keys.append((name, base64.b64decode(encoded)[1:]))
    try:
        if zipped:
            said = check_binder(Zipped(where), keys)
        elif (where / "manifest.json").exists():
            said = check_binder(Unpacked(where), keys)
        else:
            said = check_store(where, keys)
    except DAMAGED as error:  # so damaged that nothing more can be said
        wrong(f"cannot go on ({error!r:.200})", str(where))
    print(f"{len(found)} finding{'' if len(found) == 1 else 's'}: {said or 'not all was looked at'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
