"""Format strings that cannot be used: what is wrong, where, and the caret under it."""

import pytest
from reading import layout

from lpaudit.errors import Exit, FormatError

MANY = "%a " * 64  # 128 fields: lighttpd refuses more than 127, and literal text between fields counts

CASES = {
    "unknown directive": ('%h "%Z"', 4, "unknown directive %Z"),
    "unknown directive with a name": ("%h %{x}Z", 3, "unknown directive %{x}Z"),
    "header without a name": ("%h %i", 3, "unknown directive %i"),
    "cookie without a name": ("%C", 0, "unknown directive %C"),
    "environment without a name": ("%e", 0, "unknown directive %e"),
    "never closed": ("%h %{Referer", 3, "%{ is never closed"),
    "closed by nothing after another": ("%{a}i %{b", 6, "%{ is never closed"),
    "empty name": ("%h %{}t", 3, "%{} has no name"),
    "empty header": ("%{}i", 0, "%{} has no name"),
    "nothing after the name": ("%h %{x}", 3, "it ends in the middle of a directive"),
    "trailing percent": ("%h %", 3, "it ends in the middle of a directive"),
    "trailing percent and arrow": ("%h %>", 3, "it ends in the middle of a directive"),
    "process id": ("%h %P", 3, "lighttpd does not support %P"),
    "Apache's request id": ("%L", 0, "%L is Apache's"),
    "Apache's handler": ("%h %R", 3, "%R is Apache's"),
    "mod_logio's": ("%S", 0, "%S is Apache's"),
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
    "unknown strftime conversion": ("%h %{%Y-%Q}t", 8, "strftime conversion %Q is not known"),
    "strftime form with an end": ("%{%Y-%}t", 5, "strftime conversion %"),
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
        r"\t%h\n\"\\",
    ],
)
def test_lighttpd_takes_these(text: str) -> None:
    assert layout(text).slots or text == "%{%%}t %%"


def test_one_clock_may_stand_twice() -> None:
    # lighttpd itself refuses this; a tool in between may have written it.
    assert len(layout("%t %t").slots) == 2
