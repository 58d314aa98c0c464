"""A writer of access logs: recorded requests, at a rate, as lighttpd writes them.

A process of its own: `python -m bench.replay`. Its lines are made before it begins, and their
times set as they are written, so that it takes little of the processor.
"""

import argparse
import gzip
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

RECORDED = Path(__file__).resolve().parent.parent / "sample_logs" / "audit.log.gz"
BURST = 0.02
"""Seconds between two writes."""

_FIELD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)')
_CLOCK, _SECOND = b"\0" * 26, b"\0" * 10  # where a line's time goes: of a line, nothing else is NUL
_FORMATS = {
    "default": "{ra} {auth} {user} [CLOCK] {r} {st} {body} {ref} {ua}",
    "lpaudit": (
        "lpaudit=1 begin=SECOND{begin} end=SECOND{end} duration={dur_us} client={ra} client_port={rp} "
        'request={ka} connection={x} server={la} server_port={lp} user={user} method="{m}" path={url} '
        'query={q} protocol="{proto}" status={st} in={in} out={out} body={body} authority={auth} '
        "vhost={vs} user_agent={ua} referer={ref} xff={xff} flow_run_id={nfrid} flow_run_name={nfrn} "
        "flow_id={nfid} flow_name={nfn} deployment_id={ndid} deployment_name={ndn} worker_id={nwid} "
        "worker_name={nwn} traceparent={tp} request_id={rid} upgrade={cup} location={loc} tls={tlsv} "
        "cipher={tlsc} line={r}"
    ),
}
_BARE = {"default": ("auth", "user"), "lpaudit": ()}


def lines(log_format: str) -> Iterator[bytes]:
    """Yield the recorded requests as a format writes them; NULs stand for the time."""
    with gzip.open(RECORDED, "rt", encoding="ascii") as file:
        for line in file:
            values = dict(_FIELD.findall(line))
            end = int(values["end"]) % 1_000_000
            begin = max(0, end - int(values["dur_us"]))
            values |= {"begin": f"{begin:06}", "end": f"{end:06}"}
            values |= {name: values[name].strip('"') for name in _BARE[log_format]}
            text = _FORMATS[log_format].format_map(values).encode() + b"\n"
            yield text.replace(b"CLOCK", _CLOCK).replace(b"SECOND", _SECOND)


class Writer:
    """Appends lines to a log, over and over the same requests, each time with the time it is."""

    def __init__(self, log: Path, log_format: str) -> None:
        self._log = log
        pool = list(lines(log_format))
        self._count = len(pool)
        self._text = b"".join(pool)
        self._ends = [0]
        for line in pool:
            self._ends.append(self._ends[-1] + len(line))
        self._next = 0
        self._descriptor = self._open()

    def _open(self) -> int:
        return os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, count: int) -> None:
        """Append so many lines, in one go unless the recording begins anew in between."""
        while count:
            here = min(count, self._count - self._next)
            text = self._text[self._ends[self._next] : self._ends[self._next + here]]
            now = time.time()
            clock = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)).encode()
            text = text.replace(_CLOCK, clock).replace(_SECOND, b"%d" % now)
            if os.write(self._descriptor, text) != len(text):
                raise OSError("the disk is full")
            self._next = (self._next + here) % self._count
            count -= here

    def rotate(self, late: int) -> None:
        """Rotate the log by renaming; ``late`` lines still go to the old one, as until lighttpd is told."""
        self._log.rename(self._log.with_name(self._log.name + ".1"))
        self.write(late)
        os.close(self._descriptor)
        self._descriptor = self._open()


def main() -> None:
    """Write, and print what was written as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", type=Path)
    parser.add_argument("--format", choices=_FORMATS, default="default")
    parser.add_argument("--rate", type=int, required=True, help="lines a second")
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()
    writer = Writer(options.log, options.format)
    total, sent, rotated = round(options.rate * options.seconds), 0, False
    began, used = time.monotonic(), time.process_time()
    while sent < total:
        due = min(total, int((time.monotonic() - began) * options.rate))
        if not rotated and due >= total // 2:
            writer.rotate(due - sent)
            rotated = True
        else:
            writer.write(due - sent)
        sent = due
        time.sleep(BURST)
    print(
        json.dumps(
            {
                "lines": sent,
                "seconds": time.monotonic() - began,
                "cpu": time.process_time() - used,
            }
        )
    )


if __name__ == "__main__":
    main()
