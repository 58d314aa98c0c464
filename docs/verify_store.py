#!/usr/bin/env python3
"""Verify an lpaudit store without lpaudit: Python's standard library, and the commands zstd and openssl.

    python3 verify_store.py STORE KEY...

KEY is a public key as `lpaudit keys init` printed it (name+id+base64), which you have from
somewhere else than the store. Nothing is written. Exit status 0: everything is as it was
signed; 1: something is not, and is named; 2: this cannot be run.

What it does, and in which order, is in store-format.md.
"""

import base64
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

DER = bytes.fromhex("302a300506032b6570032100")  # an Ed25519 public key begins so (RFC 8410)
found = []


def wrong(what, where):
    found.append((what, where))
    print(f"{what}: {where}")


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
    for line in signatures.splitlines():
        _, name, encoded = line.split(" ")
        blob = base64.b64decode(encoded)
        for known, key in keys:
            key_id = hashlib.sha256(known.encode() + b"\n\1" + key).digest()[:4]
            if known == name and key_id == blob[:4] and verified(key, text.encode(), blob[4:]):
                return text
    return None


def trusted(store, keys):
    """Add the keys in the store that a trusted key has signed for, and those that these have."""
    records = [json.loads(path.read_text()) for path in sorted((store / "keys").glob("*.json"))]
    raw = {told["key_id"]: base64.b64decode(told["public_key"]) for told in records}
    while True:
        more = []
        for told in records:
            before, signature = raw.get(told["replaces"]), base64.b64decode(told.pop("endorsement") or "")
            text = json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
            told["endorsement"] = base64.b64encode(signature)
            key = (re.sub(r"[\s+\x00-\x1f\x7f]", "_", told["name"]), raw[told["key_id"]])
            if (
                before in [known for _, known in keys]
                and key not in keys
                and verified(before, text, signature)
            ):
                more.append(key)
        if not more:
            return keys
        keys = keys + more


def batches(store, keys):
    """Read the tree; return its leaves."""
    leaves, tree, origin = [], [], None
    for number, path in enumerate(sorted((store / "evidence").glob("*.batch"))):
        body, _, note = path.read_text().partition("\n\n")
        head, *lines = body.split("\n")
        told = json.loads(head)
        if path.name != f"{number:020d}.batch" or told["batch"] != number:
            wrong("a batch is missing before", path.name)
        if told["size"] != len(leaves) or [bytes.fromhex(h) for h in told["frontier"]] != [
            h for _, h in tree
        ]:
            wrong("it does not go on from the batch before", path.name)
        for line in lines:
            add(tree, line.encode())
            leaves.append(json.loads(line))
        origin = origin or told["origin"]
        text = signer(note, keys)
        if text is None:
            wrong("no trusted key has signed the checkpoint of", path.name)
        elif text != f"{origin}\n{len(leaves)}\n{base64.b64encode(root(tree)).decode()}\n":
            wrong("the leaves are not those that were signed", path.name)
    if not leaves:
        wrong("nothing was signed", str(store))
    return leaves


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


def commits(store, leaves):
    """Compare the tables' logs and data files with the leaves."""
    logs, removed = {}, set()
    for leaf in leaves:
        table = leaf.get("table")
        if table is not None and table not in logs:
            logs[table] = entries(store, table)
            for data in logs[table].values():
                actions = (json.loads(line) for line in data.decode().splitlines())
                removed |= {(table, a["remove"]["path"]) for a in actions if "remove" in a}
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


def segments(store, leaves):
    """Compare the kept bytes of logs with the leaves; return how many bytes they are."""
    size, packs = 0, {}
    for leaf in leaves:
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
            wrong("this file was signed, and is not there", path)
        elif sha256((store / path).read_bytes()) != known:
            wrong("this file has been changed", path)


def main():
    if len(sys.argv) < 3:
        print(__doc__)
        return 2
    store, keys = Path(sys.argv[1]), []
    for text in sys.argv[2:]:
        name, _, encoded = text.split("+", 2)
        keys.append((name, base64.b64decode(encoded)[1:]))
    leaves, size = [], 0
    try:
        leaves = batches(store, trusted(store, keys))
        files(store, leaves)
        commits(store, leaves)
        size = segments(store, leaves)
    except (ValueError, KeyError, TypeError, OSError) as error:  # so damaged that nothing more can be said
        wrong(f"cannot go on ({error})", str(store))
    print(f"{len(found)} findings: {len(leaves)} records, {size} bytes of logs")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
