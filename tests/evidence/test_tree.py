"""The tree against RFC 6962's own definition, and notes against openssl and what others have signed."""

import itertools
import shutil
import subprocess
from base64 import b64decode
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from lpaudit.errors import EvidenceError
from lpaudit.evidence import (
    Checkpoint,
    CommitLeaf,
    FileLeaf,
    Head,
    PublicKey,
    SegmentLeaf,
    Signer,
    Tree,
    follows,
    from_line,
    inclusion_proof,
    leaf_hash,
    read_batch,
    read_checkpoint,
    read_note,
    root_of_proof,
    to_line,
    write_batch,
)

SIGNER = Signer("gw1", Ed25519PrivateKey.from_private_bytes(b"k" * 32))
OTHER = Signer("gw1", Ed25519PrivateKey.from_private_bytes(b"o" * 32))
LEAVES = [f"leaf {number}".encode() for number in range(70)]


def root(leaves):
    """RFC 6962, 2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\1" + root(leaves[:k]) + root(leaves[k:])).digest()


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 70])
def test_a_root_is_that_of_the_definition_also_when_the_tree_was_put_down_meanwhile(size):
    for cut in {0, 1, size // 2, size}:
        tree = Tree()
        for leaf in LEAVES[: min(cut, size)]:
            tree.add(leaf)
        tree = Tree(tree.size, tree.frontier)
        for leaf in LEAVES[min(cut, size) : size]:
            tree.add(leaf)
        assert (tree.size, tree.root) == (size, root(LEAVES[:size]))


def test_the_roots_of_certificate_transparencys_test_vectors():
    leaves = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ]
    tree = Tree()
    for leaf in map(bytes.fromhex, leaves):
        tree.add(leaf)
    assert tree.root.hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


@given(st.integers(1, 70).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1))))
def test_every_leaf_is_proven_and_no_other(place):
    size, index = place
    hashes = [leaf_hash(leaf) for leaf in LEAVES[:size]]
    proof, top = inclusion_proof(hashes, index), root(LEAVES[:size])
    assert root_of_proof(hashes[index], index, size, proof) == top
    assert root_of_proof(leaf_hash(b"x"), index, size, proof) != top
    assert root_of_proof(hashes[index], index, size, [*proof, b"\0" * 32]) is None
    assert root_of_proof(hashes[index], size, size, proof) is None
    if proof:
        assert root_of_proof(hashes[index], index, size, proof[:-1]) is None
        assert root_of_proof(hashes[index], index, size, [b"\0" * 32, *proof[1:]]) != top


@pytest.mark.parametrize(("size", "frontier"), [(1, []), (2, [b"x" * 32] * 2), (-1, []), (1, [b"x"])])
def test_a_frontier_that_cannot_be_one_is_refused(size, frontier):
    with pytest.raises(ValueError, match="no frontier"):
        Tree(size, frontier)


def test_openssl_verifies_a_checkpoint(tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl")
    note = SIGNER.sign(Checkpoint("lpaudit/x", 7, bytes(32)).text)
    text, _, signature = note.rpartition("\n\n")
    (tmp_path / "text").write_text(text + "\n")
    (tmp_path / "signature").write_bytes(b64decode(signature.split(" ")[2])[4:])
    pem = SIGNER.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key.pem").write_bytes(pem)
    command = "openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in text -sigfile signature"
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Verified Successfully" in done.stdout


def test_the_example_of_the_specification_is_read():
    # c2sp.org/signed-note: its own note, and the key that its Go package's tests sign with.
    key = PublicKey.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    note = (
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n\n"
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )
    text, signer = read_note(note, [key])
    assert signer == key
    assert text.startswith("If you think")


def test_a_note_is_believed_only_if_a_known_key_has_signed_it():
    note = SIGNER.sign(Checkpoint("lpaudit/x", 7, bytes(32)).text)
    assert read_checkpoint(note, [OTHER.public, SIGNER.public]) == (
        Checkpoint("lpaudit/x", 7, bytes(32)),
        SIGNER.public,
    )
    for keys, words in (([OTHER.public], "no key is known"), ([], "no key is known")):
        with pytest.raises(EvidenceError, match=words):
            read_checkpoint(note, keys)
    for broken in (
        note.replace("\n7\n", "\n8\n"),
        note[:-1],
        note + "\n",
        note.replace("— gw1", "- gw1"),
        note.replace("lpaudit/x", "lpaudit/y"),
        note.rpartition("\n\n")[0] + "\n\n",
        SIGNER.sign("lpaudit/x\n07\n" + "A" * 43 + "=\n"),
        SIGNER.sign("lpaudit/x\n7\nAAAA\nmore\n"),
        SIGNER.sign("only a text\n"),
    ):
        with pytest.raises(EvidenceError):
            read_checkpoint(broken, [SIGNER.public])


def test_a_key_in_a_line_is_read_back_and_no_other_line_is():
    line = str(SIGNER.public)
    assert PublicKey.parse(f" {line}\n") == SIGNER.public
    name, key_id, encoded = line.split("+", 2)
    for wrong in (
        "",
        name,
        f"{name}+{key_id}",
        f"{name}+00000000+{encoded}",
        f"other+{key_id}+{encoded}",
        line + "x",
    ):
        with pytest.raises(EvidenceError):
            PublicKey.parse(wrong)


LINES = [
    SegmentLeaf("access_event", 1, "0" * 16, 0, 9, 1, "a" * 64, None),
    CommitLeaf("access_event", 1, "b" * 64, {"part-☃\n\u2028.parquet": "c" * 64}, None),
    FileLeaf("commits/x y.tar.zst", "d" * 64),
]


def test_leaves_are_lines_that_are_read_back_and_nothing_else_is():
    for leaf in LINES:
        line = to_line(leaf)
        assert from_line(line) == leaf
        assert "\n" not in line
        assert line.isascii()
        for wrong in (line + " ", line.replace(",", ", ", 1), line[:-1], line.replace('"leaf":', '"laef":')):
            with pytest.raises(EvidenceError):
                from_line(wrong)


def test_batches_follow_each_other(tmp_path):
    lines = [to_line(leaf) for leaf in LINES]
    first, checkpoint = write_batch(Head(0, "lpaudit/x", 0, tables={"access_event": 1}), lines, SIGNER)
    batch = read_batch(first.encode())
    assert batch.leaves == tuple(lines)
    assert read_checkpoint(batch.note, [SIGNER.public])[0] == checkpoint
    assert checkpoint.root == root([line.encode() for line in lines])
    tree = Tree()
    for line in lines:
        tree.add(line.encode())
    frontier = tuple(node.hex() for node in tree.frontier)
    good = Head(1, "lpaudit/x", 3, frontier)
    for head, fits in (
        (good, True),
        (Head(2, "lpaudit/x", 3, frontier), False),
        (Head(1, "lpaudit/y", 3, frontier), False),
        (Head(1, "lpaudit/x", 2, frontier[:1]), False),
        (Head(1, "lpaudit/x", 3, frontier[::-1]), False),
    ):
        second = read_batch(write_batch(head, lines, SIGNER)[0].encode())
        assert follows(batch, second, tree) == fits
    for wrong in (
        b"",
        b"\xff",
        b"{}",
        b"[]\n\nx",
        first.replace('"form":1', '"form":2').encode(),
        b"[" * 9999,
    ):
        with pytest.raises(EvidenceError):
            read_batch(wrong)


def test_no_two_hashes_of_a_tree_mean_the_same():
    hashes = {leaf_hash(a + b) for a, b in itertools.product(LEAVES[:3], LEAVES[:3])}
    assert leaf_hash(b"\1" + bytes(64)) not in hashes
    assert Tree(1, [leaf_hash(b"")]).root != Tree().root
