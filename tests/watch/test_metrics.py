"""Metrics as Prometheus reads them: with its own parser, from the file and from the port."""

import socket
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families
from rig import free_ports
from watch.told import EVERYTHING, FULL, GAP, LOG, OLDER, SEGMENT, START, tell_everything

from lpaudit import __version__
from lpaudit.errors import LpauditError, OutputError, StoreError
from lpaudit.model import Lag
from lpaudit.watch.metrics import MetricsFile, MetricsObserver, MetricsPort


def parsed(text):
    """Every sample: (name, labels) → value."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def complaints():
    return []


@pytest.fixture
def metrics(clock):
    return MetricsObserver(clock.now)


@pytest.fixture
def read(tmp_path, metrics, clock, complaints):
    """Write the file and parse it."""

    def parse():
        path = tmp_path / "lpaudit.prom"
        with MetricsFile(path, metrics.registry, clock, complaints.append):
            pass
        return parsed(path.read_text("utf-8"))

    return parse


def test_everything_that_is_told_is_counted(metrics, read):
    tell_everything(metrics)
    found = read()
    wanted = {
        "lpaudit_lines_total": 5,
        "lpaudit_rejects_total": 2,
        "lpaudit_log_bytes_total": 550,
        "lpaudit_commits_total": 2,
        "lpaudit_commit_duration_seconds_count": 1,
        "lpaudit_commit_duration_seconds_sum": 0.03,
        "lpaudit_lag_bytes": 77,
        "lpaudit_lag_seconds": 1.5,
        "lpaudit_files": 2,
        "lpaudit_errors_total": 1,
        "lpaudit_alarms_total": 1,
        "lpaudit_start_time_seconds": START.timestamp(),
        "lpaudit_heartbeat_timestamp_seconds": START.timestamp(),
        "lpaudit_last_commit_timestamp_seconds": START.timestamp(),
        "lpaudit_last_error_timestamp_seconds": START.timestamp(),
    }
    assert {name: found[name,] for name in wanted} == wanted
    assert found["lpaudit_gaps_total", ("cause", "truncated")] == 1
    assert found["lpaudit_source_events_total", ("event", "truncated")] == 1
    assert found["lpaudit_source_events_total", ("event", "finished")] == 1
    assert found["lpaudit_last_error_info", ("message", OLDER.message)] == 1
    assert found["lpaudit_commit_duration_seconds_bucket", ("le", "0.025")] == 0
    assert found["lpaudit_commit_duration_seconds_bucket", ("le", "0.05")] == 1
    [build] = [dict(labels) for name, *labels in found if name == "lpaudit_build_info"]
    assert build["version"] == __version__


def test_what_has_not_happened_is_a_zero_from_the_start(read):
    """An alert on an increase needs the value before it."""
    found = read()
    for cause in ("deleted", "truncated", "replaced", "damaged"):
        assert found["lpaudit_gaps_total", ("cause", cause)] == 0
    assert found["lpaudit_errors_total",] == 0
    assert not [name for name, *_ in found if name == "lpaudit_last_error_info"]


def test_the_number_of_series_does_not_depend_on_what_happens(metrics, read):
    tell_everything(metrics)
    before = len(read())
    for number in range(50):
        metrics.retrying(StoreError(f'hostile "{number}" \\ \n# TYPE x counter {"x" * 1000}'), 1.0)
        for tell in EVERYTHING:
            tell(metrics)
        metrics.retrying(StoreError(f"error {number}\nlpaudit_forged 1"), 1.0)
    found = read()
    assert len(found) == before
    assert ("lpaudit_last_error_info", ("message", r"error 49\x0alpaudit_forged 1")) in found
    assert found["lpaudit_errors_total",] == 1 + 50 * 3


def test_a_long_hostile_error_is_a_short_harmless_label(metrics, read):
    metrics.retrying(StoreError('"}\x1b[31m\u202e' + "x" * 1000), 1.0)
    [label] = [dict(labels)["message"] for name, *labels in read() if name == "lpaudit_last_error_info"]
    assert label.startswith(r'"}\x1b[31m\u202exxx')
    assert len(label) == 200


@pytest.mark.parametrize(
    "sign",
    [
        lambda o: o.following(1),
        lambda o: o.lagging(Lag(1, 0, 0.0)),
        lambda o: o.segment_committed(LOG, SEGMENT, 1, 0),
        lambda o: o.committed(1, 1, 0, 10, 0.1),
        lambda o: o.retrying(FULL, 2.0),
    ],
)
def test_every_sign_of_life_is_a_heartbeat(metrics, read, clock, sign):
    assert read()["lpaudit_heartbeat_timestamp_seconds",] == START.timestamp()
    clock.seconds += 7
    sign(metrics)
    assert read()["lpaudit_heartbeat_timestamp_seconds",] == START.timestamp() + 7


def test_metrics_are_named_as_prometheus_wants(metrics, read):
    tell_everything(metrics)
    found = read()
    assert all(name.startswith("lpaudit_") for name, *_ in found)
    assert not any(name.endswith(("_created", "_ms", "_milliseconds")) for name, *_ in found)
    labels = {key for _, *pairs in found for key, _ in pairs}
    assert labels == {"cause", "event", "le", "message", "version", "store_version", "python"}
    assert GAP.source not in str(found)


def test_the_file_is_there_at_once_and_written_at_most_once_a_second(tmp_path, metrics, clock, complaints):
    path = tmp_path / "lpaudit.prom"

    def lines():
        return parsed(path.read_text("utf-8"))["lpaudit_lines_total",]

    with MetricsFile(path, metrics.registry, clock, complaints.append) as file:
        assert lines() == 0
        metrics.committed(1, 7, 0, 700, 0.01)
        clock.seconds += 0.9
        file.lagging(Lag(1, 0, 0.0))
        assert lines() == 0
        clock.seconds += 0.2
        file.lagging(Lag(1, 0, 0.0))
        assert lines() == 7
        metrics.committed(1, 1, 0, 100, 0.01)
    assert lines() == 8, "the end is not missing"
    assert [p.name for p in tmp_path.iterdir()] == ["lpaudit.prom"]
    assert not complaints


def test_a_file_that_cannot_be_written_is_said_at_once(tmp_path, metrics, clock, complaints):
    file = MetricsFile(tmp_path / "gone" / "x.prom", metrics.registry, clock, complaints.append)
    with pytest.raises(OutputError, match="no such file"):
        file.__enter__()


def test_a_file_that_can_no_longer_be_written_stops_nothing_and_is_said_once(
    tmp_path, metrics, clock, complaints
):
    folder = tmp_path / "collector"
    folder.mkdir()
    with MetricsFile(folder / "x.prom", metrics.registry, clock, complaints.append) as file:
        folder.rename(tmp_path / "away")
        for _ in range(5):
            clock.seconds += 2
            file.lagging(Lag(1, 0, 0.0))
        assert len(complaints) == 1
        folder.mkdir()
        clock.seconds += 2
        file.lagging(Lag(1, 0, 0.0))
        assert (folder / "x.prom").is_file()
    assert len(complaints) == 1


def test_the_port_is_scraped(metrics):
    [port] = free_ports(1)
    with MetricsPort(port, metrics.registry):
        metrics.committed(1, 7, 0, 700, 0.01)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=")
            assert parsed(answer.read().decode())["lpaudit_lines_total",] == 7
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=10)


def test_the_port_is_this_machine_s_alone(metrics):
    [port] = free_ports(1)
    with MetricsPort(port, metrics.registry), pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=10)


def test_a_port_that_is_taken_is_one_line_and_a_hint(metrics):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LpauditError) as refused:
            MetricsPort(port, metrics.registry)
    assert refused.value.message == f"cannot serve metrics at 127.0.0.1:{port}: address already in use"
    assert refused.value.hint
    assert refused.value.exit == 3
