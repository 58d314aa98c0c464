"""Settings → which checks and frameworks there are."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lpaudit import config, report


def library(
    settings: config.Config,
    environ: Mapping[str, str],
    file: str | None,
    folders: Sequence[str] | None = None,
) -> report.Library:
    """Return the checks and frameworks of ``folders``, else of the setting ``reports``, beside the shipped.

    Raises ConfigError for a parameter of a check that does not exist.
    """
    named = folders or [part.strip() for part in settings["reports"].value.split(",") if part.strip()]
    values = config.check_parameters(environ, file=file)
    found = report.Library(own=tuple(map(Path, named)), changed=values)
    report.refuse_unknown(found)
    return found
