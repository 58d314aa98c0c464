"""Settings and a day → what a night is told, and the run that it is."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from lpaudit import alerts, anchors, config, report
from lpaudit.errors import ConfigError
from lpaudit.library import library
from lpaudit.model import Period
from lpaudit.nightly.record import Run
from lpaudit.nightly.steps import STEPS, Night

_PAGE = "{night}/{framework}.html#{row}"


def prepare(
    settings: config.Config,
    environ: Mapping[str, str],
    left_out: frozenset[str],
    *,
    file: str | None = None,
    now: Callable[[], datetime],
    unique: Callable[[], str],
) -> Night:
    """Return what settings say of a night; ``file`` is the one that they were read from, if it was named.

    Raises ConfigError for what cannot work.
    """
    optional = [step.name for step in STEPS if step.optional]
    if wrong := left_out - set(optional):
        raise ConfigError(
            f"the step {min(wrong)} cannot be left out", hint=f"these can: {', '.join(optional)}"
        )
    out = Path(settings["report_dir"].value).absolute()
    return Night(
        root=settings["store"].value,
        out=out,
        now=now,
        unique=unique,
        environ=environ,
        api_prefixes=config.api_prefixes(settings),
        channels=alerts.channels(settings, environ, now=now, unique=unique),
        link=settings["alert_link"].value or f"{out.as_uri()}/{_PAGE}",
        left_out=left_out,
        key=config.key_path(settings, environ),
        anchors=anchors.parse(settings["anchors"].value),
        library=library(settings, environ, file),
        seconds=config.integer(settings, "check_seconds"),
    )


def fresh(
    day: date,
    frameworks: tuple[str, ...],
    begun: datetime,
    *,
    run_id: str,
    host: str,
    user: str,
    flow_run_id: str | None = None,
    known: report.Library = report.SHIPPED,
) -> Run:
    """Return a run that has not begun. Raises ConfigError for a framework that is not ``known``."""
    for framework in frameworks:
        report.load_framework(framework, known)
    start = datetime.combine(day, time(), UTC)
    return Run(
        run_id=run_id,
        night=day.isoformat(),
        period=Period(start, start + timedelta(days=1)),
        started_at=begun,
        frameworks=frameworks,
        host=host,
        user=user,
        flow_run_id=flow_run_id,
    )
