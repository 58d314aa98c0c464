"""Where Prefect's API is, and how it wants to be asked: settings as Prefect's own client reads them.

A setting comes from the first of: the environment, ``.env``, ``prefect.toml``, ``[tool.prefect]``
of ``pyproject.toml`` (all three in the working directory), the active profile. A profile that is
named with ``--profile`` comes before all of them, as it does for the ``prefect`` command.
"""

import base64
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dotenv
import httpx

from lpaudit.errors import ConfigError

# Names in the environment → names of the same settings in the TOML files.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "PREFECT_API_URL": ("api", "url"),
    "PREFECT_API_KEY": ("api", "key"),
    "PREFECT_API_AUTH_STRING": ("api", "auth_string"),
    "PREFECT_API_TLS_INSECURE_SKIP_VERIFY": ("api", "tls_insecure_skip_verify"),
    "PREFECT_API_SSL_CERT_FILE": ("api", "ssl_cert_file"),
    "PREFECT_API_REQUEST_TIMEOUT": ("api", "request_timeout"),
    "PREFECT_CLIENT_MAX_RETRIES": ("client", "max_retries"),
    "PREFECT_CLIENT_RETRY_EXTRA_CODES": ("client", "retry_extra_codes"),
    "PREFECT_CLIENT_CUSTOM_HEADERS": ("client", "custom_headers"),
    "PREFECT_PROFILES_PATH": ("profiles_path",),
}
_CUSTOM = "PREFECT_CLIENT_CUSTOM_HEADERS"
# Prefect's client does not let these be set either.
_PROTECTED = {"user-agent", "prefect-csrf-token", "prefect-csrf-client"}
_TRUE = {"1", "true", "t", "yes", "y", "on"}
_HINT = "set PREFECT_API_URL, or name the API with --url http://HOST:4200/api"


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """How to reach the API. ``url`` has no credentials in it and no slash at its end.

    ``headers`` hold secrets, so they are not shown. ``timeout`` is in seconds; ``ca_file`` is the
    file with the authorities to trust, None for those that httpx brings.
    """

    url: str
    origin: str
    headers: Mapping[str, str] = field(repr=False)
    verify: bool
    ca_file: str | None
    timeout: float
    retries: int
    retry_statuses: frozenset[int]


def load(
    environ: Mapping[str, str], folder: Path, *, url: str | None = None, profile: str | None = None
) -> ApiSettings:
    """Return the effective settings; ``folder`` is the working directory. Raises ConfigError."""
    found = _found(environ, folder, url=url, profile=profile)
    if not found.get("PREFECT_API_URL", ("", ""))[0]:
        raise ConfigError("it is not known where Prefect's API is", hint=_HINT)
    address, userinfo = _address(*found["PREFECT_API_URL"])
    timeout = _number(found, "PREFECT_API_REQUEST_TIMEOUT", 60.0)
    return ApiSettings(
        url=address,
        origin=found["PREFECT_API_URL"][1],
        headers=_headers(found, userinfo),
        verify=_text(found, "PREFECT_API_TLS_INSECURE_SKIP_VERIFY").lower() not in _TRUE,
        ca_file=_text(found, "PREFECT_API_SSL_CERT_FILE") or environ.get("SSL_CERT_FILE") or None,
        timeout=timeout,
        retries=int(_number(found, "PREFECT_CLIENT_MAX_RETRIES", 5)),
        retry_statuses=_statuses(found),
    )


_Found = Mapping[str, tuple[Any, str]]


def _found(
    environ: Mapping[str, str], folder: Path, *, url: str | None, profile: str | None
) -> dict[str, tuple[Any, str]]:
    """Return each setting that is given somewhere, and where: the weakest sources are taken first."""
    env = {key.upper(): value for key, value in environ.items()}  # Prefect takes names in either case
    env_file = folder / ".env"
    dot = (
        {k.upper(): v for k, v in dotenv.dotenv_values(env_file).items() if v is not None}
        if env_file.is_file()
        else {}
    )
    prefect_toml, pyproject = _toml(folder / "prefect.toml"), _toml(folder / "pyproject.toml")
    tool = pyproject.get("tool", {})
    above = [
        (_nested(tool.get("prefect", {}) if isinstance(tool, dict) else {}), "pyproject.toml"),
        (_nested(prefect_toml), "prefect.toml"),
        (dot, ".env"),
        (env, "the environment"),
    ]
    named = profile or env.get("PREFECT_PROFILE")
    found = _merged(above)
    chosen, name = _profile(_profiles_path(found, env), named)
    last = (chosen, f"profile {name}")
    found = _merged([last, *above] if profile is None else [*above, last])
    if url is not None:
        found["PREFECT_API_URL"] = (url, "--url")
    return found


def _merged(sources: Iterable[tuple[Mapping[str, Any], str]]) -> dict[str, tuple[Any, str]]:
    """Return settings and where each is from; a later source wins, and of headers it adds to those before."""
    found: dict[str, tuple[Any, str]] = {}
    for values, origin in sources:
        for name in _NAMES.keys() & values.keys():
            value, where = values[name], name if origin == "the environment" else origin
            if name == _CUSTOM:
                value = _header_values(value, where)
                value = {**found.get(name, ({}, ""))[0], **value}
            found[name] = (value, where)
    return found


def _header_values(raw: Any, origin: str) -> dict[str, str]:
    """Return custom headers, from JSON or a TOML table. Raises ConfigError."""
    try:
        custom = json.loads(raw) if isinstance(raw, str) and raw else raw or {}
    except ValueError:
        custom = None
    if not isinstance(custom, dict) or not all(isinstance(v, str) for v in custom.values()):
        raise ConfigError(
            f"{_CUSTOM} ({origin}) is not a JSON object of texts",
            hint="""write it like '{"X-Header": "value"}'""",
        )
    return custom


def _profiles_path(found: _Found, env: Mapping[str, str]) -> Path:
    if "PREFECT_PROFILES_PATH" in found:
        return Path(str(found["PREFECT_PROFILES_PATH"][0])).expanduser()
    home = env.get("PREFECT_HOME")
    return (Path(home) if home else Path(env.get("HOME", "/")) / ".prefect").expanduser() / "profiles.toml"


def _profile(path: Path, named: str | None) -> tuple[dict[str, Any], str]:
    """Return a profile's settings and its name; none if no profile is active."""
    data = _toml(path)
    profiles = data.get("profiles")
    profiles = profiles if isinstance(profiles, dict) else {}
    name = named or data.get("active")
    settings = profiles.get(name)
    if not isinstance(settings, dict):
        if named:
            raise ConfigError(
                f"there is no profile {named!r} in {path}", hint="`prefect profile ls` lists the profiles"
            )
        return {}, ""
    return {key.upper(): value for key, value in settings.items() if value is not None}, str(name)


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(f"cannot read {path}: {reason}", hint="Prefect's settings are there") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        # What is wrong with it is not repeated: the line may hold a key.
        raise ConfigError(
            f"{path} is not TOML", hint="Prefect's settings are there: see `prefect config view`"
        ) from None


def _nested(data: Any) -> dict[str, Any]:
    """Return the settings of a TOML file under their names in the environment."""
    values: dict[str, Any] = {}
    for name, keys in _NAMES.items():
        value = data
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            values[name] = value
    return values


def _address(url: Any, origin: str) -> tuple[str, str]:
    """Return the URL without credentials, and the credentials that were in it (user:password)."""
    try:
        parsed = httpx.URL(str(url))
    except httpx.InvalidURL as error:
        raise ConfigError(f"the API's URL ({origin}) is not a URL: {error}", hint=_HINT) from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ConfigError(f"the API's URL ({origin}) does not begin with http:// or https://", hint=_HINT)
    userinfo = f"{parsed.username}:{parsed.password}" if parsed.userinfo else ""
    bare = parsed.copy_with(userinfo=b"", query=None, fragment=None)
    return str(bare).rstrip("/"), userinfo


def _headers(found: _Found, userinfo: str) -> dict[str, str]:
    headers: dict[str, str] = {}
    if auth := _text(found, "PREFECT_API_AUTH_STRING") or userinfo:
        headers["authorization"] = "Basic " + base64.b64encode(auth.encode()).decode("ascii")
    elif key := _text(found, "PREFECT_API_KEY"):
        headers["authorization"] = f"Bearer {key}"
    custom = found.get(_CUSTOM, ({}, ""))[0]
    headers |= {name.lower(): value for name, value in custom.items() if name.lower() not in _PROTECTED}
    for name, value in headers.items():
        if not value.isascii() or not value.isprintable() or not name.isascii() or not name.isprintable():
            # Not shown: it may be the key.
            raise ConfigError(
                f"the value for the header {name!r} has characters that a header cannot have",
                hint="look for a line break, or a text processor's quotes, in PREFECT_API_KEY and its like",
            )
    return headers


def _text(found: _Found, name: str) -> str:
    value = found.get(name, ("", ""))[0]
    return str(value).strip() if name != "PREFECT_API_AUTH_STRING" else str(value)


def _number(found: _Found, name: str, default: float) -> float:
    if name not in found:
        return default
    value, origin = found[name]
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not 0 <= number <= 86_400:
        raise ConfigError(
            f"{name} is {value!r} ({origin}), not a number that can be used",
            hint=f"the default is {default:g}",
        )
    return number


def _statuses(found: _Found) -> frozenset[int]:
    """Return the statuses that are asked again: those of Prefect's client, and the user's."""
    raw, origin = found.get("PREFECT_CLIENT_RETRY_EXTRA_CODES", ("", ""))
    texts = raw if isinstance(raw, list) else [t for t in str(raw).split(",") if t.strip()]
    try:
        return frozenset({408, 429, 502, 503}) | {int(text) for text in texts}
    except (TypeError, ValueError):
        raise ConfigError(
            f"PREFECT_CLIENT_RETRY_EXTRA_CODES is {raw!r} ({origin}), not a list of statuses",
            hint="write it like 500,504",
        ) from None
