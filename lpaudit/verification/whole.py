"""Everything, in order: what it costs grows with the store, and with nothing else."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from threading import Lock

from lpaudit import act, keys, signing, store
from lpaudit.errors import StoreError
from lpaudit.evidence import CERTIFICATES, FOLDER, PublicKey
from lpaudit.model import LogKind, Segment
from lpaudit.store import Store
from lpaudit.store.entries import archives, table_names
from lpaudit.store.storage import MARKER, NIGHT, storage_of
from lpaudit.verification import log, purges, rows, segments, sources, tree
from lpaudit.verification.finding import Finding, What, as_findings
from lpaudit.verification.log import Table
from lpaudit.verification.tree import Told

LEFT = (".tmp", ".creating")
"""What a crash leaves of files that were being written ends so; nothing reads them."""

_LATER = {FOLDER, keys.FOLDER, signing.TIMESTAMPS, CERTIFICATES}
"""Folders whose newest files come after what is signed."""

SET_ASIDE = "set-aside/"
"""Torn commits, which were put aside and read again."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What to verify, and with what.

    ``sample`` is how many segments are read again, of large ones a part; None for all of all.
    ``kept`` are checkpoints that were kept elsewhere, by where; ``lost`` those that cannot be
    read now, and why.
    """

    keys: tuple[PublicKey, ...]
    sample: int | None = 20
    seed: str = "0"
    kept: tuple[tuple[str, str], ...] = ()
    lost: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Verified:
    """What was verified, and what was found; ``unsigned`` commits came after the last checkpoint.

    ``purged`` segments of ``purged_lines`` lines are covered by ``purges`` certificates. Of the segments
    that were ``read_again``, some were ``read_in_part``.
    """

    findings: list[Finding] = field(default_factory=list)
    origin: str | None = None
    keys: tuple[str, ...] = ()
    batches: int = 0
    leaves: int = 0
    commits: int = 0
    segments: int = 0
    files: int = 0
    bytes: int = 0
    unsigned: int = 0
    purges: int = 0
    purged: int = 0
    purged_lines: int = 0
    read_again: int = 0
    read_in_part: int = 0
    sources: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()


def _nobody(done: int, total: int) -> None:
    pass


@dataclass(slots=True)
class _Progress:
    """How many bytes have been read of those that are to be: of files, and of lines that are read again."""

    tell: Callable[[int, int], None]
    total: int
    done: int = 0
    over: bool = False
    one: Lock = field(default_factory=Lock)

    def read(self, size: int) -> None:
        """Count bytes in. Raises KeyboardInterrupt when it is over: Ctrl-C is to wait for no other thread."""
        with self.one:
            if self.over:
                raise KeyboardInterrupt
            self.done += size
            self.tell(self.done, self.total)


def found_at(root: str) -> tuple[Store, list[Finding]]:
    """Open a store, also one whose marker is not what it should be: that is a finding like any other.

    Raises StoreError where there was never one.
    """
    try:
        return store.open_store(root), []
    except StoreError as error:
        storage = storage_of(root)
        if FOLDER not in (storage.entries() or ()):
            raise
        return Store(storage), [Finding(What.CHANGED, MARKER, error.message)]


def verify(root: str, asked: Asked, read: Callable[[int, int], None] = _nobody) -> Verified:
    """Verify a store; ``read`` hears how many bytes of how many have been read.

    Raises StoreError if there is no store.
    """
    target, broken = found_at(root)
    there = target.sizes()
    result = Verified(broken, files=len(there), bytes=sum(there.values()))
    result.findings += _found(target, asked, there, result, _Progress(read, result.bytes))
    return result


def _found(
    target: Store, asked: Asked, there: dict[str, int], result: Verified, progress: _Progress
) -> Iterator[Finding]:
    told = Told()
    yield from tree.read_tree(target, asked.keys, told)
    for where, reason in asked.lost:
        yield Finding(What.UNREADABLE, where, f"{reason}: the store was not compared with it")
    for where, note in asked.kept:
        yield from tree.compare(note, where, asked.keys, told)
    result.origin, result.keys = told.origin, tuple(sorted(told.keys))
    result.batches, result.leaves = told.batches, told.size
    yield from as_findings("files", _files(target, told, there))
    gone = purges.Gone()
    yield from as_findings("purges", purges.read_purges(target, asked.keys, told, gone))
    result.purges, result.purged, result.purged_lines = len(gone.purges), len(gone.leaves), gone.lines
    tables = {name: Table(name) for name in sorted({*table_names(target.storage), *told.commits})}
    for name, table in tables.items():
        yield from as_findings(name, log.read_log(target, name, told, gone, table))
        result.commits += table.last + 1
        result.unsigned += table.unsigned
        result.segments += len(table.pieces)
    act.opened({name: table.last for name, table in tables.items() if table.last >= 0 and name != act.TRAIL})
    drawn = rows.sampled(
        [tables[kind.table] for kind in LogKind if kind.table in tables], gone, asked.sample, asked.seed
    )
    result.read_again = len(drawn)
    if asked.sample is not None:
        result.read_in_part = sum(rows.is_large(segment) for _, segment in drawn)
    progress.total += sum(segment.end - segment.start for _, segment in drawn)
    compared: list[str] = []
    with ThreadPoolExecutor(2) as beside:
        try:
            logs = sources.read_sources(target, tables, compared, progress.read)
            of_sources = beside.submit(list, as_findings("sources", logs))
            of_bytes = beside.submit(list, _bytes(target, tables, told, gone, there, result, progress))
            seed = None if asked.sample is None else asked.seed
            of_rows = list(as_findings("rows", _rows(target, tables, gone, drawn, seed, progress)))
            yield from of_bytes.result()
            yield from of_rows
            yield from of_sources.result()
        finally:
            progress.over = True
    result.sources = tuple(compared)


def _bytes(
    target: Store,
    tables: dict[str, Table],
    told: Told,
    gone: purges.Gone,
    there: dict[str, int],
    result: Verified,
    progress: _Progress,
) -> Iterator[Finding]:
    """Compare every file with what the log and the tree say of it."""
    for name, table in tables.items():
        yield from as_findings(name, log.read_files(target, table, told, there, progress.read))
        yield from as_findings(name, log.read_state(target, table))
        yield from as_findings(name, log.read_checkpoints(target, table, told, there))
        yield from as_findings(name, segments.read_order(table, told))
        yield from as_findings(name, segments.read_bytes(target, table, told, gone, there, progress.read))
    yield from as_findings("files", _others(target, tables, there, told, result))


def _files(target: Store, told: Told, there: dict[str, int]) -> Iterator[Finding]:
    """Compare what has a leaf of its own: the marker, keys, archives of old commits."""
    for path, known in told.files.items():
        if path.endswith(".pack.zst"):
            continue  # with the segments that it holds
        if path not in there:
            yield Finding(What.MISSING, path, "it was signed, and is not there")
        elif sha256(target.storage.read(path)).hexdigest() != known:
            yield Finding(What.CHANGED, path, "its bytes are not those that were signed")


def _others(
    target: Store, tables: dict[str, Table], there: dict[str, int], told: Told, result: Verified
) -> Iterator[Finding]:
    """Look at every file that nothing has named so far.

    A crash leaves files under names that are never read, data files that no commit names, and segments:
    of bytes that were stored again after it, in another cut, or of a log of which nothing is stored yet.
    """
    known, sources_ = {MARKER, NIGHT, *told.files}, set[str]()
    for name, table in tables.items():
        known.update(f"{name}/{file}" for file in table.added)
        known.update(archives(target.storage, name))
        known.update(piece.segment.name for piece in table.pieces)
        known.update(table.packs)
        sources_.update(piece.segment.source_id for piece in table.pieces)
    left = []
    for path in sorted(set(there) - known):
        folder, _, file = path.rpartition("/")
        if folder in _LATER or folder.removesuffix("/_delta_log") in tables.keys() - {folder}:
            continue
        of_source = folder.startswith("segments/") and (
            folder.removeprefix("segments/") in sources_ or not file.endswith(".pack.zst")
        )
        unfinished = file.endswith(LEFT) or path.partition("/")[0].endswith(LEFT)
        if unfinished or path.startswith(SET_ASIDE) or folder in tables or of_source:
            left.append(path)
            if of_source and not file.endswith((*LEFT, ".pack.zst")):
                yield from segments.read_unnamed(target, path, tables.values())
        else:
            yield Finding(What.ADDED, path, "it is no file of a store, or of nothing that a commit names")
    result.leftovers = tuple(left)


def _rows(
    target: Store,
    tables: dict[str, Table],
    gone: purges.Gone,
    drawn: list[tuple[str, Segment]],
    seed: str | None,
    progress: _Progress,
) -> Iterator[Finding]:
    mine = {kind.table: target.table(kind.table) for kind in LogKind if kind.table in tables}
    for name, opened in mine.items():
        yield from rows.read_counts(target, tables[name], opened, gone)
    yield from purges.read_standing(target, gone)
    yield from rows.read_all_again(target, mine, drawn, seed, progress.read)
