"""What the doctor says of formats: each warning where it belongs, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpaudit.doctor.findings import Severity, of_format, of_lines
from lpaudit.logformat import PRESETS
from lpaudit.redaction import masked, secret_name, secrets_in

GOOD = '%{begin:usec}t %{end:usec}t %a %{remote}p %k "%u" "%r" %s'


def codes(format_string):
    return [finding.code for finding in of_format(format_string)]


def test_a_good_format_gives_no_cause_for_complaint():
    assert codes(GOOD) == []
    assert codes(PRESETS["lpaudit"].format_string) == []


@pytest.mark.parametrize("name", PRESETS)
def test_no_preset_is_forgeable_or_logs_secrets(name):
    assert {f.severity for f in of_format(PRESETS[name].format_string)} <= {Severity.WARNING}


@pytest.mark.parametrize(
    "text",
    [
        "%{User-Agent}i",
        "ua=%{User-Agent}i",
        "'%{User-Agent}i'",
        "[%{Referer}i]",
        '"x" %r',
        "%U",
        "%q",
        "%f",
        "%{Host}i",
        "%{HTTP_USER_AGENT}e",
        "%{QUERY_STRING}e",
        "%{Location}o",
        '"%h" %{X-A}i "%u"',
        '%h\\t%{X-A}i "x"',
    ],
)
def test_a_clients_value_outside_quotes_is_forgeable(text):
    found = [f for f in of_format(f"{GOOD} {text} %b") if f.severity is Severity.FORGEABLE]
    assert len(found) == 1
    assert found[0].code == "unquoted"


@pytest.mark.parametrize(
    "text",
    [
        '"%{User-Agent}i"',
        'ua="%{User-Agent}i"',
        '"ua":"%{User-Agent}i"',
        '"%m %U?%q %H"',
        "x\\t%{User-Agent}i\\tx",
        "%V %v %u %m %H %a %h %s %{SSL_PROTOCOL}e %{REMOTE_USER}e %{Content-Type}o",
    ],
)
def test_what_a_client_cannot_choose_or_end_is_not(text):
    assert "unquoted" not in codes(f"{GOOD} {text} %b")


@pytest.mark.parametrize(
    "text",
    [
        "%{Authorization}i",
        "%{authorization}i",
        "%{Proxy-Authorization}i",
        "%{Cookie}i",
        "%{Set-Cookie}o",
        "%{session}C",
        "%{anything}C",
        "%{X-Api-Key}i",
        "%{X-Auth-Token}i",
        "%{HTTP_AUTHORIZATION}e",
        "%{HTTP_COOKIE}n",
    ],
)
def test_a_field_that_lets_its_reader_in_is_a_secret(text):
    (found,) = [f for f in of_format(f'{GOOD} "{text}"') if f.severity is Severity.SECRET]
    assert text in found.message


@pytest.mark.parametrize(
    "name", ["AUTH_JTI", "AUTH_FAIL", "Sec-WebSocket-Key", "X-Request-Id", "SSL_SESSION_ID"]
)
def test_names_that_are_no_secrets(name):
    assert not secret_name(name)


@pytest.mark.parametrize(
    ("format_string", "expected"),
    [
        ('%a %{remote}p %k %{begin:usec}t "%r" %s', ["no-identity"]),
        ('%a %k %{begin:usec}t "%u" "%r"', ["no-connection"]),
        ('%a %{remote}p %{begin:usec}t "%{REMOTE_USER}e" "%r"', ["no-connection"]),
        ('%a %{remote}p %k "%u" "%r"', ["no-time"]),
        ('%a %{remote}p %k "%u" %{end:usec}t', ["end-only"]),
        ('%a %{remote}p %k "%u" %t', ["end-only", "whole-seconds"]),
        ('%a %{remote}p %k "%u" %{begin:sec}t %{end:sec}t', ["whole-seconds"]),
        ('%a %{remote}p %k "%u" %{begin:sec}t.%{begin:msec_frac}t', ["frac"]),
        ('%a %{remote}p %k "%u" %{begin:%Y-%m-%d %H:%M:%S}t', ["whole-seconds", "no-offset"]),
        ('%a %{remote}p %k "%u" %{begin:%Y-%m-%d %H:%M:%S %z}t', ["whole-seconds"]),
        ('%a %{remote}p %k "%u" %{begin:%s}t', ["whole-seconds"]),
    ],
)
def test_what_a_format_lacks_is_a_warning(format_string, expected):
    assert codes(format_string) == expected


SECRETS = {
    'GET /?api_key=pnu_FAKE123abc HTTP/1.1"': "pnu_FAKE123abc",
    "GET /x?a=1&password=p%40ss&b=2 HTTP/1.1": "p%40ss",
    '"http://x/?access_token=FAKEsecret"': "FAKEsecret",
    '"Basic Ym9iOmJvYi1wdw=="': "Ym9iOmJvYi1wdw==",
    '"Bearer abc.def-ghi_jkl"': "abc.def-ghi_jkl",
    '"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJib2IifQ.c2lnbmF0dXJl"': "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJib2IifQ.c2lnbmF0dXJl",
    '"https://bob:hunter2@x/"': "hunter2",
    "x AKIAIOSFODNN7EXAMPLE y": "AKIAIOSFODNN7EXAMPLE",
}


@pytest.mark.parametrize("line", SECRETS)
def test_a_secret_in_a_line_is_found_and_not_repeated(line):
    found = list(of_lines([(7, line)]))
    assert found
    assert {f.severity for f in found} == {Severity.SECRET}
    for finding in found:
        assert "line 7" in finding.message
        assert SECRETS[line] not in finding.message
    assert SECRETS[line] not in masked(line)


@pytest.mark.parametrize("name", PRESETS)
def test_ordinary_lines_hold_no_secrets(name):
    assert not [line for line in PRESETS[name].samples if secrets_in(line)]
    assert all(masked(line) == line for line in PRESETS[name].samples)


@given(st.text(alphabet='eyJ.-_:/@?&=tokenBasic "pnu\\', max_size=300))
def test_what_was_masked_is_not_found_again_in_full(text):
    assert len(masked(text)) <= len(text) + text.count("/") + text.count("=") + text.count(" ") + 10
    masked(masked(text))


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", ["eyJa-", "://a", "?token=", "Basic ", "://a:b", "&a_", "pnu_", "xoxb-"])
def test_hostile_lines_take_no_longer_than_others(piece):
    line = piece * (1_000_000 // len(piece))
    for _ in range(3):
        secrets_in(line)
        masked(line)
