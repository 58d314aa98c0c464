"""Lines → TCP connections: all requests of one were made by the same process.

In 12,886 recorded connections none carried the lines of two runs. A connection is known by the
client's address and port; it ends where lighttpd counts its requests from 0 again, or where it is
silent for longer than lighttpd keeps it open. Where the port is not logged, a line stands alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from lpaudit.correlation.facts import SECOND, Line, Run

_IDLE = 60 * SECOND  # lighttpd's server.max-keep-alive-idle is 5 s by default
_NOISE = "GET /csrf-token"  # the client asks for it before its first write, whatever that is


@dataclass(frozen=True, slots=True)
class Connection:
    """The lines of one connection, and what they agree on.

    ``user`` is None if nobody was authenticated. ``processes`` are the processes of the runs that
    its paths name. ``mixed`` says that it carries more than one user, deployment or worker, as a
    connection of a forwarder does: nothing follows from it.
    """

    lines: tuple[Line, ...]
    user: str | None
    deployment: str | None
    worker: str | None
    flows: frozenset[str]
    processes: frozenset[str]
    named: frozenset[str]
    mixed: bool

    @property
    def begin(self) -> int:
        """When its first request began."""
        return self.lines[0].begin

    @property
    def end(self) -> int:
        """When its last request ended."""
        return max(line.end for line in self.lines)

    @property
    def of_worker(self) -> bool:
        """Whether a worker itself made it: a process of a run that names its worker names its flow, too."""
        return self.worker is not None and self.deployment is None and not self.flows

    @property
    def signature(self) -> str:
        """What kind of a connection it is: its first telling request, and which headers it has."""
        routes = [line.route for line in self.lines if line.route is not None]
        first = next((route for route in routes if route != _NOISE), routes[0] if routes else "")
        if self.deployment is not None:
            return f"{first} +deployment"
        if self.flows:
            return f"{first} +flow"
        return first if self.user is not None else f"{first} +nobody"


def connections(lines: Iterable[Line], runs: Mapping[str, Run]) -> list[Connection]:
    """Return the connections in the order of their begins."""
    found = [_connection(part, runs) for part in _parts(lines)]
    return sorted(found, key=lambda connection: (connection.begin, connection.lines[0].line_id))


def _parts(lines: Iterable[Line]) -> Iterator[list[Line]]:
    def place(line: Line) -> tuple[str, str, int]:
        return line.host, line.client or "", line.port or 0

    ordered = sorted(lines, key=lambda line: (*place(line), line.begin, line.number or 0, line.line_id))
    for (_, client, port), same in groupby(ordered, key=place):
        part: list[Line] = []
        for line in same:
            if part and (not client or not port or _is_new(part[-1], line)):
                yield part
                part = []
            part.append(line)
        yield part


def _is_new(before: Line, line: Line) -> bool:
    if line.number is None or before.number is None:
        return line.begin - before.end > _IDLE
    return line.number <= before.number


def _connection(lines: list[Line], runs: Mapping[str, Run]) -> Connection:
    users = {line.user for line in lines if line.user is not None}
    deployments = {line.deployment for line in lines if line.deployment is not None}
    workers = {line.worker for line in lines if line.worker is not None}
    named = frozenset(one for line in lines for one in line.named)
    return Connection(
        lines=tuple(lines),
        user=min(users, default=None),
        deployment=min(deployments, default=None),
        worker=min(workers, default=None),
        flows=frozenset(line.flow for line in lines if line.flow is not None),
        processes=frozenset(runs[one].process for one in named if one in runs),
        named=named,
        mixed=max(len(users), len(deployments), len(workers)) > 1,
    )
