"""The steps of a night, as a table: what each does, and which others it cannot do without.

Prefect that cannot be reached keeps nobody from tying lines or asking checks: what is then not known is
said by the checks themselves (`incomplete`). Links that were not brought up to date are said by nobody,
so checks and reports need them.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from lpaudit import (
    alerts,
    anchors,
    correlate,
    evidence,
    keys,
    pipeline,
    prefect,
    register,
    report,
    routes,
    store,
    sync,
    verification,
)
from lpaudit.console import counted
from lpaudit.errors import StoreError
from lpaudit.model import LogKind, Outcome, Result, Section, Segment, Select
from lpaudit.nightly import news, record
from lpaudit.nightly.record import Run

_SAMPLE = 20  # segments that are read again, line by line: others each night
_KEEP_REPLACED = 24  # hours: `lpaudit compact`'s default
_OF_NIGHTS = "missed-nights"
"""The check that judges nights."""


@dataclass(frozen=True, slots=True)
class Night:
    """What steps are told of the world. ``out`` is the directory of all reports."""

    root: str
    out: Path
    now: Callable[[], datetime]
    unique: Callable[[], str]
    environ: Mapping[str, str]
    api_prefixes: tuple[str, ...] = routes.PREFIXES
    channels: tuple[alerts.Channel, ...] = ()
    link: str = ""
    left_out: frozenset[str] = frozenset()
    key: Path | None = None
    anchors: tuple[str, ...] = ()
    library: report.Library = report.SHIPPED
    seconds: float | None = None
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class Done:
    """What a step did: in words, in figures, and what the run's row has columns for."""

    detail: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    table_versions: Mapping[str, int] = field(default_factory=dict)
    report_hashes: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None
    """What keeps a step from being called done, though what it could do it did."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step. ``optional`` ones may be left out, and the record says that they were."""

    name: str
    take: Callable[[Night, Run], Done]
    needs: tuple[str, ...] = ()
    optional: bool = False


def _sync(night: Night, run: Run) -> Done:
    del run
    settings = prefect.load(night.environ, Path())
    with prefect.Client(settings, sleep=night.sleep, now=night.now, name=night.unique()) as client:
        done = sync.from_api(
            night.root,
            client,
            full=False,
            dump=None,
            now=night.now,
            unique=night.unique,
            progress=sync.Silent(),
        )
    records = sum(result.records for result in done.results)
    if done.failed:
        first = done.failed[0].error
        names = ", ".join(result.table for result in done.failed)
        problem = f"nothing of {names}: {first.message if first else 'not asked'}"
        return Done(counted(records, "record"), {"records": records}, problem=problem)
    return Done(counted(records, "record"), {"records": records})


def _correlate(night: Night, run: Run) -> Done:
    del run
    done = correlate.correlate(
        night.root, everything=False, now=night.now, unique=night.unique, api_prefixes=night.api_prefixes
    )
    return Done(
        f"{counted(done.links, 'link')} of {counted(done.lines, 'line')}, {done.added:,} new or changed"
    )


def _compact(night: Night, run: Run) -> Done:
    del run
    done = pipeline.compact(night.root, keep_replaced=_KEEP_REPLACED, unique=night.unique)
    files = sum(table.files for table in done.tables.values())
    return Done(f"{counted(files, 'file')} and {counted(done.packed.segments, 'segment')} made fewer")


def controls(library: report.Library) -> list[str]:
    """Return the checks of which every row is an exception, and those of which nobody can tell."""
    found = (report.load_any(name, library) for name in report.checks(library))
    return [check.id for check in found if check.kind == "control" or check.fault]


def _checks(night: Night, run: Run) -> Done:
    """Ask every control that there is, and record its exceptions."""
    first = report.load_framework(run.frameworks[0], night.library)
    asked = replace(first, sections=tuple(map(Section, controls(night.library))))
    checks = [report.load_any(section.check, night.library) for section in asked.sections]
    with (
        pipeline.focused(store.open_store(night.root), run.period, night.api_prefixes, checks) as (
            select,
            versions,
        ),
        _not_judging_itself(night, run) as instead,
    ):
        limited = partial(select, seconds=night.seconds)
        results = report.evaluate(asked, run.period, limited, {}, night.library, instead).results
    added = register.record_night(
        night.root, results, run.period, run.run_id, now=night.now, unique=night.unique
    )
    incomplete = _reasons(results, Outcome.INCOMPLETE)
    errors = _reasons(results, Outcome.ERROR)
    facts = {
        "controls": len(results),
        "new": len(added.new),
        "reopened": len(added.reopened),
        "seen": added.seen,
        "gone": added.gone,
        "incomplete": incomplete,
        "no_data": sorted(_reasons(results, Outcome.NO_DATA)),
        "errors": errors,
    }
    detail = (
        f"{counted(len(results), 'control')}: {counted(len(added.new), 'new exception')}, "
        f"{len(added.reopened):,} reopened, {added.seen:,} seen again, {added.gone:,} gone; "
        f"{len(incomplete):,} incomplete"
    )
    return Done(detail, facts, table_versions=versions, problem=_not_asked(errors))


def _not_asked(errors: Mapping[str, str]) -> str | None:
    """Name the checks that could not be asked, each with the reason in a line."""
    told = (f"{check}: {' '.join(why.split())}" for check, why in errors.items())
    return "; ".join(told) or None


@contextmanager
def _not_judging_itself(night: Night, run: Run) -> Iterator[Mapping[str, Select]]:
    """Have the check of nights take this one for ended, as it stands: who makes up for a night is at it."""
    with pipeline.as_if(night.root, {"control_run": record.as_ended(run, night.now())}) as connection:
        yield {_OF_NIGHTS: partial(connection.select, seconds=night.seconds)}


def _reasons(results: tuple[Result, ...], outcome: Outcome) -> dict[str, str]:
    """Return why checks came to an outcome, by the check."""
    return {r.check.id: "; ".join(r.reasons) for r in results if r.outcome is outcome}


def _report(night: Night, run: Run) -> Done:
    """Write reports. What could not be asked for them is told here, unless that was a control's."""
    hashes: dict[str, str] = {}
    errors: dict[str, str] = {}
    for framework in run.frameworks:
        written = _write_report(night, framework, run)
        for path in written.paths:
            hashes[path.relative_to(night.out).as_posix()] = sha256(path.read_bytes()).hexdigest()
        errors |= written.errors.get(framework, {})
    names = ", ".join(sorted(hashes))
    told = run.facts("checks").get("errors", {})
    errors = {check: why for check, why in errors.items() if check not in told}
    return Done(f"wrote {names}", {"errors": errors}, report_hashes=hashes, problem=_not_asked(errors))


def _write_report(night: Night, framework: str, run: Run) -> pipeline.Written:
    """Write what `lpaudit report` writes."""
    with _not_judging_itself(night, run) as instead:
        return pipeline.reports(
            night.root,
            [framework],
            run.period,
            night.out / run.night,
            formats=("md", "html"),
            api_prefixes=night.api_prefixes,
            library=night.library,
            seconds=night.seconds,
            instead=instead,
        )


def _sign(night: Night, run: Run) -> Done:
    """Sign what has come, if there is a key. That an anchor did not take it is said, and no failure."""
    del run
    if night.key is None or not night.key.is_file():
        return Done("there is no key: `lpaudit keys init`")
    target = store.open_store(night.root)
    signer = keys.signer(target, night.key)
    done, failed = anchors.sign(
        target, signer, night.anchors, now=night.now, unique=night.unique, environ=night.environ
    )
    size = f"{done.leaves:,} records of {done.checkpoint.size:,}" if done else "nothing new"
    return Done("; ".join([f"signed {size}", *failed]), {"anchors_failed": len(failed)})


def _verify(night: Night, run: Run) -> Done:
    """Look for what is gone or changed: segments, the last commits, what the mark remembers.

    Of the segments only those of the night's lines are read; that the others are there is looked at.
    """
    target = store.open_store(night.root)
    with pipeline.opened(night.root) as (connection, versions):
        # Opening read the log of commits of every table: a torn one has stopped us.
        named = connection.select("select distinct segment from log_line").column("segment").to_pylist()
        mine = connection.select(
            "select distinct segment from access where time >= $start and time < $end order by segment",
            {"start": run.period.start, "end": run.period.end},
        )
    problems = [
        f"the segment {name} is gone" for name in store.missing_segments(target.sizes(), sorted(named))
    ]
    read = 0
    for name in mine.column("segment").to_pylist():
        try:
            read += len(store.read_segment(target.storage, Segment.from_name(name)))
        except StoreError as error:
            problems.append(error.message)
    for kind in LogKind:
        mark = store.read_mark(store.mark_file(target, night.environ, kind))
        back = mark and store.rolled_back(target, kind, target.table(kind.table), mark)
        problems += [back] if back else []
    detail = f"{counted(len(named), 'segment')} there, {counted(read, 'byte')} of the night's read again, "
    detail += f"{counted(len(versions), 'table')} opened"
    if target.storage.names(evidence.FOLDER):
        kept, lost = anchors.kept(night.anchors)
        kept += anchors.remembered(target, night.environ)
        trusted, _ = keys.trusted(target, night.key or Path())
        result = verification.verify(
            night.root, verification.Asked(trusted, _SAMPLE, run.night, tuple(kept), tuple(lost))
        )
        problems += [f"{found.what} {found.where}: {found.text}" for found in result.findings]
        detail += f", {result.leaves:,} signed records in {counted(result.batches, 'checkpoint')}"
    if problems:
        more = f", and {len(problems) - 3:,} more" if len(problems) > 3 else ""
        return Done(detail, {"problems": len(problems)}, problem="; ".join(problems[:3]) + more)
    return Done(detail, {"problems": 0})


def _alert(night: Night, run: Run) -> Done:
    """Tell whoever is to know. That somebody could not be told is recorded, and no failure of the night."""
    location = store.open_store(night.root).location

    def of(run: Run) -> alerts.Message:
        return news.message(night.root, location, run, night.link, night.library, night.out)

    def of_run(run_id: str) -> alerts.Message:
        return of(record.known(night.root, run_id))

    message = of(run)
    told = record.last_with(night.root, run, "alert", news.EXCEPTIONS)
    new = news.is_news(run, message, record.before(night.root, run), told)
    attempts = alerts.deliver(
        night.root,
        night.channels,
        run.run_id,
        message if new else None,
        of_run,
        now=night.now,
        unique=night.unique,
    )
    failed = [f"{attempt.channel}: {attempt.error}" for attempt in attempts if attempt.error]
    if not new and not attempts:
        return Done("nothing new to tell")
    if not night.channels:
        return Done("there is something to tell, and no alert_… is set", {"untold": 0})
    detail = f"{counted(len(attempts) - len(failed), 'alert')} sent"
    if failed:
        detail += f", {len(failed):,} not, to be tried again: {'; '.join(dict.fromkeys(failed))}"
    return Done(detail, {"untold": len(failed)} | ({news.EXCEPTIONS: len(message.exceptions)} if new else {}))


STEPS: tuple[Step, ...] = (
    Step("sync", _sync, optional=True),
    Step("correlate", _correlate),
    Step("compact", _compact, optional=True),
    Step("checks", _checks, needs=("correlate",)),
    Step("report", _report, needs=("correlate",)),
    Step("sign", _sign),
    Step("verify", _verify),
    Step("alert", _alert),
)
"""In this order. What a step needs stands before it."""
