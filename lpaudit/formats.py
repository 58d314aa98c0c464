"""What ``--log-format`` means: a preset, a format string, lighttpd's configuration, or nothing.

The answer is a question to be asked of every input: one configuration file may hold
several access logs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from lpaudit import lighttpd, logformat
from lpaudit.errors import ConfigError
from lpaudit.logformat.presets import find
from lpaudit.model import Escaping, LogFormat

FormatOf = Callable[[str], LogFormat | None]
"""An input's label → its format; None to tell it from the lines. Raises ConfigError."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the user has told of formats. ``notes`` are for the user's eyes.

    ``now`` asks anew: a configuration may have been changed. None: there is none.
    """

    format_of: FormatOf
    notes: tuple[str, ...] = ()
    now: FormatOf | None = None


def choose(setting: str, escaping: str, timezone: ZoneInfo) -> Told:
    """Return what the settings ``log_format`` and ``escaping`` mean. Raises ConfigError or FormatError."""
    if escaping not in ("", *Escaping):
        raise ConfigError(f"unknown escaping {escaping!r}", hint="accesslog.escaping is default or json")
    if setting.startswith("@"):
        return _configured(Path(setting[1:]), escaping, timezone)
    chosen = _one(setting, escaping, timezone)
    return Told(lambda _: chosen)


def former(settings: Sequence[str], escaping: str, timezone: ZoneInfo) -> tuple[LogFormat, ...]:
    """Return what is told of formats that lines were in before: presets and format strings.

    Raises ConfigError or FormatError.
    """
    found = []
    for setting in settings:
        chosen = (
            None if setting.startswith("@") else _one(setting, escaping if "%" in setting else "", timezone)
        )
        if chosen is None:
            hint = "name a preset or a format string: the lines tell where one is in it"
            raise ConfigError(f"{setting} is no format that lines may have been in", hint=hint)
        found.append(chosen)
    return tuple(found)


def _one(setting: str, escaping: str, timezone: ZoneInfo) -> LogFormat | None:
    if setting == "auto":
        if escaping:
            raise ConfigError("--escaping needs --log-format", hint="a preset knows its own escaping")
        return None
    preset = find(setting)
    if preset is not None:
        return _compiled(preset.format_string, escaping or str(preset.escaping), timezone)
    if "%" not in setting:
        names = ", ".join(logformat.PRESETS)
        raise ConfigError(
            f"unknown log format {setting!r}",
            hint=f"the presets are {names}; anything else is a format string with %, or @ and a file's name",
        )
    return _compiled(setting, escaping, timezone)


def _compiled(format_string: str, escaping: str, timezone: ZoneInfo) -> LogFormat:
    return logformat.log_format_of(format_string, Escaping(escaping or "default"), timezone)


def _configured(path: Path, escaping: str, timezone: ZoneInfo) -> Told:
    def load() -> lighttpd.Configuration:
        return lighttpd.load(path, lighttpd.find_lighttpd())

    def format_in(found: lighttpd.Configuration, label: str) -> LogFormat:
        log = lighttpd.choose(found.logs, label)
        return _compiled(log.format_string, escaping or str(log.escaping), timezone)

    found = load()
    return Told(partial(format_in, found), found.notes, lambda label: format_in(load(), label))


def configuration(filename: str) -> str:
    """Return lighttpd's configuration for the recommended preset. Raises ConfigError."""
    return lighttpd.snippet(logformat.PRESETS["lpaudit"].log_format(ZoneInfo("UTC")), filename)


def gateway(settings: lighttpd.Gateway) -> str:
    """Return lighttpd's whole configuration in front of Prefect. Raises ConfigError."""
    preset = "lpaudit" if settings.auth is lighttpd.Auth.BASIC else "lpaudit-gateway"
    return lighttpd.gateway_configuration(settings, logformat.PRESETS[preset].log_format(ZoneInfo("UTC")))
