"""What `lpaudit doctor` found, in words for people and as values for programs."""

import sys
from collections.abc import Sequence

from lpaudit import console
from lpaudit.console import print_line
from lpaudit.doctor import Diagnosis, Finding

_WIDEST_VALUE = 40  # characters of a field's value in the table; JSON has all of it
_WIDEST_LINE = 160


def as_json(diagnosis: Diagnosis) -> dict[str, object]:
    """Return a diagnosis as it is written for programs."""
    log_format = diagnosis.log_format
    return {
        "log": diagnosis.log,
        "good": diagnosis.good and diagnosis.error is None,
        "error": diagnosis.error,
        "hint": diagnosis.hint,
        "note": diagnosis.note,
        "lines": diagnosis.lines,
        "whole_log": diagnosis.whole,
        "presets": [{"name": f.name, "matched": f.matched, "lines": f.lines} for f in diagnosis.fits],
        "origin": diagnosis.origin,
        "format": log_format
        and {
            "name": log_format.name,
            "accesslog.format": log_format.format_string,
            "accesslog.escaping": str(log_format.escaping),
        },
        "matched": diagnosis.matched,
        "first_lines": [{"line": n, "reason": reason, "text": text} for n, reason, text in diagnosis.shown],
        "lines_read": list(diagnosis.read),
        "fields": [
            {"directive": f.directive, "column": f.column, "values": list(f.values)} for f in diagnosis.fields
        ],
        "findings": findings_as_json(diagnosis.findings),
    }


def findings_as_json(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """Return findings as they are written for programs."""
    return [
        {"severity": str(f.severity), "code": f.code, "message": f.message, "hint": f.hint} for f in findings
    ]


def print_findings(what: str, findings: Sequence[Finding]) -> None:
    """Print what is wrong with lighttpd's configuration."""
    count = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
    print_line(f"{what}: {count if findings else 'nothing to complain about'}")
    _print_each(findings)


def print_diagnosis(diagnosis: Diagnosis) -> None:
    """Print what was found out about one log."""
    if diagnosis.note is not None:
        print_line(f"{diagnosis.log}: {diagnosis.note}")
        _print_each(diagnosis.findings)
        return
    part = "" if diagnosis.whole else "the first "
    print_line(f"{diagnosis.log}: {part}{_lines(diagnosis.lines)}")
    _print_format(diagnosis)
    if diagnosis.fields:
        print_line("")
        heads = [f"line {number}" for number in diagnosis.read]
        rows = ((f.directive, f.column, *(_cell(v) for v in f.values)) for f in diagnosis.fields)
        console.write_table(["directive", "column", *heads], rows, sys.stdout)
    elif diagnosis.shown:
        for number, _, text in diagnosis.shown:
            print_line(f"  line {number}: {_cut(text, _WIDEST_LINE)}")
    print_line("")
    _print_each(diagnosis.findings)
    if not diagnosis.findings and diagnosis.log_format is not None:
        print_line("nothing to complain about")


def _print_each(findings: Sequence[Finding]) -> None:
    for finding in findings:
        print_line(f"{finding.severity}: {finding.message}")
        print_line(f"  → {finding.hint}")


def _print_format(diagnosis: Diagnosis) -> None:
    log_format = diagnosis.log_format
    fits = ", ".join(f"{f.name} {_share(f.matched, f.lines)}" for f in diagnosis.fits)
    if fits:
        print_line(f"  presets that match: {fits}")
    if log_format is None:
        print_line("  no format was found that fits: --log-format takes its accesslog.format")
        return
    share = _share(diagnosis.matched, diagnosis.lines)
    if diagnosis.origin == "proposed":
        print_line(f"  no preset fits; this format would match {share}:")
        print_line(f"    {log_format.format_string}")
        if log_format.escaping != "default":
            print_line(f"    --escaping {log_format.escaping}")
        print_line(
            "  it is guessed: compare the values below, and accesslog.format in lighttpd's configuration"
        )
    else:
        print_line(f"  read as: {log_format.name} {share}")


def _share(matched: int, lines: int) -> str:
    if matched == lines:
        return f"(all {lines:,} lines)" if lines > 1 else "(the only line)"
    # Only all lines are 100 %, and only none of them 0 %.
    percent = min(max(100 * matched / lines, 0.1), 99.9) if matched else 0
    return f"({matched:,} of {lines:,} lines, {percent:.1f} %)"


def _lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count:,} lines"


def _cell(value: object) -> str:
    return "(absent)" if value is None else _cut(console.text_of(value), _WIDEST_VALUE)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def exit_is_no(diagnoses: Sequence[Diagnosis]) -> bool:
    """Whether a log fits no format, can be forged, or holds secrets."""
    return any(not diagnosis.good for diagnosis in diagnoses)
