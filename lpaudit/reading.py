"""How a source's bytes are kept, and its lines read: the two kinds of lighttpd's logs in one shape."""

from dataclasses import dataclass
from datetime import tzinfo

import pyarrow as pa

from lpaudit import errorlog, logformat
from lpaudit.logformat import Layout
from lpaudit.model import LogKind, Provenance
from lpaudit.normalise import normalise


@dataclass(frozen=True, slots=True)
class AccessReading:
    """The lines of an access log, in one format."""

    layout: Layout

    @property
    def name(self) -> str:
        """The format's name: ``log_format`` of each row."""
        return self.layout.log_format.name

    def rows(self, block: bytes, where: Provenance) -> pa.Table:
        """Return the rows of access_event for a block of lines."""
        parsed = logformat.parse(self.layout, block)
        return normalise("access_event", parsed.columns, parsed.lengths, where)


@dataclass(frozen=True, slots=True)
class ErrorReading:
    """The lines of an error log, redacted; its times are local, of ``timezone``."""

    timezone: tzinfo
    name: str = "errorlog"

    def rows(self, block: bytes, where: Provenance) -> pa.Table:
        """Return the rows of server_event for a block of lines."""
        return normalise("server_event", *errorlog.parse(block, self.timezone), where)


Reading = AccessReading | ErrorReading


def kept(kind: LogKind, data: bytes) -> bytes:
    """Return what is stored of whole lines, and hashed: of an error log no secrets. As long as ``data``."""
    return errorlog.redact(data) if kind is LogKind.ERROR else data
