"""Every file that is read back may be damaged: a command says so, or answers; it never falls over."""

import os
import random
import shutil
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
SAMPLES = CHECKOUT / "sample_logs"
ROSTER = """\
[[identity]]
name = "alice"
kind = "human"
groups = ["ops"]
valid_from = 2026-01-01
"""
SETTINGS = """\
host = "gw1"
key = "key.pem"
fingerprint_key = "fingerprint.key"
anchors = "anchor"
reports = "mine"
"""
MINE = """\
/*
id = "mine"
title = "Mine"
question = "Which requests were there?"
kind = "figures"
section = "S1"
severity = "info"
key = ["line_id"]
population = "select count(*) from access where time >= $start and time < $end"
*/
select line_id from access where time >= $start and time < $end order by line_id
"""
PREPARE = [
    ["keys", "init", "--as", "gw1"],
    ["ingest", "access.log"],
    ["ingest", "error.log"],
    ["sync", "--from-dump", "dump"],
    ["correlate"],
    ["identities", "import", "roster.toml"],
    ["sql", "select count(*) from access"],
    ["compact"],
    ["sign"],
    ["binder", "--from", "2026-11-23", "--to", "2026-11-24", "--out", "binder.zip"],
]
COMMANDS = [
    ["status"],
    ["sql", "--format", "csv", "select * from access"],
    ["sql", "--format", "csv", "select * from server_event, log_format"],
    ["sql", "--format", "csv", "select * from access_run"],
    ["sql", "--format", "csv", "select * from audit_trail"],
    ["verify", "--full"],
    ["report", "access", "--from", "2026-11-23", "--to", "2026-11-24", "--out", "out", "--format", "md,json"],
    ["ingest", "access.log", "error.log"],
    ["compact"],
    ["correlate"],
    ["sync", "--from-dump", "dump"],
    ["identities", "import", "roster.toml"],
    ["identities", "list"],
    ["checks", "list"],
    ["checks", "test", "mine"],
    ["denied"],
    ["exceptions", "list"],
    ["config"],
    ["sign"],
    ["tables", "--files"],
    ["doctor", "access.log"],
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, nursery):
    """A directory with a small store that has everything, and what it was made from."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "access.log").write_bytes(
        b"".join((SAMPLES / "default.log").read_bytes().splitlines(True)[:40])
    )
    shutil.copy(SAMPLES / "error.log", folder)
    (folder / "roster.toml").write_text(ROSTER)
    (folder / "mine" / "checks").mkdir(parents=True)
    (folder / "mine" / "checks" / "mine.sql").write_text(MINE)
    dump(folder / "dump")
    (folder / "lpaudit.toml").write_text(SETTINGS)
    for command in PREPARE:
        status, _, errors = run(nursery, folder, command)
        assert status in (0, 1), (command, errors)
    return folder


def dump(folder):
    """Prefect's own records, but for the many."""
    many = shutil.ignore_patterns("events*", "task_runs*")
    shutil.copytree(SAMPLES / "prefect", folder, ignore=many)


def run(nursery, folder, command):
    environment = {"HOME": str(folder), "PATH": os.environ["PATH"], "TZ": "Asia/Kathmandu"}
    return nursery.run(command, folder, environment, None, 120)


def damaged(data, rng):
    """Return bytes with something wrong."""
    place = rng.randrange(len(data) + 1)
    other = rng.randrange(place, min(len(data), place + 40) + 1)
    return rng.choice(
        [
            lambda: data[:place] + bytes([rng.randrange(256)]) + data[place + 1 :],
            lambda: data[:place],
            lambda: data[:place] + data[other:],
            lambda: data[:other] + data[place:],
            lambda: (
                data[:place]
                + rng.choice([b"\0" * 8, b"\xff" * 8, b"}", b"\n", b'"', b"9" * 30, b"-1", b"null"])
                + data[other:]
            ),
            lambda: b"",
            lambda: data + data,
            lambda: data[:place] + rng.randbytes(other - place) + data[other:],
        ]
    )()


@pytest.mark.parametrize(
    ("seed", "times"), [(1, 8), pytest.param(2, 600, marks=[pytest.mark.soak, pytest.mark.timeout(0)])]
)
def test_no_damage_makes_a_command_fall_over(seed, times, whole, tmp_path, nursery):
    rng = random.Random(seed)
    files = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())
    kinds = sorted({(path.parts[:-1], path.suffix) for path in files})
    fell = []
    for number in range(times):
        kind = rng.choice(kinds)
        name = rng.choice([path for path in files if (path.parts[:-1], path.suffix) == kind])
        command = rng.choice(COMMANDS)
        copy = tmp_path / "copy"
        shutil.copytree(whole, copy, symlinks=True)
        data = damaged((copy / name).read_bytes(), rng)
        (copy / name).write_bytes(data)
        status, _, errors = run(nursery, copy, command)
        if status not in (0, 1, 2, 3) or b"Traceback" in errors:
            fell.append((number, str(name), command, status, errors[-1500:].decode(errors="replace")))
        shutil.rmtree(copy)
    assert fell == []
