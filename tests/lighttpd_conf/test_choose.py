"""Which of several access logs is a file?"""

import subprocess

import pytest

from lpaudit.errors import ConfigError
from lpaudit.lighttpd import AccessLog, access_logs, choose
from lpaudit.lighttpd.reader import read_printed
from lpaudit.model import Escaping

A = AccessLog("/var/log/lighttpd/access.log", "%h a", Escaping.DEFAULT)
B = AccessLog("/var/log/lighttpd/api.log", "%h b", Escaping.DEFAULT, '$SERVER["socket"] == ":81"')
C = AccessLog("/srv/logs/access.log", "%h c", Escaping.JSON)
PIPE = AccessLog("|/usr/bin/cronolog /var/log/x", "%h d", Escaping.DEFAULT)


def same(path):
    return path


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("/var/log/lighttpd/access.log", A),
        ("/var/log/lighttpd/access.log.1", A),
        ("/var/log/lighttpd/access.log.12.gz", A),
        ("/var/log/lighttpd/access.log-20261123", A),
        ("/var/log/lighttpd/access.log-20261123.zst", A),
        ("/var/log/lighttpd/access.log-2026112304.xz", A),
        ("/var/log/lighttpd/access.log.2026-11-23.bz2", A),
        ("/var/log/lighttpd/access.log.old", A),
        ("/var/log/lighttpd/access-20261123.log.gz", A),
        ("/var/log/lighttpd/access.3.log", A),
        ("/var/log/lighttpd/api.log.2.gz", B),
        ("/srv/logs/access.log.1", C),
        ("/copied/from/gw1/api.log.1", B),
    ],
)
def test_a_file_is_known_by_its_name_without_what_rotation_adds(label, expected):
    assert choose([A, B, C, PIPE], label, resolve=same) is expected


@pytest.mark.parametrize("label", ["/copied/access.log", "/var/log/lighttpd/other.log", "stdin", "/access"])
def test_what_is_not_certain_is_an_error_that_lists_the_candidates(label):
    with pytest.raises(ConfigError) as caught:
        choose([A, B, C], label, resolve=same)
    for log in (A, C):
        assert log.filename in caught.value.message
        assert log.format_string in caught.value.message
    assert "--log-format" in caught.value.hint


def test_the_longest_name_is_the_right_one():
    """A log may be called like another one's rotated file."""
    odd = AccessLog("/var/log/lighttpd/access.log.1", "%h odd", Escaping.DEFAULT)
    assert choose([A, odd], odd.filename, resolve=same) is odd
    assert choose([A, odd], odd.filename + ".gz", resolve=same) is odd
    assert choose([A, odd], "/var/log/lighttpd/access.log.2", resolve=same) is A


def test_where_all_logs_are_written_alike_names_do_not_matter():
    twin = AccessLog("/elsewhere.log", A.format_string, A.escaping)
    assert choose([A, twin], "stdin", resolve=same) is A


def test_links_are_followed(tmp_path):
    real = tmp_path / "real"
    real.mkdir()
    (real / "api.log").touch()
    (tmp_path / "link").symlink_to(real)
    (tmp_path / "current").symlink_to(real / "api.log")
    log = AccessLog(str(tmp_path / "link" / "api.log"), "%h b", Escaping.DEFAULT)
    for label in ("real/api.log.1", "link/api.log", "current"):
        assert choose([A, log], str(tmp_path / label)) is log


def logs_of(text):
    return access_logs(read_printed(f"config {{\n{text}\n}}"))


def test_a_format_that_another_condition_sets_makes_a_file_ambiguous():
    """A host's format goes to the port's file: that file holds lines in two formats."""
    logs = logs_of(
        'accesslog.filename = "/a.log"\naccesslog.format = "%h"\n$HTTP["host"] == "x" { accesslog.format = "%r" }'
    )
    assert {(log.filename, log.format_string) for log in logs} == {("/a.log", "%h"), ("/a.log", "%r")}
    with pytest.raises(ConfigError, match="may be in several formats"):
        choose(logs, "/a.log", resolve=same)


def test_conditions_that_exclude_each_other_are_not_mixed():
    logs = logs_of(
        '$SERVER["socket"] == ":1" { accesslog.filename = "/1" accesslog.format = "%h" }\n'
        '$SERVER["socket"] == ":2" { accesslog.filename = "/2" }\n'
        '$HTTP["url"] =~ "^/x" { accesslog.filename = "/x" accesslog.format = "%s" }\n'
        'else { accesslog.filename = "/y" }\n'.replace('" accesslog', '"\naccesslog')
    )
    found = {(log.filename, log.format_string) for log in logs}
    assert ("/1", "%h") in found
    assert ("/2", "%h") not in found
    assert ("/x", "%s") in found
    assert ("/y", "%s") not in found
    assert ("/y", "%h") in found  # port 1, another URL


def test_an_unknown_format_is_an_error_only_for_the_file_that_has_it():
    logs = logs_of(
        'accesslog.filename = "/a"\n$SERVER["socket"] == ":2" { accesslog.filename = "/b"\naccesslog.format = env.F }'
    )
    assert choose(logs, "/a", resolve=same).filename == "/a"
    with pytest.raises(ConfigError, match=r"/b is not known: env\.F"):
        choose(logs, "/b", resolve=same)


CONF = r"""
accesslog.filename = "FOLDER/a.log"
$SERVER["socket"] == ":81" {
  accesslog.filename = "FOLDER/b.log"
  accesslog.format = "%{begin:sec}t.%{begin:msec_frac}t %{end:msec}t %T %D \"%r\" %s"
}
"""


def test_ingest_chooses_a_format_for_each_input(tmp_path, lpaudit, sample_logs):
    (tmp_path / "x.conf").write_text(CONF.replace("FOLDER", "/var/log"))
    (tmp_path / "a.log.1").write_bytes((sample_logs / "default.log").read_bytes())
    (tmp_path / "b.log").write_bytes((sample_logs / "frac.log").read_bytes())
    (tmp_path / "c.log").write_bytes((sample_logs / "frac.log").read_bytes() + b"x\n")
    ran = lpaudit("ingest", "--log-format", "@x.conf", "a.log.1", "b.log")
    assert ran.returncode == 0, ran.stderr
    assert "57 new lines, format default" in ran.stdout
    assert "331 new lines, format custom-" in ran.stdout
    ran = lpaudit("ingest", "--log-format", "@x.conf", "c.log")
    assert ran.returncode == 3
    assert "none of the access logs that are configured" in ran.stderr
    assert "/var/log/b.log" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_log_that_is_configured_in_two_formats_is_not_guessed_at_in_a_directory_either(
    tmp_path, lpaudit, sample_logs
):
    frac = '%{begin:sec}t.%{begin:msec_frac}t %{end:msec}t %T %D "%r" %s'
    written = frac.replace('"', r"\"")
    (tmp_path / "x.conf").write_text(
        f'accesslog.filename = "FOLDER/a.log"\n$HTTP["url"] =^ "/x" {{ accesslog.format = "{written}" }}\n'
    )
    logs = tmp_path / "logs"
    logs.mkdir()
    lines = (sample_logs / "default.log").read_bytes() + (sample_logs / "frac.log").read_bytes()
    (logs / "a.log").write_bytes(lines)
    (logs / "error.log").write_bytes((sample_logs / "error.log").read_bytes())
    ran = lpaudit("ingest", "--log-format", "@x.conf", "logs")
    assert ran.returncode == 3
    assert "a.log may be in several formats" in ran.stderr
    assert "--former-format" in ran.stderr
    assert "31 new lines, format errorlog" in ran.stdout
    ran = lpaudit("ingest", "--log-format", "default", "--former-format", frac, "logs")
    assert "388 new lines, format custom-" in ran.stdout, ran.stderr
    assert "388 access, 0 quarantine" in ran.stdout


@pytest.mark.parametrize("kind", ["auto", "error"])
def test_the_error_log_beside_access_logs_needs_no_format(kind, tmp_path, lpaudit, sample_logs):
    (tmp_path / "x.conf").write_text(CONF.replace("FOLDER", "/var/log"))
    (tmp_path / "error.log").write_bytes((sample_logs / "error.log").read_bytes())
    ran = lpaudit("ingest", "--log-format", "@x.conf", "--kind", kind, "error.log")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "31 new lines, format errorlog" in ran.stdout


@pytest.mark.parametrize(
    "broken",
    [
        'accesslog.format = "%Y"',
        'accesslog.format = ""',
        "accesslog.format = ",
        'include "\x1b[31m.conf"',
        None,
    ],
)
def test_a_bad_configuration_is_said_in_words(broken, tmp_path, lpaudit):
    if broken is not None:
        (tmp_path / "x.conf").write_text(broken)
    (tmp_path / "a.log").write_text("x\n")
    ran: subprocess.CompletedProcess[str] = lpaudit("ingest", "--log-format", "@x.conf", "a.log")
    assert ran.returncode in (2, 3)
    assert ran.stderr.startswith("lpaudit: ")
    assert "hint: " in ran.stderr
    assert "Traceback" not in ran.stderr
    assert "\x1b" not in ran.stderr
