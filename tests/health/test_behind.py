"""How far the store is behind the files: which file is which source, and where its last line ends."""

import gzip
from pathlib import Path

import pytest
from deltalake import DeltaTable
from health.followed import lines, take_in

from lpaudit import behind, store
from lpaudit.errors import SourceError, StoreError


@pytest.fixture
def look(tmp_path):
    """path's name → (stored, end), for every log that the store knows and that is here."""

    def looked():
        target = store.open_store(str(tmp_path / "lpaudit-store"))
        tables = behind.tables(target)
        logs = behind.logs(target, tables, behind.places(target, tables))
        return {Path(log.path).name: (log.stored, log.end) for log in logs}

    return looked


@pytest.fixture(params=[None, "gw1"], ids=["no-host", "host-told"])
def log(request, tmp_path):
    """A log of 10 lines, all of them stored."""
    path = tmp_path / "access.log"
    path.write_bytes(lines(10))
    take_in(tmp_path, path, host=request.param)
    return path


ALL = len(lines(10))


def test_what_is_stored_is_not_unread(log, look):
    assert look() == {"access.log": (ALL, ALL)}


def test_new_whole_lines_are_unread_and_a_begun_one_is_not(log, look):
    log.write_bytes(lines(13) + b"192.0.2.7 gw")
    assert look() == {"access.log": (ALL, len(lines(13)))}


def test_a_begun_line_alone_is_nothing(log, look):
    log.write_bytes(lines(10) + b"x" * 200_000)
    assert look() == {"access.log": (ALL, ALL)}


def test_a_long_last_line_is_found(log, look):
    log.write_bytes(lines(10) + b"x" * 200_000 + b"\n" + b"y" * 70_000)
    assert look() == {"access.log": (ALL, ALL + 200_001)}


def test_another_file_in_its_place_is_new_from_its_first_byte(log, look):
    log.write_bytes(lines(3, start=100))
    assert look() == {"access.log": (0, len(lines(3, start=100)))}


def test_a_file_that_begins_alike_and_goes_on_differently_is_new(tmp_path, log, look):
    other = lines(1) + lines(12, start=50)
    log.write_bytes(other)
    assert look() == {"access.log": (0, len(other))}
    take_in(tmp_path, log, host="gw1")
    log.write_bytes(other + lines(1))
    assert look() == {"access.log": (len(other), len(other) + len(lines(1)))}


def test_a_file_that_was_cut_has_nothing_unread(log, look):
    log.write_bytes(lines(4))
    assert look() == {"access.log": (ALL, ALL)}


def test_an_empty_file_in_its_place_has_nothing_unread(log, look):
    log.write_bytes(b"")
    assert look() == {"access.log": (0, 0)}


def test_a_rotated_log_is_known_by_its_content_wherever_it_is(tmp_path, log, look):
    first = tmp_path / "access.log.1"
    first.write_bytes(lines(5, start=200))
    take_in(tmp_path, first)
    log.rename(first)
    log.write_bytes(lines(2, start=100))
    assert look() == {"access.log": (0, len(lines(2, start=100))), "access.log.1": (ALL, ALL)}


def test_what_is_gone_compressed_or_no_file_is_left_out(tmp_path, log, look):
    packed = tmp_path / "access.log.2.gz"
    packed.write_bytes(gzip.compress(lines(7, start=100)))
    take_in(tmp_path, packed)
    log.unlink()
    assert look() == {}
    log.mkdir()
    assert look() == {}


def test_one_path_on_several_hosts_is_each_of_them(tmp_path, look):
    path = tmp_path / "access.log"
    for host in ("gw1", "gw2", "gw3"):
        path.write_bytes(lines(10) if host == "gw2" else lines(5, start=ord(host[-1])))
        take_in(tmp_path, path, host=host)
    path.write_bytes(lines(11))
    assert look() == {"access.log": (ALL, len(lines(11)))}


def test_a_file_that_cannot_be_read_is_an_error(log, look, monkeypatch):
    def refuse(_):
        raise SourceError("no")

    monkeypatch.setattr(behind.source, "open_reader", refuse)
    with pytest.raises(SourceError):
        look()


def test_a_file_that_is_rotated_away_while_it_is_looked_at_is_left_out(log, look, monkeypatch):
    def too_late(_):
        log.unlink()
        raise SourceError("gone")

    monkeypatch.setattr(behind.source, "open_reader", too_late)
    assert look() == {}


def places(folder):
    target = store.open_store(str(folder / "lpaudit-store"))
    return behind.places(target, behind.tables(target))


def test_places_are_those_of_every_row_however_the_rows_are_laid_out(tmp_path):
    """Compaction puts rows of several sources into one row group, whose bounds then do not tell."""
    names = [f"{letter}.log" for letter in "abcde"]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(lines(5, start=number * 10))
        take_in(tmp_path, tmp_path / name, host=f"gw{number}")
    wanted = behind.Places(tuple(str(tmp_path / name) for name in names), ("gw0", "gw1", "gw2", "gw3", "gw4"))
    assert places(tmp_path) == wanted
    DeltaTable(tmp_path / "lpaudit-store" / "access_event").optimize.compact()
    assert len(DeltaTable(tmp_path / "lpaudit-store" / "access_event").file_uris()) == 1
    assert places(tmp_path) == wanted


def test_a_long_path_is_no_less_a_place_after_compaction(tmp_path):
    folder = tmp_path / ("x" * 100) / ("y" * 100)
    folder.mkdir(parents=True)
    for name in ("one.log", "two.log"):
        (folder / name).write_bytes(lines(5) if name == "one.log" else lines(6, start=50))
        take_in(tmp_path, folder / name)
    DeltaTable(tmp_path / "lpaudit-store" / "access_event").optimize.compact()
    assert places(tmp_path).paths == (str(folder / "one.log"), str(folder / "two.log"))


def test_a_damaged_store_is_an_error(tmp_path, log):
    [file] = (tmp_path / "lpaudit-store" / "access_event").glob("*.parquet")
    file.write_bytes(b"PAR1")
    with pytest.raises(StoreError, match="is damaged"):
        places(tmp_path)
    file.unlink()
    with pytest.raises(StoreError, match="is damaged"):
        places(tmp_path)
