r"""Every directive's odd values, a line each."""

from datetime import UTC, datetime

import pytest
from reading import DEFAULT, layout, normalised, plain, rejected, row, rows

from lpaudit.logformat import parse

LARGEST = 2**63 - 1


def test_empty_block_has_no_rows() -> None:
    parsed = parse(layout("%h"), b"")
    assert parsed.columns.height == 0
    assert parsed.lengths.to_list() == []


def test_only_the_last_line_may_lack_its_end() -> None:
    parsed = parse(layout("%s"), b"200\n404")
    assert parsed.lengths.to_list() == [4, 3]
    assert parsed.columns["http_response_status_code"].to_list() == [200, 404]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"", b"\r"])
def test_line_ends(end: bytes) -> None:
    parsed = parse(layout("%s"), b"200" + end)
    note = {} if end.endswith(b"\n") else {"parse_note": "no-line-end"}
    assert plain(parsed.columns) == [{"http_response_status_code": 200, **note}]
    assert parsed.lengths.to_list() == [3 + len(end)]


@pytest.mark.parametrize("line", [b"", b" ", b"\t ", b"\r"])
def test_blank_lines(line: bytes) -> None:
    assert rejected(DEFAULT, line) == "blank"


@pytest.mark.parametrize(
    ("directive", "column", "largest"),
    [
        ("%b", "http_response_body_bytes", LARGEST),
        ("%B", "http_response_body_bytes", LARGEST),
        ("%O", "http_response_bytes", LARGEST),
        ("%I", "http_request_bytes", LARGEST),
        ("%k", "connection_request_number", 2**31 - 1),
        ("%p", "server_port", 65_535),
        ("%{local}p", "server_port", 65_535),
        ("%{canonical}p", "server_port", 65_535),
        ("%{remote}p", "client_port", 65_535),
    ],
)
def test_whole_numbers(directive: str, column: str, largest: int) -> None:
    form = f"{directive} x"
    assert row(form, b"0 x") == {column: 0}
    assert row(form, b"007 x") == {column: 7}
    assert row(form, b"%d x" % largest) == {column: largest}
    assert row(form, b"- x") == {}
    assert row(form, b" x") == {}
    for number in (largest + 1, 10**30):
        assert rejected(form, b"%d x" % number) == "number-out-of-range"
    for text in (b"1.5", b"+1", b"0x10", b"1 ", b"--1", b"\xd9\xa1"):
        assert rejected(form, text + b" x") is not None


@pytest.mark.parametrize("directive", ["%s", "%>s", "%<s"])
def test_status_has_up_to_three_digits(directive: str) -> None:
    assert row(directive, b"200") == {"http_response_status_code": 200}
    assert row(directive, b"0") == {"http_response_status_code": 0}
    for text in (b"2000", b"-1", b"-", b"20x"):
        assert rejected(directive, text) == "no-match"


@pytest.mark.parametrize(
    ("directive", "factor"),
    [("%T", 10**6), ("%{s}T", 10**6), ("%{ms}T", 10**3), ("%{us}T", 1), ("%D", 1)],
)
def test_durations(directive: str, factor: int) -> None:
    assert row(directive, b"3") == {"event_duration_us": 3 * factor}
    assert row(directive, b"-1") == {"parse_note": "negative-duration"}
    assert row(directive + " x", b"- x") == {}
    assert rejected(directive, b"%d" % 2**63) == "number-out-of-range"
    largest = LARGEST // factor
    assert row(directive, b"%d" % largest) == {"event_duration_us": largest * factor}
    if factor > 1:
        # It would not fit as microseconds.
        assert rejected(directive, b"%d" % (largest + 1)) == "number-out-of-range"


def test_nanoseconds_are_cut_to_microseconds() -> None:
    assert row("%{ns}T", b"1999") == {"event_duration_us": 1}


def test_the_finest_duration_counts() -> None:
    assert row("%T %D %{ms}T", b"1 1234567 1235")["event_duration_us"] == 1_234_567
    # Plain %T lags behind the request's start under load; the finer one is still good.
    assert row("%T %D", b"-1 41375") == {"event_duration_us": 41_375, "parse_note": "negative-duration"}


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "192.0.2.0", "::1", "2001:db8:1::", "::ffff:192.0.2.7", "fe80::1%eth0"]
)
@pytest.mark.parametrize("directive", ["%h", "%a", "%{mask}h", "%{mask}a"])
def test_addresses_are_kept_as_written(directive: str, address: str) -> None:
    assert row(directive + " %s", address.encode() + b" 200")["client_address"] == address


def test_absent_values_are_null() -> None:
    form = '%A %v %V %u "%f" "%{Referer}i" "%{Location}o" "%{X}e" "%{Y}n" %l %s'
    assert row(form, b'- - - - "-" "-" "-" "-" "-" - 200') == {"http_response_status_code": 200}


def test_values_that_are_written_empty() -> None:
    form = '"%{sid}C" "%q" "%U" "%m" "%H" %A: %s'
    assert row(form, b'"" "" "" "" "" : 200') == {
        "fields": {"%{sid}C": ""},
        "url_query": "",
        "url_path": "",
        "http_request_method": "",
        "network_protocol": "",
        "server_address": "",
        "http_response_status_code": 200,
    }


def test_a_dash_is_a_value_where_absence_is_written_empty() -> None:
    assert row('"%{sid}C" "%q" "%U" %X %s', b'"-" "-" "-" - 200') == {
        "fields": {"%{sid}C": "-"},
        "url_query": "-",
        "url_path": "-",
        "connection_state": "-",
        "http_response_status_code": 200,
    }


@pytest.mark.parametrize("state", ["+", "-", "X"])
def test_connection_states(state: str) -> None:
    assert row("%X", state.encode()) == {"connection_state": state}


def test_no_other_connection_state() -> None:
    assert rejected("%X", b"Y") == "no-match"


def test_fields_without_a_column_alone() -> None:
    """A format may hold nothing that has a column of its own."""
    parsed = parse(layout('"%{a}C" "%{b}i"'), b'"x" "-"\n"" "y"\nz\n')
    expected = [{"fields": {"%{a}C": "x"}}, {"fields": {"%{a}C": "", "%{b}i": "y"}}]
    assert plain(parsed.columns)[:2] == expected
    assert normalised(parsed)[:2] == expected
    assert plain(parsed.columns)[2] == {"reject_reason": "no-match", "raw": "z"}


def test_fields_without_a_column_and_without_a_value() -> None:
    assert rows(layout("%l"), b"-\n-\n") == [{}, {}]


def test_a_directive_that_stands_twice_says_the_same_twice() -> None:
    assert row('%h %a "%{A}i" "%{A}i"', b'::1 ::1 "x" "x"') == {
        "client_address": "::1",
        "fields": {"%{A}i": "x"},
    }


REQUESTS = {
    b"GET / HTTP/1.1": ("GET", "/", "/", None, "HTTP/1.1"),
    b"GET /?  HTTP/1.1": ("GET", "/? ", "/", " ", "HTTP/1.1"),
    b"GET /a?b?c HTTP/1.1": ("GET", "/a?b?c", "/a", "b?c", "HTTP/1.1"),
    b"GET /a? HTTP/1.1": ("GET", "/a?", "/a", "", "HTTP/1.1"),
    b"GET /a b c HTTP/1.1": ("GET", "/a b c", "/a b c", None, "HTTP/1.1"),
    b"GET /a?b c HTTP/1.1": ("GET", "/a?b c", "/a", "b c", "HTTP/1.1"),
    b"CONNECT  HTTP/1.1": ("CONNECT", "", "", None, "HTTP/1.1"),
    b"PRI * HTTP/2.0": ("PRI", "*", "*", None, "HTTP/2.0"),
    b"  ": ("", "", "", None, ""),
    b"  HTTP/1.1": ("", "", "", None, "HTTP/1.1"),
    b"": ("", "", "", None, ""),
    b"-": ("", "-", "-", None, ""),
    b"GET": ("", "GET", "GET", None, ""),
    b"GET /x": ("", "GET /x", "GET /x", None, ""),
    rb"GET /\"\\\x3F?\xC3\xA9\xFF HTTP/1.1": ("GET", '/"\\??é\\xff', '/"\\?', "é\\xff", "HTTP/1.1"),
}


@pytest.mark.parametrize("request_line", REQUESTS)
def test_request_lines(request_line: bytes) -> None:
    method, original, path, query, protocol = REQUESTS[request_line]
    expected = {
        "http_request_method": method,
        "url_original": original,
        "url_path": path,
        "url_query": query,
        "network_protocol": protocol,
    }
    expected = {k: v for k, v in expected.items() if v is not None}
    assert row('"%r"', b'"' + request_line + b'"') == expected
    # Nothing quotes it, and another field follows.
    if request_line:
        assert row("%r|%s", request_line + b"|200") == expected | {"http_response_status_code": 200}


def test_more_exact_directives_win_over_the_request_line() -> None:
    got = row('"%r" "%m" "%U" "%q" "%H"', b'"GET /p/a?x HTTP/1.1" "GET" "/a" "" "HTTP/1.1"')
    assert (got["url_original"], got["url_path"], got["url_query"]) == ("/p/a?x", "/a", "")


def test_a_user_with_spaces_that_nothing_quotes() -> None:
    line = b'127.0.0.1 rig bob the builder [23/Nov/2026:10:15:45 +0000] "GET / HTTP/1.1" 200 2 "-" "-"'
    assert row(DEFAULT, line)["user_name"] == "bob the builder"


def test_values_that_nothing_quotes_end_alike_on_every_path() -> None:
    """A target with spaces must not change where the fields after it end."""
    form = '"%r" %s %{Referer}i %{User-Agent}i'
    for target in (b"/a", b"/a b"):
        got = row(form, b'"GET ' + target + b' HTTP/1.1" 200 - Mozilla/5.0 (X11; Linux)')
        assert got.get("http_request_referrer") is None
        assert got["user_agent_original"] == "Mozilla/5.0 (X11; Linux)"


def test_a_file_name_with_spaces_that_nothing_quotes() -> None:
    assert row("%f %s", b"/srv/a b 200") == {"fields": {"%f": "/srv/a b"}, "http_response_status_code": 200}


ESCAPES = {
    rb"\"\\\a\b\t\n\v\f\r": '"\\\a\b\t\n\v\f\r',
    rb"\\x41": "\\x41",
    rb"\\\x41": "\\A",
    rb"\\\\x41": "\\\\x41",
    rb"\xC3\xBC": "ü",
    rb"\xc3\xbc": "ü",
    rb"\xE2\x98\x83": "☃",
    rb"\xF0\x9F\x98\x80": "\U0001f600",
    rb"caf\xE9": "caf\\xe9",
    rb"\xE2\x98": "\\xe2\\x98",
    rb"\xC3": "\\xc3",
    rb"\xC0\xAF": "\\xc0\\xaf",
    rb"\xED\xA0\x80": "\\xed\\xa0\\x80",
    rb"\x00\x1B[0m\x7F": "\x00\x1b[0m\x7f",
    rb"\xC3\\\xBC": "\\xc3\\\\xbc",
    rb"\q\xZZ\x4": "\\q\\xZZ\\x4",
}


@pytest.mark.parametrize("escaped", ESCAPES)
@pytest.mark.parametrize("directive", ["%{User-Agent}i", "%u", "%V", "%v", "%U", "%q"])
def test_default_escapes(directive: str, escaped: bytes) -> None:
    (value,) = row(f'"{directive}"', b'"' + escaped + b'"').values()
    assert value == ESCAPES[escaped]


JSON_ESCAPES = {
    rb"\"\\\/\a\b\t\n\v\f\r": '"\\/\a\b\t\n\v\f\r',
    rb"\u0000\u001B[31m\u001b": "\x00\x1b[31m\x1b",
    rb"\\u0041": "\\u0041",
    rb"\x41": "\\x41",
    "ü☃\U0001f600".encode(): "ü☃\U0001f600",
    b"caf\xe9 \xff\xfe": "caf\\xe9 \\xff\\xfe",
    b'\xc3\\"': '\\xc3"',
    b"\\\\\xe9": "\\\\xe9",
    b"\\\\\\\\\xe9": "\\\\\\xe9",
    b"\x7f": "\x7f",
    # lighttpd 1.4.77 and later: bytes 0x80 to 0x9f are escaped one by one, inside of UTF-8 too.
    b"\xe2\\u0098\\u0083": "☃",
    b"\xf0\\u009F\\u0098\\u0080": "\U0001f600",
    b"\\u0085": "\\x85",
    b"\\u007F": "\x7f",
}


@pytest.mark.parametrize("escaped", JSON_ESCAPES)
@pytest.mark.parametrize("directive", ["%{User-Agent}i", "%u", "%V"])
def test_json_escapes(directive: str, escaped: bytes) -> None:
    (value,) = row(f'{{"x":"{directive}"}}', b'{"x":"' + escaped + b'"}', json=True).values()
    assert value == JSON_ESCAPES[escaped]


def test_an_injected_quote_stays_inside_of_its_field() -> None:
    got = row('ua="%{User-Agent}i" st=%s user="%u"', rb'ua="x\" st=200 user=\"alice\"" st=401 user="-"')
    assert got == {"user_agent_original": 'x" st=200 user="alice"', "http_response_status_code": 401}


@pytest.mark.parametrize("value", [b'a"b', b"a\\", b"tab\tinside", b"\x7f"])
def test_what_lighttpd_would_have_escaped_does_not_match(value: bytes) -> None:
    assert rejected('"%{A}i" %s', b'"' + value + b'" 200') == "no-match"


def test_backslash_escapes_of_the_format_string() -> None:
    assert row(r"%s\t%h\\\"%b", b'200\t::1\\"7') == {
        "http_response_status_code": 200,
        "client_address": "::1",
        "http_response_body_bytes": 7,
    }


# What cannot be read at all.


def test_nul_bytes() -> None:
    got = row(DEFAULT, b"\0" * 20)
    assert got == {"reject_reason": "nul-bytes", "raw": "\0" * 20}


UTF8 = b'127.0.0.1 rig bob [23/Nov/2026:10:15:45 +0000] "GET / HTTP/1.1" 200 2 "-" "%s"'


@pytest.mark.parametrize("company", [b"", b"\n", UTF8 % b"-" + b"\n", b"garbage\n", b"\xff\n"])
def test_bytes_that_are_not_utf8_are_never_default_escaping(company: bytes) -> None:
    block = company + UTF8 % b"caf\xe9" + b"\n"
    assert rows(layout(DEFAULT), block)[-1] == {
        "reject_reason": "invalid-utf8",
        "raw": (UTF8 % b"caf\xe9").decode("utf-8", "backslashreplace"),
    }


def test_raw_utf8_is_not_default_escaping_either() -> None:
    assert rejected(DEFAULT, UTF8 % "ü".encode()) == "no-match"


@pytest.mark.parametrize("company", [b"", b"\n", b'{"u":"x"}\n', b"garbage\n", b"\xff\n"])
def test_bytes_that_are_not_utf8_are_good_json_escaping(company: bytes) -> None:
    block = company + b'{"u":"caf\xe9 \xc3\xbc"}\n'
    assert rows(layout('{"u":"%u"}', json=True), block)[-1] == {"user_name": "caf\\xe9 ü"}


def test_long_lines() -> None:
    megabyte = 1 << 20
    form = layout('"%{A}i"')
    longest = b'"' + b"x" * (megabyte - 3) + b'"\n'
    assert len(longest) == megabyte
    too_long = b'"' + b"x" * (megabyte - 2) + b'"\n'
    block = b'"a"\n' + longest + too_long + b'"b"\n'
    first, good, bad, last = rows(form, block)
    assert (first, last) == ({"fields": {"%{A}i": "a"}}, {"fields": {"%{A}i": "b"}})
    assert len(good["fields"]["%{A}i"]) == megabyte - 3  # type: ignore[index]
    assert bad == {"reject_reason": "too-long", "raw": '"' + "x" * ((1 << 16) - 1)}
    assert parse(form, block).lengths.sum() == len(block)


def test_a_long_line_of_anything_is_too_long() -> None:
    for byte in (b"\0", b"\xff", b" "):
        got = row("%h", byte * ((1 << 20) + 5))
        assert got["reject_reason"] == "too-long"
        assert len(str(got["raw"])) <= 1 << 16


def test_columns_of_a_rejected_line_are_null() -> None:
    parsed = parse(layout("%h %p"), b"::1 80\n::1 65536\n")
    assert plain(parsed.columns) == [
        {"client_address": "::1", "server_port": 80},
        {"reject_reason": "number-out-of-range", "raw": "::1 65536"},
    ]


def test_the_first_reason_of_several_stands() -> None:
    assert rejected("%p %t", b"65536 [31/Feb/2026:00:00:00 +0000]") in (
        "number-out-of-range",
        "bad-timestamp",
    )


def test_time_is_utc() -> None:
    assert row("%t", b"[01/Jan/2026:00:30:00 +0100]") == {
        "event_end": datetime(2025, 12, 31, 23, 30, tzinfo=UTC)
    }


# Formats that people do not write, and lighttpd takes.


def test_a_backslash_before_a_percent_sign_is_undone_first() -> None:
    assert row(r"\%h\t\\%s \%%", b"::1\t\\200 %") == {
        "client_address": "::1",
        "http_response_status_code": 200,
    }
    assert row(r"%{User\-Agent}i\"%{begin:%Y-%m\t%d}t", b'x"2026-11\t23') == {
        "user_agent_original": "x",
        "event_start": datetime(2026, 11, 23, tzinfo=UTC),
    }


@pytest.mark.parametrize("silent", ["%P", "%<P", "%{pid}P", "%{x}l", "%{x}%", "%i", "%o", "%C"])
def test_what_lighttpd_writes_nothing_for(silent: str) -> None:
    assert row(f"[{silent}]%s", b"[]200") == {"http_response_status_code": 200}
    assert rejected(f"[{silent}]%s", b"[-]200") == "no-match"


@pytest.mark.parametrize("directive", ["%e", "%n"])
def test_environment_without_a_name_is_a_dash_up_to_1_4_69_and_then_nothing(directive: str) -> None:
    assert row(f"[{directive}]%s", b"[-]200") == {"http_response_status_code": 200}
    assert row(f"[{directive}]%s", b"[]200")["http_response_status_code"] == 200
    assert rejected(f"[{directive}]%s", b"[x]200") == "no-match"


def test_idents_that_nothing_separates() -> None:
    assert row("%l%l%%%<l%u", b"--%-bob") == {"user_name": "bob"}


def test_a_value_may_hold_the_literal_behind_it() -> None:
    assert row("%Vx%s", b"axbx200") == {"url_domain": "axb", "http_response_status_code": 200}
    assert row("%hf %s", b"fe80::1f 200") == {"client_address": "fe80::1", "http_response_status_code": 200}
    assert row("%m, %H.%s", b"GET, HTTP/1.1.200") == {
        "http_request_method": "GET",
        "network_protocol": "HTTP/1.1",
        "http_response_status_code": 200,
    }


def test_a_host_with_spaces() -> None:
    """Where server.http-parseopts has host-strict switched off, a client may send any."""
    assert row("%h %V %t", b"::1 rig alice [23/Nov/2026:10:15:45 +0000]")["url_domain"] == "rig alice"
    # Nothing says where a host ends and a user begins: as early as can be, and never just "alice".
    got = row(DEFAULT, b'::1 rig alice - [23/Nov/2026:10:15:45 +0000] "GET / HTTP/1.1" 401 2 "-" "-"')
    assert (got["url_domain"], got["user_name"]) == ("rig", "alice -")


@pytest.mark.parametrize("form", ["%a %{mask}a", "%{mask}h %h", "%{mask}a %h"])
def test_an_address_and_its_mask_are_both_kept(form: str) -> None:
    exact, masked = b"2001:db8:1:2::7", b"2001:db8:1::"
    written = [masked if "mask" in directive else exact for directive in form.split()]
    name = next(directive for directive in form.split() if "mask" in directive)
    assert row(form, b" ".join(written)) == {
        "client_address": exact.decode(),
        "fields": {name: masked.decode()},
    }
    assert row("%{mask}a", masked) == {"client_address": masked.decode()}
