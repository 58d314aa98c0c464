"""A hostile line costs what a good one costs: time grows with bytes, not with their square."""

import time

import pytest
from reading import layout, preset

from lpaudit.logformat import parse

SIZE = 250_000
FILLERS = {
    "backslashes": b"\\",
    "quotes": b'"',
    "escaped quotes": b'\\"',
    "spaces": b" ",
    "percents": b"%",
    "hex escapes": b"\\xE9",
    "quote and space": b'" ',
    "bytes that are not UTF-8": b"\xff",
}
LAYOUTS = {
    "default": preset("default"),
    "audit": preset("audit"),
    "auditjson": preset("auditjson"),
    "unquoted": layout("%u %q %{A}i %U %r %s"),
}


def _best(name: str, block: bytes) -> float:
    times = []
    for _ in range(2):
        start = time.process_time()
        parse(LAYOUTS[name], block)
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("filler", FILLERS)
def test_time_grows_with_size(name: str, filler: str) -> None:
    piece = FILLERS[filler]
    begin = {
        "default": b'127.0.0.1 rig bob [23/Nov/2026:10:15:45 +0000] "GET ',
        "audit": b"v=1 ts=1795428823.855992 end=1795428823873456 dur_us=17465 ra=127.0.0.1 rp=43922 la=127.0.0.1"
        b' lp=8080 ka=0 x=+ user="',
        "auditjson": b'{"v":1,"ts":"2026-11-23T10:15:45.598600","end_us":1795428945654891,"dur_us":56292,"ra":"',
        "unquoted": b"a ",
    }[name]

    def line(size: int) -> bytes:
        return begin + (piece * size)[:size] + b"\n"

    small, large = _best(name, line(SIZE)), _best(name, line(4 * SIZE))
    # Four times the bytes: four times the time if linear, sixteen if quadratic (minutes, at this
    # size). The bound is generous and has a floor, as clocks and caches are not exact.
    assert large < 10 * small + 0.25
