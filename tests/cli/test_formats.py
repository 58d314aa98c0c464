"""`lpaudit formats`, and the presets themselves: their sample lines were written by a real lighttpd."""

import gzip
import json
from zoneinfo import ZoneInfo

import oracle
import pytest
from reading import plain

from lpaudit.logformat import PRESETS, compile_layout, parse
from lpaudit.logformat.layout import MAX_FIELDS, split_format
from lpaudit.logformat.parse import match_count

UTC = ZoneInfo("UTC")
SAMPLES = [(name, line) for name, preset in PRESETS.items() for line in preset.samples]


def block(lines):
    return "".join(line + "\n" for line in lines).encode()


@pytest.mark.parametrize(("name", "line"), SAMPLES)
def test_every_sample_line_is_read_as_the_oracle_reads_it(name, line):
    preset = PRESETS[name]
    (row,) = plain(parse(compile_layout(preset.log_format(UTC)), block([line])).columns)
    expected = oracle.read(line.encode(), preset.format_string, json=preset.escaping == "json")
    assert expected is not None
    assert row == expected
    assert row["client_address"] == "127.0.0.1"
    assert 200 <= row["http_response_status_code"] <= 599 or row["http_response_status_code"] == 101
    assert "event_end" in row


@pytest.mark.parametrize("name", PRESETS)
def test_samples_hold_the_odd_lines_too(name):
    """A request that was not understood, one that was denied, and one with escapes."""
    preset = PRESETS[name]
    rows = plain(parse(compile_layout(preset.log_format(UTC)), block(preset.samples)).columns)
    assert {401} & {row["http_response_status_code"] for row in rows}
    assert {"bob"} & {row.get("user_name") for row in rows}
    assert any("\\" in line for line in preset.samples)
    if name != "audit":  # none was sent while its log was recorded
        assert any(row["http_request_method"] == "" for row in rows)


@pytest.mark.parametrize(
    ("name", "log"),
    [
        ("default", "default.log"),
        ("combined", "combined.log"),
        ("audit", "audit.log.gz"),
        ("auditjson", "audit.json.log"),
    ],
)
def test_samples_are_lines_of_the_sample_logs(name, log, sample_logs):
    data = (sample_logs / log).read_bytes()
    lines = (gzip.decompress(data) if log.endswith(".gz") else data).split(b"\n")
    assert {line.encode() for line in PRESETS[name].samples} <= set(lines)


def test_the_recommended_format_is_recognised_beyond_doubt():
    layouts = {name: compile_layout(preset.log_format(UTC)) for name, preset in PRESETS.items()}
    own = block(PRESETS["lpaudit"].samples)
    others = block(line for name, line in SAMPLES if name != "lpaudit")
    assert match_count(layouts["lpaudit"], own)[0] == len(PRESETS["lpaudit"].samples)
    assert match_count(layouts["lpaudit"], others)[0] == 0
    assert all(match_count(layout, own)[0] == 0 for name, layout in layouts.items() if name != "lpaudit")


def test_the_recommended_format_fills_every_column_that_a_line_can_fill():
    layout = compile_layout(PRESETS["lpaudit"].log_format(UTC))
    columns = set(parse(layout, block(PRESETS["lpaudit"].samples)).columns.columns)
    assert {
        *("event_start", "event_end", "event_duration_us", "client_address", "client_port"),
        *("connection_request_number", "connection_state", "server_address", "server_port", "user_name"),
        *("http_request_method", "url_path", "url_query", "url_original", "network_protocol"),
        *(
            "http_response_status_code",
            "http_request_bytes",
            "http_response_bytes",
            "http_response_body_bytes",
        ),
        *("url_domain", "server_name", "user_agent_original", "http_request_referrer"),
        *("http_request_x_forwarded_for", "http_request_id", "trace_parent", "http_request_upgrade"),
        *("http_response_location", "tls_protocol", "tls_cipher"),
        *(
            f"prefect_{of}_{what}"
            for of in ("flow_run", "flow", "deployment", "worker")
            for what in ("id", "name")
        ),
    } <= columns
    assert len(split_format(PRESETS["lpaudit"].format_string)) <= MAX_FIELDS


def test_formats_lists_every_preset(lpaudit):
    ran = lpaudit("formats", "--format", "json")
    assert ran.returncode == 0, ran.stderr
    listed = {row["name"]: row for row in json.loads(ran.stdout)}
    assert list(listed) == list(PRESETS)
    for name, preset in PRESETS.items():
        assert listed[name] == {
            "name": name,
            "title": preset.title,
            "escaping": str(preset.escaping),
            "format": preset.format_string,
        }
    table = lpaudit("formats").stdout
    assert all(preset.title in table and preset.format_string in table for preset in PRESETS.values())


@pytest.mark.parametrize("name", PRESETS)
def test_formats_prints_one_preset_with_its_sample_lines(name, lpaudit):
    ran = lpaudit("formats", name)
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.split("\n")
    assert PRESETS[name].format_string in lines
    assert set(PRESETS[name].samples) <= set(lines)
    (row,) = json.loads(lpaudit("formats", name, "--format", "json").stdout)
    assert row["samples"] == list(PRESETS[name].samples)


def test_an_unknown_format_is_an_error_with_a_hint(lpaudit):
    ran = lpaudit("formats", "combind")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "lpaudit: there is no format 'combind'\n\nhint: did you mean combined?\n"


@pytest.mark.parametrize("name", ["access.log", "", "/a\nserver.port = 1", "/a\x1b[31m", "/a\\"])
def test_a_file_name_that_lighttpd_could_misread_is_refused(name, lpaudit):
    ran = lpaudit("lighttpd-config", "--file", name)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "hint: " in ran.stderr
    assert "\x1b" not in ran.stderr


def test_the_printed_configuration_quotes_the_file_name(lpaudit):
    ran = lpaudit("lighttpd-config", "--file", '/srv/a "b".log')
    assert 'accesslog.filename = "/srv/a \\"b\\".log"\n' in ran.stdout
    assert "Authorization}" not in ran.stdout
    assert "Cookie}" not in ran.stdout
