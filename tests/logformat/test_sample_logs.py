"""Every line of every sample log, on every column, against the independent reader."""

import gzip
from pathlib import Path

import oracle
import pytest
from reading import FRAC, layout, normalised, plain, preset

from lpaudit.logformat import parse

LOGS = Path(__file__).parents[2] / "sample_logs"
CASES = {
    "default.log": (preset("default"), 57),
    "combined.log": (preset("combined"), 58),
    "audit.json.log": (preset("auditjson"), 57),
    "audit.log.gz": (preset("audit"), 16_181),
    "frac.log": (layout(FRAC), 331),
}


def _lines(name: str) -> bytes:
    data = (LOGS / name).read_bytes()
    return gzip.decompress(data) if name.endswith(".gz") else data


@pytest.mark.parametrize("name", CASES)
def test_every_line_is_read_as_the_oracle_reads_it(name: str) -> None:
    compiled, count = CASES[name]
    block = _lines(name)
    parsed = parse(compiled, block)
    got, stored = plain(parsed.columns), normalised(parsed)
    lines = block.splitlines(keepends=True)
    assert len(lines) == count
    assert parsed.lengths.to_list() == [len(line) for line in lines]
    for number, line in enumerate(lines):
        expected = oracle.read(
            line, compiled.log_format.format_string, json=compiled.log_format.escaping == "json"
        )
        assert expected is not None, line
        assert got[number] == expected, f"{name}:{number + 1}"
        assert stored[number] == expected, f"{name}:{number + 1} as stored"


def test_the_rounding_carry_is_undone() -> None:
    compiled, _ = CASES["frac.log"]
    block = _lines("frac.log")
    carried = [line for line in block.splitlines() if b"/000 " in line]
    got = plain(parse(compiled, b"\n".join(carried)).columns)
    assert len(got) == 12
    for line, row in zip(carried, got, strict=True):
        assert row["event_start"].timestamp() == int(line.partition(b"/")[0]) + 1  # type: ignore[attr-defined]
        assert "frac-carry" in str(row["parse_note"])


def test_a_wrong_format_rejects_every_line_and_keeps_its_text() -> None:
    block = _lines("default.log")
    got = plain(parse(preset("audit"), block).columns)
    assert {r["reject_reason"] for r in got} == {"no-match"}
    assert [r["raw"] for r in got] == block.decode().splitlines()
    assert all(set(r) == {"reject_reason", "raw"} for r in got)
