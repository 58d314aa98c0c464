"""Settings → who is told, and how.

What is sent is data: JSON, a command's standard input, a mail's body. No shell reads it, no header
holds it. An error says which channel failed and why, and never where to: addresses may be secrets.
"""

import shlex
import smtplib
import ssl
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx

from lpaudit import config, prefect
from lpaudit.alerts.message import Message
from lpaudit.console import to_json
from lpaudit.errors import AlertError, ConfigError, LpauditError
from lpaudit.visible import visible

_PATIENCE = 20.0  # seconds for a server
_PATIENCE_COMMAND = 60.0


@dataclass(frozen=True, slots=True)
class Channel:
    """Somebody to tell. ``send`` raises AlertError if that failed."""

    name: str
    send: Callable[[Message], None]


@dataclass(frozen=True, slots=True)
class _World:
    environ: Mapping[str, str]
    now: Callable[[], datetime]
    unique: Callable[[], str]


def channels(
    settings: config.Config,
    environ: Mapping[str, str],
    *,
    now: Callable[[], datetime],
    unique: Callable[[], str],
) -> tuple[Channel, ...]:
    """Return the channels that are set. Raises ConfigError for one that cannot work."""
    world = _World(environ, now, unique)
    return tuple(
        Channel(name, make(settings, world))
        for name, (setting, make) in _MAKERS.items()
        if settings[setting].value not in ("", "no")
    )


def _webhook(settings: config.Config, world: _World) -> Callable[[Message], None]:
    del world
    url = _url(settings, "alert_webhook")
    return lambda message: _post(url, message.json())


def _slack(settings: config.Config, world: _World) -> Callable[[Message], None]:
    del world
    url = _url(settings, "alert_slack")
    return lambda message: _post(url, slack_form(message))


def slack_form(message: Message) -> dict[str, Any]:
    """Return a message as Slack takes it: only these three characters mean something to it in plain text."""
    text = message.text().replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": text, "mrkdwn": False, "unfurl_links": False, "unfurl_media": False}


def _post(url: str, body: dict[str, Any]) -> None:
    try:
        answer = httpx.post(
            url,
            content=to_json(body).encode(),
            headers={"content-type": "application/json"},
            timeout=_PATIENCE,
            follow_redirects=False,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise AlertError(f"cannot be reached: {type(error).__name__}") from error
    if not answer.is_success:
        raise AlertError(f"answers {answer.status_code}")


def _command(settings: config.Config, world: _World) -> Callable[[Message], None]:
    text = settings["alert_command"].value
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ConfigError(f"alert_command is {text!r}: {error}", hint="quote it as a shell does") from None

    def send(message: Message) -> None:
        try:
            ran = subprocess.run(  # noqa: S603 -- the operator's own command, and no shell between
                words,
                input=to_json(message.json()).encode() + b"\n",
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=_PATIENCE_COMMAND,
                env=dict(world.environ),
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise AlertError(f"has not ended within {_PATIENCE_COMMAND:g} seconds") from error
        except (OSError, ValueError) as error:
            raise AlertError(f"cannot be started: {getattr(error, 'strerror', None) or error}") from error
        if ran.returncode:
            said = visible(ran.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2])[:200]
            raise AlertError(f"ends with {ran.returncode}" + (f": {said}" if said else ""))

    return send


def _mail(settings: config.Config, world: _World) -> Callable[[Message], None]:
    server = urlsplit(settings["alert_smtp"].value)
    try:
        usable = server.scheme in ("smtp", "smtps") and server.hostname and (server.port or 1)
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(
            f"alert_smtp is {settings['alert_smtp'].value!r}, not a mail server",
            hint="write it like smtp://user@mail.example.com:587, or smtps:// for TLS from the first byte",
        )
    password = config.secret(settings, "alert_smtp_password")
    receivers = [part.strip() for part in settings["alert_mail"].value.split(",") if part.strip()]
    sender = settings["alert_mail_from"].value or "".join(receivers[:1])
    _mail_of("", "", sender, receivers, world.now())  # an address that is none is said now, not at night

    def send(message: Message) -> None:
        mail = _mail_of(message.subject, message.text(), sender, receivers, world.now())
        try:
            with ExitStack() as stack:
                context = ssl.create_default_context()
                if server.scheme == "smtps":
                    where = (server.hostname or "", server.port or 465)
                    smtp: smtplib.SMTP = smtplib.SMTP_SSL(*where, timeout=_PATIENCE, context=context)
                    stack.enter_context(smtp)
                else:
                    smtp = smtplib.SMTP(server.hostname or "", server.port or 587, timeout=_PATIENCE)
                    stack.enter_context(smtp)
                    smtp.ehlo()
                    if smtp.has_extn("starttls"):
                        smtp.starttls(context=context)
                    elif server.hostname not in ("localhost", "127.0.0.1", "::1"):
                        raise AlertError("offers no TLS, and is not on this machine")
                if server.username:
                    smtp.login(unquote(server.username), password)
                smtp.send_message(mail)
        except (smtplib.SMTPException, OSError) as error:
            raise AlertError(f"cannot be sent: {_of_smtp(error)}") from error

    return send


def _mail_of(subject: str, text: str, sender: str, receivers: list[str], now: datetime) -> EmailMessage:
    mail = EmailMessage()
    try:
        mail["Subject"], mail["From"], mail["To"] = subject, sender, ", ".join(receivers)
        if not receivers or not all(header.addresses for header in (mail["From"], mail["To"])):
            raise ValueError("no address")  # noqa: TRY301 -- refused like a line break in one
    except (ValueError, IndexError) as error:
        raise ConfigError(
            f"alert_mail or alert_mail_from is no mail address: {error}", hint="write it like ops@example.com"
        ) from None
    mail["Date"] = format_datetime(now)
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text)
    return mail


def _of_smtp(error: Exception) -> str:
    """Say what a mail server refused, without who was to get what."""
    code = getattr(error, "smtp_code", None)
    return f"{type(error).__name__}" + (f" {code}" if code else "")


def _prefect(settings: config.Config, world: _World) -> Callable[[Message], None]:
    if settings["alert_prefect"].value != "yes":
        raise ConfigError(
            f"alert_prefect is {settings['alert_prefect'].value!r}, neither yes nor no",
            hint='alert_prefect = "yes"',
        )

    def send(message: Message) -> None:
        try:
            api = prefect.load(world.environ, Path())
            with prefect.Client(api, sleep=time.sleep, now=world.now, name=world.unique()) as client:
                client.post("/events", [prefect_event(message, world.now(), world.unique())])
        except LpauditError as error:
            raise AlertError(error.message) from error

    return send


def prefect_event(message: Message, now: datetime, unique: str) -> dict[str, Any]:
    """Return a message as an event of Prefect's, which automations can be made to act on."""
    return {
        "id": f"{unique[:8]}-{unique[8:12]}-{unique[12:16]}-{unique[16:20]}-{unique[20:32]}",
        "occurred": now.isoformat(),
        "event": "lpaudit.night.alert",
        "resource": {
            "prefect.resource.id": f"lpaudit.night.{message.night}",
            "prefect.resource.name": message.subject,
            "lpaudit.host": message.host,
            "lpaudit.exit-status": str(message.exit_status),
        },
        "related": [],
        "payload": message.json(),
    }


def _url(settings: config.Config, name: str) -> str:
    url = config.secret(settings, name)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or not url.isprintable():
        raise ConfigError(
            f"{name} ({settings[name].origin}) is not a URL", hint="it begins with https://, or is @FILE"
        )
    return url


_Maker = Callable[[config.Config, _World], Callable[[Message], None]]
_MAKERS: Mapping[str, tuple[str, _Maker]] = {
    "webhook": ("alert_webhook", _webhook),
    "slack": ("alert_slack", _slack),
    "command": ("alert_command", _command),
    "mail": ("alert_mail", _mail),
    "prefect": ("alert_prefect", _prefect),
}
"""Each channel's name, the setting that turns it on, and what makes it."""
