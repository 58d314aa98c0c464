"""Settings, and where each comes from: option > LPAUDIT_* > lpaudit.toml > the user's > default."""

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lpaudit.errors import ConfigError
from lpaudit.routes import PREFIXES, prefixes


@dataclass(frozen=True, slots=True)
class Setting:
    """One key: its name in the file, in the environment (LPAUDIT_ + upper case) and as an option."""

    name: str
    default: str
    help: str
    secret: bool = False
    """Whether its value may be one: then it is not printed, and may be @FILE."""

    @property
    def several(self) -> bool:
        """Whether it has several values, comma-separated: then a file may have a list of them."""
        return "comma-separated" in self.help


# The one declaration: the command line's help, `lpaudit config` and the docs are made from it.
SETTINGS: Mapping[str, Setting] = {
    s.name: s
    for s in (
        Setting("store", "./lpaudit-store", "The store: a directory, or s3://BUCKET/PREFIX."),
        Setting(
            "log_format",
            "auto",
            "Preset's name, accesslog.format string, @FILE (lighttpd.conf), or auto.",
        ),
        Setting(
            "escaping", "", "accesslog.escaping: default or json. Empty: the preset's own, else default."
        ),
        Setting("host", "", "Host whose lighttpd wrote the logs. Empty: this machine's name."),
        Setting("timezone", "UTC", "Zone of times that are logged without an offset."),
        Setting(
            "api_prefix",
            ", ".join(PREFIXES),
            "Paths below which Prefect's API is in the log, comma-separated; */api is /api behind anything.",
        ),
        Setting("reports", "", "Folders with checks and frameworks of your own, comma-separated."),
        Setting("check_seconds", "300", "Seconds that one check of a report may take."),
        Setting("sql_timeout", "300", "Seconds that a query of `lpaudit sql` may take; 0 for any."),
        Setting(
            "audit_trail",
            "best-effort",
            "Whether what cannot be recorded in audit_trail is answered: best-effort, or required.",
        ),
        Setting("flush_interval", "1", "Seconds that lines may wait to be stored while a log is followed."),
        Setting(
            "anchors",
            "",
            "Where checkpoints are copied to, comma-separated: directories, s3://…, |COMMAND, tsa+https://…",
        ),
        Setting("entity", "", "Organisation that reports are about, as it is to stand on their covers."),
        Setting("system", "", "System that reports are about, as it is to stand on their covers."),
        Setting(
            "segment_bytes",
            str(16 << 20),
            "Bytes of a source that make a segment, about; of a file, up to eight are committed together.",
        ),
        Setting("frameworks", "access", "Reports that `lpaudit nightly` writes, comma-separated."),
        Setting(
            "report_dir", "./lpaudit-reports", "Where it writes them: a directory, with one for each night."
        ),
        Setting("key", "", "File of the private key that signs. Empty: ~/.config/lpaudit/key.pem."),
        Setting(
            "fingerprint_key",
            "",
            "File of the key that secrets' fingerprints are made with. "
            "Empty: ~/.local/state/lpaudit/fingerprint.key, which is made when it is first needed.",
        ),
        Setting(
            "pseudonyms",
            "",
            "What is stored under pseudonyms: addresses, users, or both, comma-separated. Empty: nothing.",
        ),
        Setting(
            "pseudonym_key",
            "",
            "File of the key that pseudonyms are made with, and revealed. "
            "Empty: ~/.local/state/lpaudit/pseudonym.key, which is made when it is first needed.",
        ),
        Setting(
            "alert_link",
            "",
            "Where a report can be read, for alerts: a URL with {night}, {framework} and {row} (or {check}, "
            "its section) in it. Empty: the file.",
        ),
        Setting("alert_webhook", "", "URL that alerts are posted to as JSON; @FILE holds it.", secret=True),
        Setting("alert_slack", "", "URL of a Slack webhook; @FILE holds it.", secret=True),
        Setting("alert_command", "", "Command that is given alerts as JSON on its standard input; no shell."),
        Setting("alert_mail", "", "Mail addresses that alerts are sent to, comma-separated."),
        Setting("alert_mail_from", "", "Their sender. Empty: the first receiver."),
        Setting("alert_smtp", "smtp://localhost:25", "Mail server: smtp://USER@HOST:587, or smtps://HOST."),
        Setting("alert_smtp_password", "", "Its password; @FILE holds it.", secret=True),
        Setting("alert_prefect", "no", "yes: alerts are also events in Prefect."),
    )
}


@dataclass(frozen=True, slots=True)
class Value:
    """A setting's value and its origin, for people to read."""

    value: str
    origin: str


Config = Mapping[str, Value]


def load(options: Mapping[str, str | None], environ: Mapping[str, str], *, file: str | None = None) -> Config:
    """Return every setting's effective value.

    ``file`` replaces ./lpaudit.toml and the user's file; ``none`` reads neither.
    Raises ConfigError for a file that cannot be read, an unknown key or a value of the wrong type.
    """
    files = _files(file, environ)
    config: dict[str, Value] = {}
    for name, setting in SETTINGS.items():
        config[name] = Value(setting.default, "default")
        for path, values in files:
            if name in values:
                config[name] = Value(values[name], str(path))
        variable = "LPAUDIT_" + name.upper()
        if environ.get(variable):
            config[name] = Value(environ[variable], variable)
        option = options.get(name)
        if option is not None:
            config[name] = Value(option, "--" + name.replace("_", "-"))
        _check_utf8(name, config[name])
    return config


def _check_utf8(name: str, value: Value) -> None:
    try:
        value.value.encode()
    except UnicodeEncodeError:
        raise ConfigError(
            f"{name} is {value.value!r} ({value.origin}), which is not UTF-8",
            hint="check the terminal's encoding",
        ) from None


def shown(name: str, value: Value) -> str:
    """Return a setting's value as it may be printed."""
    kept = SETTINGS[name].secret and value.value and not value.value.startswith("@")
    return "(not shown)" if kept else value.value


def secret(config: Config, name: str) -> str:
    """Return a setting's value, or what is in the file that it names with ``@``. Raises ConfigError."""
    value = config[name].value
    if not value.startswith("@"):
        return value
    try:
        return Path(value[1:]).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = (getattr(error, "strerror", None) or "not a text").lower()
        raise ConfigError(f"cannot read {value[1:]}, which {name} names: {reason}", hint="check it") from None


def names(config: Config, name: str) -> tuple[str, ...]:
    """Return a setting's comma-separated words, each once. Raises ConfigError if there are none."""
    found = tuple(dict.fromkeys(part.strip() for part in config[name].value.split(",") if part.strip()))
    if not found:
        raise ConfigError(
            f"{name} is empty ({config[name].origin})", hint=f"the default is {SETTINGS[name].default}"
        )
    return found


def integer(config: Config, name: str, *, least: int = 1) -> int:
    """Return a setting as a whole number. Raises ConfigError."""
    value = config[name]
    try:
        number = int(value.value)
    except ValueError:
        number = least - 1
    if number < least:
        raise ConfigError(
            f"{name} is {value.value!r} ({value.origin}), not a whole number of at least {least}",
            hint=f"the default is {SETTINGS[name].default}",
        )
    return number


def seconds(config: Config, name: str) -> float:
    """Return a setting as a number of seconds, from 0.05 to an hour. Raises ConfigError."""
    value = config[name]
    try:
        number = float(value.value)
    except ValueError:
        number = 0.0
    if not 0.05 <= number <= 3600:
        raise ConfigError(
            f"{name} is {value.value!r} ({value.origin}), not a number of seconds from 0.05 to 3600",
            hint=f"the default is {SETTINGS[name].default}",
        )
    return number


def api_prefixes(config: Config) -> tuple[str, ...]:
    """Return the paths below which Prefect's API is. Raises ConfigError."""
    value = config["api_prefix"]
    return prefixes(value.value, value.origin)


def zone(config: Config) -> ZoneInfo:
    """Return the time zone. Raises ConfigError."""
    value = config["timezone"]
    try:
        return ZoneInfo(value.value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            f"unknown time zone {value.value!r} ({value.origin})", hint="write it like Europe/Berlin"
        ) from None


def _files(file: str | None, environ: Mapping[str, str]) -> list[tuple[Path, dict[str, str]]]:
    """Return the configuration files that are there, weakest first."""
    if file == "none":
        return []
    if file is not None:
        return [(Path(file), _read(Path(file)))]
    return [(path, _read(path)) for path in _candidates(environ)]


def check_parameters(
    environ: Mapping[str, str], *, file: str | None = None
) -> dict[str, dict[str, tuple[object, str]]]:
    """Return what ``[checks.<id>]`` says: by check and by parameter, the value and the file it is from.

    Which checks and parameters there are, reports know. Raises ConfigError.
    """
    paths = [] if file == "none" else [Path(file)] if file is not None else _candidates(environ)
    found: dict[str, dict[str, tuple[object, str]]] = {}
    for path in paths:
        tables = _parsed(path).get("checks", {})
        if not isinstance(tables, dict) or not all(isinstance(t, dict) for t in tables.values()):
            raise ConfigError(f"{path}: checks must be tables", hint="as in [checks.brute-force]")
        for check_id, values in tables.items():
            found.setdefault(check_id, {}).update({k: (v, str(path)) for k, v in values.items()})
    return found


def key_path(settings: Config, environ: Mapping[str, str]) -> Path:
    """Return the file of the private key that signs: what the settings say, or the user's."""
    setting = settings["key"].value
    return Path(setting) if setting else _user_files(environ) / "key.pem"


def _user_files(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "/")) / ".config") / "lpaudit"


def _candidates(environ: Mapping[str, str]) -> list[Path]:
    return [p for p in (_user_files(environ) / "config.toml", Path("lpaudit.toml")) if p.is_file()]


def _parsed(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(f"cannot read {path}: {reason}", hint="name a file, or --config none") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} is not TOML: {error}", hint='write it like store = "/var/lib/lpaudit"'
        ) from error


def _read(path: Path) -> dict[str, str]:
    raw = {key: value for key, value in _parsed(path).items() if key != "checks"}
    for key, value in raw.items():
        if key not in SETTINGS:
            close = difflib.get_close_matches(key, SETTINGS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"the keys are {', '.join(SETTINGS)}"
            raise ConfigError(f"{path}: unknown key {key}", hint=hint)
        if SETTINGS[key].several and isinstance(value, list):
            if not all(isinstance(one, str) and "," not in one for one in value):
                raise ConfigError(
                    f"{path}: {key} must be a list of texts without commas", hint=f'as in {key} = ["…", "…"]'
                )
            raw[key] = ",".join(value)
        elif not isinstance(value, str | int) or isinstance(value, bool):
            raise ConfigError(f"{path}: {key} must be a text or a number", hint=f'as in {key} = "…"')
    return {key: str(value) for key, value in raw.items()}


def environment() -> Mapping[str, str]:
    """Return the process's environment."""
    return os.environ
