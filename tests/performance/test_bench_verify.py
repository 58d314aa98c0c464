"""`make bench-verify`: stores of both shapes verify, and one that does not stops it."""

import pytest

from bench import logs, verify


def test_a_followed_store_has_a_segment_for_each_piece(tmp_path, monkeypatch):
    monkeypatch.setattr(verify, "_LITTLE", 100)
    log = tmp_path / "log"
    logs.write(log, 400)
    found = verify.measure(tmp_path / "work", "followed", log, 400, 1)
    assert [one.command for one in found] == ["ingest", "verify --full", "verify"]
    assert len(list((tmp_path / "work" / "store" / "segments").glob("*/*"))) >= 4
    assert all(one.row()[1] == "400" for one in found)


def test_a_store_that_does_not_verify_stops_it(tmp_path, monkeypatch):
    log = tmp_path / "log"
    logs.write(log, 100)
    at_once = verify.at_once

    def damaged(folder, log):
        store = at_once(folder, log)
        [segment] = (store / "segments").glob("*/*")
        segment.unlink()
        return store

    monkeypatch.setattr(verify, "at_once", damaged)
    with pytest.raises(ChildProcessError, match="missing"):
        verify.measure(tmp_path / "work", "at once", log, 100, 1)
