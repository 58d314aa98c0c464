"""Texts that somebody wrote into a log, or a name, to do something with a reader."""

TEXTS = [
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1:A9)",
    "\uff1d1+1",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</title></svg><b>",
    '#panic("typst") $x$ *b* _i_ @ref <label> #include "/etc/passwd"',
    "\\u{202e} \\ #",
    "| a | b | [x](http://evil.example) `c` # h",
    "\x1b[31mred\x1b]0;title\x07",
    "abc\u202egpj.exe",
    "\u200bhidden\ufeff",
    "bell\x07 tab\t vt\x0b ff\x0c cr\r lf\n del\x7f c1\x85 non\ufffe\uffff",
    "_x0041_ _x001B_",
    "\u4e2d\u6587 \u0627\u0644 \U0001f600 \u0301",
    "{{ 7*7 }} {% raw %} {denied.rows} %s ${jndi:x}",
    "http://evil.example/ mailto:x@evil.example file:///etc/passwd",
    "]]> &amp; &#x41; ' \" ",
]

HOSTILE = "".join(TEXTS)


def escaped(text):
    """The text as lighttpd writes it into a log."""
    return "".join(
        c
        if " " < c < "\x7f" and c not in '"\\'
        else "".join(f"\\x{b:02x}" for b in c.encode("utf-8", "surrogatepass"))
        for c in text
    )


ESCAPED = [escaped(text) for text in TEXTS]
USERS = [escaped(text).replace(" ", "") for text in TEXTS]

FRAMEWORK = b"""
id = "mine"
title = "Mine"
description = "Of tests alone."
base = "access"
[[control]]
id = "C1"
intent = "Nobody changes what he may not."
checks = ["denied", "coverage-gaps"]
not_shown = "Whether it was right."
[[control]]
id = "AC-6(9)"
intent = "Privileged use is logged."
checks = ["privileged"]
not_shown = "Whose hands they were."
[[control]]
id = "7.4"
intent = "Doors are locked."
not_shown = "Everything: no log knows doors."
"""
"""A framework with controls: of two questions, of one and of none."""
