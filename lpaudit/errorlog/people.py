"""Where in lines of an error log the people are."""

from collections.abc import Container, Iterator

from lpaudit.errorlog.messages import HEADER, find
from lpaudit.redaction import ADDRESSES, USERS, address_spans

_GROUPS = {"client": ADDRESSES, "user": USERS}


def people(data: bytes, kinds: Container[str]) -> Iterator[tuple[int, int]]:
    """Yield where whole lines hold ``addresses`` or ``users``: as lighttpd says, or what looks like one."""
    start = 0
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        header = HEADER.match(data, start, end)
        if header is not None:
            _, found = find(data, header, end - data.endswith(b"\r", start, end))
            for name, kind in _GROUPS.items():
                if found and kind in kinds and found.re.groupindex.get(name) and found[name]:
                    yield found.span(name)
        if ADDRESSES in kinds:
            yield from address_spans(data, header.end() if header else start, end)
        start = end + 1
