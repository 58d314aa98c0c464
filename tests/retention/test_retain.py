"""`lpaudit retain` as it is typed: what it says, and what it refuses."""

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from lpaudit import pipeline
from lpaudit.cli.times import so_long_before
from lpaudit.errors import ConfigError, StoreError
from lpaudit.model import Period
from lpaudit.store import open_store
from tests.follower import line

OLD = datetime(2025, 3, 1, tzinfo=UTC)


@pytest.fixture
def store(lpaudit, tmp_path):
    """A log of which one half is old, and one is not; and a key."""
    (tmp_path / "lpaudit.toml").write_text('key = "signing/key.pem"\n')
    for when in (OLD, datetime.now(UTC)):
        with (tmp_path / "access.log").open("ab") as file:
            file.write(line("a", when) + line("b", when))
        assert lpaudit("ingest", "--host", "gw1", "access.log").returncode == 0
    assert lpaudit("keys", "init", "--as", "gw1").returncode == 0
    return tmp_path / "lpaudit-store"


def files(store):
    return sorted(
        path.relative_to(store).as_posix()
        for path in store.rglob("*")
        if path.is_file() and "audit_trail" not in path.parts
    )


def test_a_dry_run_says_what_would_go_and_changes_nothing(store, lpaudit):
    before = files(store)
    done = lpaudit("retain", "--keep", "400d", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("would purge 2 lines in 1 segment of")
    assert "access   2 lines in 1 segment of 170 B, of 2025-03-01 00:00:00Z to" in done.stdout
    assert files(store) == before


def test_a_purge_says_what_went_and_is_in_the_audit_trail(store, lpaudit):
    lpaudit(
        "hold", "add", "--from", "2025-03-01", "--to", "2025-03-01", "--reason", "x", "--ticket", "LEGAL-7"
    )
    held = lpaudit("retain", "--keep", "400d", "--class", "access")
    assert held.stdout.startswith("nothing to purge: no segment that may go has only lines older than ")
    assert "held, and kept: 2 lines in 1 segment" in held.stdout
    [hold] = json.loads(lpaudit("hold", "list", "--format", "json").stdout)
    lpaudit("hold", "release", hold["hold_id"], "--reason", "settled")
    done = lpaudit("retain", "--keep", "400d", "--class", "access", "--reason", "policy 4.2", "--as", "ops")
    assert done.stdout.startswith("purged 2 lines in 1 segment of")
    [certificate] = (store / "purges").iterdir()
    assert f"certificate purges/{certificate.name}\n" in done.stdout
    trail = lpaudit(
        "sql", "--format", "json", "select command, text from audit_trail order by asked_at"
    ).stdout
    told = [(row["command"], json.loads(row["text"])) for row in json.loads(trail)]
    said = {
        "as": "ops",
        "class": ["access"],
        "keep": "400d",
        "reason": "policy 4.2",
        "retain_format": "table",
    }
    assert told[-1] == ("retain", said)
    assert [command for command, _ in told] == ["hold add", "retain", "hold list", "hold release", "retain"]
    assert lpaudit("verify").returncode == 0


def test_nothing_is_purged_without_a_key(store, lpaudit):
    before = files(store)
    done = lpaudit("retain", "--keep", "400d", "--key", "nowhere.pem")
    assert done.returncode == 2
    assert "nothing is purged without a key: cannot read the private key nowhere.pem" in done.stderr
    assert "could not be told from stolen ones; `lpaudit keys init` makes one" in done.stderr
    assert files(store) == before


@pytest.mark.parametrize("keep", ["400", "0d", "-1d", "400 d", "1.5y", "d", "400days", "", "7Y", "99999999y"])
def test_a_time_that_is_none_is_refused(keep):
    with pytest.raises(ConfigError) as refused:
        so_long_before("--keep", keep, datetime(2026, 11, 24, tzinfo=UTC))
    assert refused.value.hint.startswith("write it like 400d")


def test_a_time_that_is_before_all_time_is_refused():
    for keep in ("999999d", "999999w", "99999mo", "9999y"):
        with pytest.raises(ConfigError, match="before all time"):
            so_long_before("--keep", keep, datetime(2026, 11, 24, tzinfo=UTC))


@pytest.mark.parametrize(
    ("keep", "cut"),
    [
        ("1d", "2028-02-28"),
        ("400d", "2027-01-25"),
        ("2w", "2028-02-15"),
        ("1mo", "2028-01-29"),
        ("12mo", "2027-02-28"),
        ("1y", "2027-02-28"),
        ("4y", "2024-02-29"),
        ("3mo", "2027-11-29"),
    ],
)
def test_months_and_years_are_those_of_the_calendar(keep, cut):
    assert f"{so_long_before('--keep', keep, datetime(2028, 2, 29, tzinfo=UTC)):%Y-%m-%d}" == cut


def test_a_class_that_is_kept_is_refused_with_the_reason(store, lpaudit):
    done = lpaudit("retain", "--keep", "400d", "--class", "proof")
    assert done.returncode == 2
    assert "nothing of the class proof is ever purged" in done.stderr


@pytest.mark.parametrize("copied", [False, True], ids=["query", "report"])
def test_who_reads_while_files_are_purged_is_told_to_ask_again(store, lpaudit, copied):
    """The store is not damaged; one that lacks a file without a purge is."""
    period = Period(OLD, OLD + timedelta(days=2))

    @contextmanager
    def opened():
        if copied:
            with pipeline.focused(open_store(str(store)), period, ("/api",), []) as (select, _):
                yield lambda: select("select url_original from access", {})  # which is not copied
        else:
            with pipeline.opened(str(store)) as (connection, _):
                yield lambda: connection.select("select url_original from access")

    with opened() as ask:
        assert len(ask()) == 4
        done = lpaudit("retain", "--keep", "400d", "--class", "access", "--reason", "policy", "--as", "ops")
        assert done.returncode == 0, done.stderr
        with pytest.raises(
            StoreError, match="was changed while it was read: old files were removed"
        ) as caught:
            ask()
        assert caught.value.hint == "run the same command again"
    with opened() as ask:
        assert len(ask()) == 2
        for path in (store / "access_event").glob("*.parquet"):
            path.unlink()
        with pytest.raises(StoreError, match="is damaged"):
            ask()
