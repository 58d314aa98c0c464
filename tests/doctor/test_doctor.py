"""`lpaudit doctor` as people and programs meet it."""

import gzip
import json

import pytest

from lpaudit.logformat import PRESETS

LINE = '127.0.0.1 rig bob [23/Nov/2026:10:15:45 +0000] "GET /j/ok HTTP/1.1" 404 22 "-" "-"\n'
FORGEABLE = "%a %{remote}p %k %{begin:usec}t %u %r %s"
FORGEABLE_LINE = "127.0.0.1 4312 0 1795428823855992 bob GET / HTTP/1.1 200\n"


@pytest.fixture
def examined(lpaudit):
    """Run the doctor; return its exit status and the diagnoses."""

    def run(*arguments):
        ran = lpaudit("doctor", "--format", "json", *arguments)
        assert "Traceback" not in ran.stderr
        return ran.returncode, json.loads(ran.stdout), ran.stderr

    return run


def codes(diagnosis):
    return [finding["code"] for finding in diagnosis["findings"]]


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_recognised(name, examined, tmp_path):
    (tmp_path / "a.log").write_text("".join(line + "\n" for line in PRESETS[name].samples))
    status, (diagnosis,), _ = examined("a.log")
    assert status == 0
    assert diagnosis["good"]
    assert diagnosis["origin"] == "preset"
    assert name in [p["name"] for p in diagnosis["presets"] if p["matched"] == p["lines"]]
    assert diagnosis["format"]["name"] == ("default" if name == "combined" else name)
    assert diagnosis["matched"] == diagnosis["lines"] == len(PRESETS[name].samples)


@pytest.mark.parametrize(
    ("log", "origin", "expected"),
    [
        ("default.log", "preset", {"secret-value", "no-connection", "end-only", "whole-seconds"}),
        ("audit.json.log", "preset", {"secret-value", "frac"}),
        ("audit.log.gz", "preset", {"secret-value", "frac"}),
        ("frac.log", "proposed", {"no-identity", "no-connection", "frac"}),
    ],
)
def test_the_sample_logs_are_judged(log, origin, expected, examined, sample_logs):
    status, (diagnosis,), _ = examined(sample_logs / log)
    assert status == 1
    assert diagnosis["origin"] == origin
    assert set(codes(diagnosis)) == expected
    assert diagnosis["matched"] == diagnosis["lines"]


def test_first_lines_are_shown_field_by_field(examined, lpaudit, tmp_path):
    (tmp_path / "a.log").write_text(LINE.replace('"-"\n', '"a\\x1B[31mb\\xE2\\x80\\xAE"\n'))
    _, (diagnosis,), _ = examined("a.log")
    fields = {(f["directive"], f["column"]): f["values"] for f in diagnosis["fields"]}
    assert fields["%h", "client_address"] == ["127.0.0.1"]
    assert fields["%V", "url_domain"] == ["rig"]
    assert fields["%t", "event_end"] == ["2026-11-23T10:15:45Z"]
    assert fields["%r", "url_original"] == ["/j/ok"]
    assert fields["%>s", "http_response_status_code"] == [404]
    assert fields["%{Referer}i", "http_request_referrer"] == [None]
    assert fields["%{User-Agent}i", "user_agent_original"] == ["a\x1b[31mb\u202e"]
    shown = lpaudit("doctor", "a.log").stdout
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "a\\x1b[31mb\\u202e" in shown


def test_secrets_are_found_and_not_shown_again(examined, lpaudit, tmp_path):
    secret = "pnu_FAKE0123456789"
    (tmp_path / "a.log").write_text(
        LINE.replace("/j/ok", f"/j/s?api_key={secret}") + LINE + f"broken {secret} line\n"
    )
    status, (diagnosis,), _ = examined("a.log")
    assert status == 1
    assert not diagnosis["good"]
    assert {"secret-value", "unreadable"} <= set(codes(diagnosis))
    for ran in (lpaudit("doctor", "a.log"), lpaudit("doctor", "--format", "json", "a.log")):
        assert secret not in ran.stdout + ran.stderr


def test_a_field_for_secrets_is_found_by_its_name_and_not_shown(examined, tmp_path):
    (tmp_path / "a.log").write_text('127.0.0.1 1795428823855992 "GET / HTTP/1.1" "Secret wert" "abc"\n')
    status, (diagnosis,), _ = examined(
        "--log-format", '%a %{begin:usec}t "%r" "%{Authorization}i" "%{sid}C"', "a.log"
    )
    assert status == 1
    assert codes(diagnosis).count("secret-field") == 2
    values = [f["values"] for f in diagnosis["fields"] if f["directive"] in ("%{Authorization}i", "%{sid}C")]
    assert values == [["(a secret, not shown)"]] * 2


def test_forgeable_fields_make_the_answer_no(examined, tmp_path):
    (tmp_path / "a.log").write_text(FORGEABLE_LINE)
    status, (diagnosis,), _ = examined("--log-format", FORGEABLE, "a.log")
    assert status == 1
    assert diagnosis["origin"] == "told"
    assert diagnosis["findings"][0]["severity"] == "forgeable"


def test_warnings_alone_do_not(examined, tmp_path):
    (tmp_path / "a.log").write_text(LINE)
    status, (diagnosis,), _ = examined("a.log")
    assert status == 0
    assert {f["severity"] for f in diagnosis["findings"]} == {"warning"}


def test_lines_that_match_nothing_are_counted_by_reason(examined, tmp_path):
    (tmp_path / "a.log").write_bytes((LINE * 5).encode() + b"odd\n\nodd too\nnul \0\n\xff\n")
    status, (diagnosis,), _ = examined("a.log")
    assert status == 0
    assert (diagnosis["lines"], diagnosis["matched"]) == (9, 5)
    messages = " ".join(f["message"] for f in diagnosis["findings"] if f["code"] == "unreadable")
    assert "2 lines cannot be read (no-match); line 6: odd" in messages
    assert "(blank); line 7" in messages
    assert "(nul-bytes); line 9" in messages
    assert "(invalid-utf8); line 10" in messages


def test_a_told_format_that_does_not_fit_makes_the_answer_no(examined, tmp_path):
    (tmp_path / "a.log").write_text(LINE)
    status, (diagnosis,), _ = examined("--log-format", "audit", "a.log")
    assert status == 1
    assert [p["name"] for p in diagnosis["presets"]] == ["default", "combined"]
    assert "the format audit matches none of the lines" in diagnosis["findings"][0]["message"]


def test_what_is_in_no_format_makes_the_answer_no(examined, lpaudit, tmp_path):
    (tmp_path / "a.log").write_text("the quick brown fox\njumps \x1b[31mover\n")
    status, (diagnosis,), _ = examined("a.log")
    assert (status, diagnosis["origin"], diagnosis["format"]) == (1, "none", None)
    shown = lpaudit("doctor", "a.log").stdout
    assert "no format was found that fits" in shown
    assert "\x1b" not in shown


def test_a_word_more_in_front_is_noticed(examined, tmp_path):
    """`default` would match, with the virtual host for the client's address."""
    (tmp_path / "a.log").write_text(("example.com:80 " + LINE) * 3)
    status, (diagnosis,), _ = examined("a.log")
    assert status == 1
    assert diagnosis["format"]["accesslog.format"].startswith("%v:%p %h ")


def test_compressed_logs_and_pipes_are_read(examined, lpaudit, tmp_path):
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(LINE.encode() * 9))
    assert examined("a.log.gz")[1][0]["matched"] == 9
    ran = lpaudit("doctor", "--format", "json", "-", input=LINE * 3)
    assert json.loads(ran.stdout)[0]["matched"] == 3


def test_a_large_log_is_looked_at_only_in_its_beginning(examined, tmp_path):
    (tmp_path / "a.log").write_text(LINE * 100_000)
    _, (diagnosis,), _ = examined("a.log")
    assert not diagnosis["whole_log"]
    assert 10_000 < diagnosis["lines"] == diagnosis["matched"] < 100_000


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.log", None, "no such file"),
        ("empty.log", b"", "is empty"),
        ("blank.log", b"\n \n", "is empty"),
        ("binary", bytes(range(256)) * 9, "NUL bytes"),
        ("cut.gz", gzip.compress(LINE.encode() * 999, mtime=0)[:40], ": the compressed data ends early\n"),
    ],
)
def test_what_cannot_be_judged_is_an_error_with_a_hint(name, content, said, lpaudit, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    (tmp_path / "good.log").write_text(LINE)
    ran = lpaudit("doctor", name, "good.log")
    assert ran.returncode == 3
    assert said in ran.stderr
    assert "hint: " in ran.stderr
    assert "read as: default" in ran.stdout  # the others are judged all the same


def test_the_configuration_says_the_format(examined, tmp_path):
    (tmp_path / "x.conf").write_text(f'accesslog.filename = "/a.log"\naccesslog.format = "{FORGEABLE}"\n')
    (tmp_path / "a.log").write_text(FORGEABLE_LINE)
    status, (diagnosis,), _ = examined("--log-format", "@x.conf", "a.log")
    assert status == 1
    assert diagnosis["format"]["accesslog.format"] == FORGEABLE
    assert diagnosis["matched"] == 1


def test_it_writes_nothing(lpaudit, tmp_path):
    (tmp_path / "a.log").write_text(LINE)
    lpaudit("doctor", ".")
    assert [path.name for path in tmp_path.iterdir()] == ["a.log"]


@pytest.mark.parametrize("first", ["", "PHP Warning:  oops\n"])
def test_an_error_log_is_no_mistake_but_secrets_in_it_are(first, lpaudit, tmp_path):
    told = "2026-11-23 10:13:43: (mod_auth.c.805) missing ':' in "
    started = "2026-11-23 10:13:43: (server.c.1704) server started (lighttpd/1.4.69)\n"
    (tmp_path / "error.log").write_text(first + started)
    ran = lpaudit("doctor", "error.log")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.endswith("error log: `lpaudit ingest` stores it in server_event\n")
    (tmp_path / "error.log").write_text(first + told + "hunter2\n" + told + "hunter3\n")
    ran = lpaudit("doctor", "error.log")
    assert ran.returncode == 1, ran.stderr
    assert "secret: what looks like a secret is in 2 of its lines" in ran.stdout
    assert "hunter" not in ran.stdout + ran.stderr
