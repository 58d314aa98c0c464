"""One question to Prefect's API → one answer, or a PrefectError that says who refused and why.

What passes by itself (an overloaded server, a broken connection, half an answer) is asked again
after a pause: as long as Retry-After says, else 2, 4, 8, … seconds. The credentials go to the
configured origin and nowhere else: a redirection is only followed within it.
"""

import json
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

import httpx

from lpaudit import __version__
from lpaudit.errors import ConfigError, PrefectError
from lpaudit.prefect.settings import ApiSettings
from lpaudit.visible import visible

_LONGEST_PAUSE = 60.0
_LONGEST_RETRY_AFTER = 600.0
_LARGEST = 256 << 20
"""Bytes of an answer: a page of 200 runs with large parameters has a few million."""
_REDIRECTIONS = 5
_SLOWEST = 10
"""Time-outs that a whole answer may take, however steadily it trickles."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: its status, headers and body."""

    status: int
    headers: httpx.Headers
    body: bytes

    def json(self) -> Any:
        """Return what the body says; None if there is none to be. Raises ValueError."""
        if self.status == 204:
            return None
        try:
            return json.loads(self.body)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


class _Passing(Exception):
    """What may be gone when the question is asked again. ``pause`` in seconds is what the server asks for."""

    def __init__(self, error: PrefectError, pause: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.pause = pause


class Client(AbstractContextManager["Client"]):
    """A connection to Prefect's API. ``name`` identifies it where Prefect guards against CSRF."""

    def __init__(
        self,
        settings: ApiSettings,
        *,
        sleep: Callable[[float], None],
        now: Callable[[], datetime],
        name: str,
    ) -> None:
        self._settings = settings
        self._sleep = sleep
        self._now = now
        self._name = name
        self._csrf: dict[str, str] = {}
        self._connected = False
        self._http = httpx.Client(
            headers={
                **settings.headers,
                "user-agent": f"lpaudit/{__version__}",
                "accept": "application/json",
            },
            timeout=settings.timeout,
            verify=_trust(settings),
            follow_redirects=False,
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    @property
    def url(self) -> str:
        """The API's URL, without credentials."""
        return self._settings.url

    def version(self) -> str:
        """Return the server's version. Raises PrefectError, also for a server of another product."""
        told = self.get("/admin/version")
        if not isinstance(told, str) or not told[:1].isdigit() or len(told) > 64:
            raise self._another()
        return told

    def get(self, path: str) -> Any:
        """Return the answer to a GET, as JSON; ``path`` begins with a slash. Raises PrefectError."""
        return self._ask("GET", path, None)

    def post(self, path: str, question: Mapping[str, Any] | Sequence[Any]) -> Any:
        """Return the answer to a POST, as JSON; None if there is no content. Raises PrefectError."""
        return self._ask("POST", path, json.dumps(question).encode())

    def _ask(self, method: str, path: str, body: bytes | None) -> Any:
        """Ask until there is an answer, or patience ends."""
        for attempt in range(1, self._settings.retries + 2):
            try:
                return self._judged(method, path, self._redirected(method, path, body))
            except _Passing as passing:
                if attempt > self._settings.retries:
                    raise passing.error from passing
                pause = min(2.0**attempt, _LONGEST_PAUSE) if passing.pause is None else passing.pause
                if pause > _LONGEST_RETRY_AFTER:
                    raise PrefectError(
                        f"{passing.error.message}, and asks to come back in {pause:.0f} seconds",
                        hint="run the same command again then: what is stored stays",
                        status=passing.error.status,
                        lasting=True,
                    ) from passing
                self._sleep(pause)
        raise AssertionError("a last attempt returns or raises")

    def _redirected(self, method: str, path: str, body: bytes | None) -> Answer:
        """Return the answer, after redirections within the configured origin."""
        url = httpx.URL(self._settings.url + path)
        for _ in range(_REDIRECTIONS):
            answer = self._once(method, url, body)
            if answer.status not in {301, 302, 303, 307, 308}:
                return answer
            try:
                target = url.join(answer.headers.get("location", ""))
            except httpx.InvalidURL:
                break
            if (target.scheme, target.host, target.port) != (url.scheme, url.host, url.port):
                place = visible(str(target.copy_with(userinfo=b"", query=None, fragment=None)))[:200]
                raise PrefectError(
                    f"{self.url} redirects to another server, {place}; nothing was sent there",
                    hint=f"if that is Prefect's API, correct the URL; it came from {self._settings.origin}",
                    status=answer.status,
                    lasting=True,
                )
            url = target
        raise PrefectError(
            f"{self.url}{path} redirects without end", hint="check PREFECT_API_URL", lasting=True
        )

    def _once(self, method: str, url: httpx.URL, body: bytes | None) -> Answer:
        """Send one request and read its whole answer. Raises _Passing, PrefectError."""
        headers = dict(self._csrf)
        if body is not None:
            headers["content-type"] = "application/json"
        begun = self._now()
        try:
            with self._http.stream(method, url, content=body, headers=headers) as response:
                self._connected = True
                parts: list[bytes] = []
                size = 0
                for part in response.iter_bytes():
                    size += len(part)
                    if size > _LARGEST:
                        raise PrefectError(
                            f"{url.path}: the answer is larger than {_LARGEST >> 20} MiB", lasting=True
                        )
                    if (self._now() - begun).total_seconds() > self._settings.timeout * _SLOWEST:
                        raise _Passing(self._slow(url))
                    parts.append(part)
                return Answer(response.status_code, response.headers, b"".join(parts))
        except httpx.TimeoutException as error:
            raise _Passing(self._slow(url)) from error
        except httpx.ConnectError as error:
            unreachable = PrefectError(
                f"cannot reach Prefect's API at {self.url}: {_reason(error)}",
                hint=f"is it running, and is the URL right? It came from {self._settings.origin}",
                lasting=True,
            )
            if not self._connected or "CERTIFICATE" in str(error).upper():
                raise unreachable from error  # a wrong URL does not become right
            raise _Passing(unreachable) from error
        except httpx.UnsupportedProtocol as error:
            raise PrefectError(f"{url} cannot be asked: {error}", lasting=True) from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            broken = PrefectError(
                f"{url.path}: the answer broke off: {_reason(error)}",
                hint="run the same command again: what is stored stays",
            )
            raise _Passing(broken) from error

    def _judged(self, method: str, path: str, answer: Answer) -> Any:
        """Return what an answer says. Raises _Passing, PrefectError."""
        where = path.partition("?")[0]
        if answer.status == 403 and b"CSRF token" in answer.body:
            if self._csrf:
                self._csrf = {}
            self._take_csrf_token()
            raise _Passing(self._refused(answer), 0.0)
        if answer.status in self._settings.retry_statuses:
            busy = PrefectError(
                f"{where}: {_layer(answer)} answers {answer.status}{_told(answer)}",
                hint="run the same command again: what is stored stays",
                status=answer.status,
            )
            raise _Passing(busy, self._retry_after(answer))
        if answer.status in {401, 403}:
            raise self._refused(answer)
        if answer.status == 407:
            raise PrefectError(
                "the network's proxy wants a password (407)", hint="see HTTPS_PROXY", lasting=True
            )
        if answer.status >= 400:
            if not _from_prefect(answer):
                raise self._another(answer)
            raise PrefectError(
                f"{method} {where}: Prefect answers {answer.status}{_told(answer)}", status=answer.status
            )
        kind = answer.headers.get("content-type", "")
        try:
            return answer.json()
        except ValueError as error:
            if "json" not in kind:
                raise self._another(answer) from error
            half = PrefectError(f"{where}: the answer is not whole: {error}", status=answer.status)
            raise _Passing(half) from error

    def _take_csrf_token(self) -> None:
        token = self._judged(
            "GET", "/csrf-token", self._redirected("GET", f"/csrf-token?client={self._name}", None)
        )
        if isinstance(token, dict) and isinstance(token.get("token"), str) and token["token"].isascii():
            self._csrf = {"prefect-csrf-token": token["token"], "prefect-csrf-client": self._name}

    def _retry_after(self, answer: Answer) -> float | None:
        """Return how long to wait, in seconds; None if the server does not say."""
        text = answer.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            return float(text[:9])
        try:
            return max(0.0, (parsedate_to_datetime(text) - self._now()).total_seconds())
        except (TypeError, ValueError, OverflowError):
            return None

    def _slow(self, url: httpx.URL) -> PrefectError:
        return PrefectError(
            f"{url.path}: no whole answer within the time-out of {self._settings.timeout:g} seconds",
            hint="PREFECT_API_REQUEST_TIMEOUT sets it",
        )

    def _refused(self, answer: Answer) -> PrefectError:
        """Say which layer it was: Prefect answers in JSON, a proxy in HTML."""
        if _from_prefect(answer):
            return PrefectError(
                f"Prefect refuses the credentials ({answer.status}{_told(answer)}); "
                "whatever stands before it let them pass",
                hint="check PREFECT_API_AUTH_STRING or PREFECT_API_KEY against the server's",
                status=answer.status,
                lasting=True,
            )
        wanted = answer.headers.get("www-authenticate", "").split(" ")[0]
        asks = f", which asks for {visible(wanted)[:40]}" if wanted else ""
        return PrefectError(
            f"{_layer(answer)} refuses the credentials ({answer.status}){asks}; Prefect was not reached",
            hint="check PREFECT_API_AUTH_STRING (user:password), PREFECT_API_KEY or "
            "PREFECT_CLIENT_CUSTOM_HEADERS against the proxy's users",
            status=answer.status,
            lasting=True,
        )

    def _another(self, answer: Answer | None = None) -> PrefectError:
        status = f" (it answers {answer.status} with {_kind(answer)})" if answer else ""
        return PrefectError(
            f"what answers at {self.url} is not Prefect's API{status}",
            hint=f"the URL most often ends with /api; it came from {self._settings.origin}",
            status=answer.status if answer else None,
            lasting=True,
        )


def _trust(settings: ApiSettings) -> ssl.SSLContext | bool:
    if not settings.verify or settings.ca_file is None:
        return settings.verify
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:  # also one that holds no certificate
        raise ConfigError(
            f"cannot use the certificates in {settings.ca_file}: {_reason(error)}",
            hint="PREFECT_API_SSL_CERT_FILE (or SSL_CERT_FILE) names it",
        ) from error


def _from_prefect(answer: Answer) -> bool:
    """Tell whether Prefect itself wrote an answer that is an error: FastAPI's JSON object."""
    try:
        body = answer.json()
    except ValueError:
        return False
    return isinstance(body, dict) and not body.keys().isdisjoint({"exception_message", "detail"})


def _layer(answer: Answer) -> str:
    if _from_prefect(answer):
        return "Prefect"
    server = visible(answer.headers.get("server", ""))[:40]
    return f"the proxy before Prefect ({server})" if server else "the proxy before Prefect"


def _kind(answer: Answer) -> str:
    return visible(answer.headers.get("content-type", "").partition(";")[0])[:40] or "no content type"


def _told(answer: Answer) -> str:
    """Return what Prefect says of its refusal, made short and harmless; never what was sent to it."""
    try:
        body = answer.json()
    except ValueError:
        return ""
    if not isinstance(body, dict):
        return ""
    told = body.get("exception_message") or body.get("detail")
    details = body.get("exception_detail")
    if isinstance(details, list) and details and isinstance(details[0], dict):
        told = f"{told} {details[0].get('loc', '')}: {details[0].get('msg', '')}"
    return f": {visible(str(told))[:200]}" if told else ""


def _reason(error: Exception) -> str:
    return visible(str(error) or type(error).__name__)[:200]
