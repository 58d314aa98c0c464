"""Formats that the doctor has never seen."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import FRAC

from lpaudit.doctor.propose import propose
from lpaudit.logformat import PRESETS, compile_layout
from lpaudit.logformat.parse import match_count
from lpaudit.model import Escaping

UTC = ZoneInfo("UTC")

WRITTEN = {
    '%v:%p %h %l %u %t "%r" %s %b "%{Referer}i" "%{User-Agent}i"': (
        'example.com:80 203.0.113.9 - alice [23/Nov/2026:10:15:45 +0000] "GET / HTTP/1.1" 200 512 "https://x/" "Mozilla/5.0"',
        'example.com:80 203.0.113.9 - - [23/Nov/2026:10:15:46 +0000] "GET /a HTTP/1.1" 404 51 "-" "curl/8.1"',
        'www.example.org:443 2001:db8::1 - - [23/Nov/2026:10:15:46 +0000] "  " 400 51 "-" "-"',
    ),
    "%{end:usec}t\\t%h:%{remote}p\\t%u\\t%m\\t%U\\t%s\\t%b\\t%{User-Agent}i": (
        "1795428823855992\t127.0.0.1:4312\tbob\tGET\t/x y\t200\t12\tcurl",
        "1795428823855999\t127.0.0.1:4313\t-\tPOST\t/z\t401\t-\tx y",
    ),
    'ts=%{begin:usec}t end=%{end:usec}t ra=%a user="%u" m=%m url="%U" st=%s ua="%{User-Agent}i"': (
        'ts=1795428823855992 end=1795428823855999 ra=::1 user="bob" m=GET url="/a b" st=200 ua="x\\" st=500"',
        'ts=1795428823855992 end=1795428823855999 ra=::1 user="-" m= url="" st=400 ua="-"',
    ),
    'tag=7%% time="%{end:%Y-%m-%dT%H:%M:%S%z}t" ip=%a request="%r" code=%s len=%b': (
        'tag=7% time="2026-11-23T10:15:45+0000" ip=10.0.0.1 request="GET / HTTP/1.1" code=200 len=7',
        'tag=7% time="2026-11-23T10:15:46+0100" ip=10.0.0.2 request="GET /x y HTTP/1.1" code=404 len=-',
    ),
    '{"a":"%a","r":"%r","s":%s,"t":"%{end:usec}t","D":%D}': (
        '{"a":"10.0.0.1","r":"GET /x y HTTP/1.1","s":200,"t":"1795428823855992","D":12}',
        '{"a":"::1","r":"  ","s":400,"t":"1795428823855999","D":-1}',
    ),
    "%h\\t%u\\t%{end:%d/%b/%Y:%H:%M:%S %z}t\\t%r\\t%s\\t%b\\t%{User-Agent}i": (
        "10.0.0.1\tbob\t30/Nov/2026:13:27:43 +0000\tGET /a HTTP/1.1\t200\t55\tcurl/8",
        "10.0.0.2\tann\t30/Nov/2026:13:27:44 +0000\tGET /b HTTP/1.1\t404\t5\tcurl/8",
    ),
    '"%h","%{unknown-1}e","%{end:%Y-%m-%d %H:%M:%S}t","%r","%s","%b","%{User-Agent}i"': (
        '"10.0.0.1","bob","2026-11-30 13:27:43","GET /a HTTP/1.1","200","55","curl/8"',
        '"10.0.0.2","ann","2026-11-30 13:27:44","GET /c HTTP/1.1","404","5","curl/8"',
    ),
    "%{end:%Y-%m-%d %H:%M:%S}t.%{end:msec_frac}t|%h|%{remote}p|%u|%m|%U|%s|%b|%{User-Agent}i": (
        "2026-11-30 13:27:43.123|10.0.0.1|51234|bob|GET|/api/x|200|12|curl/8.1",
        "2026-11-30 13:27:43.124|10.0.0.3|51236|ann|POST|/api/y|201|12|curl/8.1",
    ),
    '%h %u %t "%m" "%U" "%q" "%H" %s': (
        '10.0.0.1 bob [30/Nov/2026:13:27:43 +0000] "GET" "/a" "x=1" "HTTP/1.1" 200',
        '10.0.0.1 ann [30/Nov/2026:13:27:44 +0000] "POST" "/b" "" "HTTP/1.1" 201',
    ),
    '{"t":%{end:usec}t,"u":"%u","r":"%r","b":%b,"ua":"%{User-Agent}i"}': (
        '{"t":1796045185000000,"u":"bob","r":"GET / HTTP/1.1","b":12,"ua":"x"}',
        '{"t":1796045185000010,"u":"ann","r":"GET /q HTTP/1.1","b":13,"ua":"y"}',
    ),
    "time:%t\\thost:%{Host}i\\treq:%r\\tstatus:%s\\tsize:%b\\tua:%{User-Agent}i": (
        "time:[23/Nov/2026:10:15:45 +0000]\thost:rig\treq:GET / HTTP/1.1\tstatus:200\tsize:12\tua:Mozilla x",
        "time:[23/Nov/2026:10:15:46 +0000]\thost:rig\treq:  \tstatus:400\tsize:12\tua:-",
    ),
}


def block(lines):
    return "".join(line + "\n" for line in lines).encode()


@pytest.mark.parametrize("format_string", WRITTEN)
def test_the_format_that_wrote_the_lines_is_proposed(format_string):
    proposed = propose(block(WRITTEN[format_string]), UTC)
    assert proposed is not None
    assert proposed.format_string == format_string


def test_json_is_told_by_its_keys_and_its_escapes():
    lines = (
        '{"time":"2026-11-23T10:15:45+0000","client":"127.0.0.1","method":"GET","path":"/x","status":200,"ua":"Zürich","foo":"1"}',
        '{"time":"2026-11-23T10:15:46+0000","client":"::1","method":"PUT","path":"/\\"","status":401,"ua":"-","foo":"2"}',
    )
    proposed = propose(block(lines), UTC)
    assert proposed is not None
    assert proposed.escaping is Escaping.JSON
    assert proposed.format_string == (
        '{"time":"%{end:%Y-%m-%dT%H:%M:%S%z}t","client":"%a","method":"%m","path":"%U","status":%s,'
        '"ua":"%{User-Agent}i","foo":"%{foo}e"}'
    )


def test_the_sample_log_that_is_in_no_preset_is_told(sample_logs):
    proposed = propose((sample_logs / "frac.log").read_bytes(), UTC)
    assert proposed is not None
    assert proposed.format_string == FRAC


@pytest.mark.parametrize("name", PRESETS)
def test_the_presets_own_lines_get_a_format_that_matches_them(name):
    """Without knowing presets: not the same format, but one that reads the lines."""
    lines = block(PRESETS[name].samples)
    proposed = propose(lines, UTC)
    assert proposed is not None
    matched, count = match_count(compile_layout(proposed), lines)
    assert matched >= 0.8 * count


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "the quick brown fox 1\njumps over 2 lazy dogs\n",
        "2026-11-23 10:13:43: (server.c.1704) server started (lighttpd/1.4.69)\n",
        'id,name,value\n1,"a",2\n2,"b",3\n',
        "%h %t %r\n",
        '{"a": [1, 2, {"b": "c"}]}\n',
        "Nov 23 10:15:45 host sshd[12]: Failed password for root from 203.0.113.9 port 22 ssh2\n",
    ],
)
def test_what_is_no_access_log_gets_no_proposal(text):
    assert propose(text.encode(), UTC) is None


WORDS = ("GET / HTTP/1.1", "127.0.0.1", "200", "-", "[23/Nov/2026:10:15:45 +0000]", "ua=", '"st":')
MORE = ("1795428823855992", "1795428823.855", "/x", "::1", "a:1", "2026-11-23 10:15:45", "%h", "\x1b", "é")
PIECES = st.sampled_from([*'"\\[]{}:=, \t%', *WORDS, *MORE])


@given(st.lists(st.lists(PIECES, max_size=14).map("".join), max_size=4))
def test_what_is_proposed_compiles_and_matches(lines):
    sample = block(lines)
    proposed = propose(sample, UTC)
    if proposed is not None:
        matched, count = match_count(compile_layout(proposed), sample)
        assert matched
        assert matched >= 0.8 * count


@given(st.binary(max_size=200))
def test_no_bytes_break_it(data):
    propose(data, UTC)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("piece", ['"', "\\", "a=", '"a":', "[", "1.1.1.1:", "::", "/a", "a.", "1 ", '"a" '])
def test_hostile_lines_take_no_longer_than_others(piece):
    line = piece * (16_000 // len(piece))
    propose((line + "\n").encode() * 60, UTC)


@pytest.mark.parametrize(
    ("written", "escaping"),
    [(r"\u001b[m", "json"), (r"\\u001b", "default"), (r"\\\u001b", "json"), (r"\x1B\\u001b", "default")],
)
def test_the_escapes_of_json_tell_the_escaping(written, escaping):
    fields = '{"time":"[23/Nov/2026:10:15:45 +0000]","client":"192.0.2.7","status":200,"ua":"'
    proposed = propose(block([fields + written + '"}'] * 2), UTC)
    assert proposed is not None
    assert proposed.escaping == escaping
