"""Format strings that cannot be used: what is wrong, where, and the caret under it."""

import pytest
from reading import layout

from lpaudit.errors import Exit, FormatError

MANY = "%a " * 64  # 128 fields: lighttpd refuses more than 127, and literal text between fields counts

CASES = {
    "unknown directive": ('%h "%Z"', 4, "unknown directive %Z"),
    "unknown directive with a name": ("%h %{x}Z", 3, "unknown directive %{x}Z"),
    "never closed": ("%h %{Referer", 3, "%{ is never closed"),
    "closed by nothing after another": ("%{a}i %{b", 6, "%{ is never closed"),
    "empty name": ("%h %{}t", 3, "%{} has no name"),
    "empty header": ("%{}i", 0, "%{} has no name"),
    "nothing after the name": ("%h %{x}", 3, "it ends in the middle of a directive"),
    "trailing percent": ("%h %", 3, "it ends in the middle of a directive"),
    "trailing percent and arrow": ("%h %>", 3, "it ends in the middle of a directive"),
    "Apache's request id": ("%L", 0, "%L is Apache's"),
    "Apache's handler": ("%h %R", 3, "%R is Apache's"),
    "mod_logio's": ("%S", 0, "%S is Apache's"),
    "Apache's peer": ("%h %{c}a", 3, "%{c}a is Apache's"),
    "Apache's peer, resolved": ("%{c}h", 0, "%{c}h is Apache's"),
    "Apache's request trailer": ("%h %{VARNAME}^ti", 3, "what begins with ^ (trailers, %^FB) is Apache's"),
    "Apache's time to the first byte": ("%h %^FB", 3, "what begins with ^ (trailers, %^FB) is Apache's"),
    "Apache's TLS": ("%h %{SSL_PROTOCOL}x", 3, "%{…}x is mod_ssl's"),
    "Apache's TLS, older": ("%h %{version}c", 3, "%{…}c is mod_ssl's"),
    "Apache's status condition": ("%400,501{User-agent}i", 0, "a condition on the status is Apache's"),
    "Apache's negated condition": ("%h %!200,304{Referer}i", 3, "a condition on the status is Apache's"),
    "arrow before braces": ("%>{Referer}i", 0, "unknown directive %>{"),
    "arrow behind braces": ("%{Referer}>i", 0, "unknown directive %{Referer}>"),
    "two arrows": ("%h %<>s", 3, "unknown directive %<>"),
    "the beginning, as nothing": ("%h %{begin:}t", 3, "%{begin:}t writes no time"),
    "two strftime forms": ("%t %{begin:%Y}t", 3, "lighttpd knows one strftime form"),
    "two strftime forms, both written out": (
        "%{begin:%F %T}t x %{end:%T}t",
        18,
        "lighttpd knows one strftime form",
    ),
    "128 fields": (MANY, 0, "it has more than 127 fields"),
    "no fields": ("nothing here", 0, "it has no fields"),
    "empty": ("", 0, "it has no fields"),
    "only a percent sign": ("100%%", 0, "it has no fields"),
    "only what lighttpd writes nothing for": ("%P %C", 0, "it has no fields"),
    "a line end": (r"%h\n%s", 2, "a line cannot hold a line end"),
    "a line end behind the last field": (r"%h %s\n", 5, "a line cannot hold a line end"),
    "a line end that strftime writes": ("%h %{%F%n%T}t", 3, "a line cannot hold a line end"),
    "behind backslashes": (r"\"%h\" \%Z", 7, "unknown directive %Z"),
    "behind a backslash at the end": (r"\t%h %{Referer}\\", 5, "unknown directive %{Referer}\\"),
    "unknown strftime conversion": ("%h %{%Y-%Q}t", 8, "strftime conversion %Q is not known"),
    "strftime form with an end": ("%{%Y-%}t", 5, "strftime conversion %"),
    "strftime conversion of microseconds, as Python has it": (
        "%{%T.%f}t",
        5,
        "strftime conversion %f is not",
    ),
    "width of a word": ("%{%10a}t", 2, "strftime conversion %10a"),
    "strftime modifier that is none": ("%{%Ed}t", 2, "strftime conversion %Ed"),
    "flag of a compound": ("%{%-F}t", 2, "strftime conversion %-F"),
    "unknown unit": ("%{fortnight}T", 0, "%{fortnight}T has an unknown unit"),
    "unknown end of the connection": ("%h %{elsewhere}p", 3, "%{elsewhere}p"),
    "a misspelled time": ("%h %{begin:usecs}t", 3, "%{begin:usecs}t"),
    "a time of nothing": ("%h %{begin}t", 3, "%{begin}t"),
}


@pytest.mark.parametrize("name", CASES)
def test_it_says_what_and_where(name: str) -> None:
    text, position, reason = CASES[name]
    with pytest.raises(FormatError) as caught:
        layout(text)
    error = caught.value
    assert reason in error.reason
    if name != "128 fields":  # which one is too many is for the message to say
        assert error.position == position
    assert error.format_string == text
    assert error.exit == Exit.USAGE
    first, second, third = error.message.split("\n")
    assert first == f"cannot use this log format: {error.reason}"
    assert second == "  " + text
    assert third == "  " + " " * error.position + "^"
    assert error.hint


@pytest.mark.parametrize(
    "text",
    [
        "%h",
        "%>s",
        "%<s",
        "%%%h",
        "%a " * 63 + "%a",  # 127
        "".join(f"%{{h{i}}}i" for i in range(127)),
        "%{mask}a",
        "%{s}T",
        "%{ms}T",
        "%{us}T",
        "%{ns}T",
        "%{sec}T %{begin:sec}t",
        "%{nsec}T",
        "%{canonical}p %{local}p %{remote}p",
        "%{begin:sec}t %{begin:msec}t %{begin:usec}t %{begin:nsec}t %{end:nsec_frac}t",
        "%{%c}t",
        "%{%%}t %%",
        r"\t%h\r\"\\",
        # To lighttpd %l is literal text, and what is literal is one field.
        "%a %l " * 63 + "%a",
        "%h" * 126 + "%%abc%l%%",
        "%h %P %i",
        "%{begin:%Y-%m-%d %H}t",
    ],
)
def test_lighttpd_takes_these(text: str) -> None:
    assert layout(text).slots


def test_a_byte_that_is_not_utf8_in_a_configuration_file() -> None:
    with pytest.raises(FormatError) as caught:
        layout(b"%h \xe9 %s".decode("utf-8", "surrogateescape"))
    assert caught.value.reason == "it holds a byte that is not UTF-8"
    assert caught.value.message.encode()
    assert caught.value.position == 3


@pytest.mark.parametrize("text", ["%t %t", "%t %{begin:sec}t", "%{begin:sec}t %{end:sec}t", "%{%F}t %{%F}t"])
def test_times_that_cannot_contradict_each_other_may_stand_twice(text: str) -> None:
    # lighttpd itself refuses this; a tool in between may have written it.
    assert len(layout(text).slots) == 2
