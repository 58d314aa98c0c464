"""Any byte of any file, changed: none passes unseen."""

import itertools
import random
import shutil
from pathlib import Path

import pytest

TABLES = ("access_event", "server_event", "coverage_gap", "log_format", "purged_segment", "retention")


def found(evidence):
    return evidence.verify(kept=evidence.remembered).findings


def test_a_store_as_it_was_left_has_no_findings(every_kind):
    result = every_kind.verify()
    assert result.findings == []
    assert result.leftovers == ()
    assert result.unsigned == 0
    assert result.read_again == result.segments - result.purged > 10
    assert result.purged == 1
    names = " ".join(path.name for path in every_kind.files())
    for kind in (
        ".pack.zst",
        ".tar.zst",
        ".checkpoint.parquet",
        ".batch",
        ".certificate",
        "compacted",
        "_last_checkpoint",
    ):
        assert kind in names


def mutate(evidence, count, seed):
    chosen = random.Random(seed)
    files = evidence.files()
    unseen = []
    for number in range(count):
        path = files[number % len(files)]
        data = path.read_bytes()
        place = chosen.randrange(len(data))
        changed = data[:place] + bytes([data[place] ^ chosen.randrange(1, 256)]) + data[place + 1 :]
        path.write_bytes(changed)
        if not found(evidence):
            unseen.append((path.relative_to(evidence.root).as_posix(), place, data[place], changed[place]))
        path.write_bytes(data)
    return unseen


def test_no_changed_byte_passes_unseen(every_kind):
    assert mutate(every_kind, 30, 1) == []
    assert found(every_kind) == []


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 6))
def test_no_changed_byte_of_ten_thousand_passes_unseen(every_kind, seed):
    """In four parts, which may be run beside each other."""
    assert mutate(every_kind, 2_500, seed) == []


def one_of_each(evidence):
    """Return a file of every kind: tables, logs, packs, archives, batches, keys, the store's own."""
    kinds = {}
    for path in evidence.files():
        kinds.setdefault((path.parent, *path.suffixes), path)
    return list(kinds.values())


def test_no_removed_cut_or_doubled_file_passes_unseen(every_kind):
    files_go_wrong(every_kind, one_of_each(every_kind))


@pytest.mark.soak
def test_no_file_at_all_that_is_removed_cut_or_doubled_passes_unseen(every_kind):
    files_go_wrong(every_kind, every_kind.files())


def files_go_wrong(every_kind, files):
    named = {Path(file) for table in TABLES for file in every_kind.data_files(table)}
    for path in files:
        name = path.relative_to(every_kind.root).as_posix()
        data = path.read_bytes()
        path.unlink()
        replaced = path.suffix == ".parquet" and path.parent.parent == every_kind.root and path not in named
        assert bool(found(every_kind)) != replaced, f"{name} removed"
        path.write_bytes(data[: len(data) // 2])
        assert found(every_kind), f"{name} cut"
        path.write_bytes(data + data[-1:])
        assert found(every_kind), f"{name} longer"
        path.write_bytes(data)
    assert found(every_kind) == []


def test_a_file_in_the_place_of_another_does_not_pass(every_kind):
    files_change_places(every_kind, list(itertools.pairwise(every_kind.files()))[::3])


@pytest.mark.soak
def test_no_file_in_the_place_of_another_passes(every_kind):
    files_change_places(every_kind, itertools.pairwise(every_kind.files()))


def files_change_places(every_kind, pairs):
    for one, other in pairs:
        if one.suffix != other.suffix or one.read_bytes() == other.read_bytes():
            continue
        kept = one.read_bytes()
        shutil.copyfile(other, one)
        assert found(every_kind), f"{other.name} as {one.name}"
        one.write_bytes(kept)
