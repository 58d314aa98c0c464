"""Who gets in, and may what: logins that are missing, and rules that another request gets around."""

import re
from collections.abc import Iterator

from lpaudit.doctor.findings import Finding
from lpaudit.doctor.gateway.complaints import finding
from lpaudit.doctor.gateway.facts import denies, items, proxying, required, scripted, where
from lpaudit.lighttpd.effective import Settings, effective, inherited, rewritten
from lpaudit.lighttpd.reader import Other, Source, Unknown

USERFILES = {
    "htpasswd": "auth.backend.htpasswd.userfile",
    "plain": "auth.backend.plain.userfile",
    "htdigest": "auth.backend.htdigest.userfile",
}
"""Backends that keep users in a file → the setting that names it."""

_DECISIVE = ("proxy.server", "auth.require", "magnet.attract-raw-url-to")
_NORMALISING = ("url-normalize", "url-normalize-unreserved", "url-path-dotseg-remove", "url-ctrls-reject")
_ID = "86b0f3b8-18b1-4ca7-8208-ec96a9a7b11a"
# Requests that come to the same. Whoever may not do one of them must not be able to do another.
_ALIKE = {
    "delete": (
        ("DELETE", f"/api/flow_runs/{_ID}"),
        ("DELETE", f"/api/flow_runs/{_ID.upper()}"),
        ("POST", "/api/flow_runs/bulk_delete"),
        ("DELETE", f"/api/deployments/{_ID}"),
        ("POST", "/api/deployments/bulk_delete"),
        ("POST", "/api/flows/bulk_delete"),
    ),
    "create runs": (
        ("POST", f"/api/deployments/{_ID}/create_flow_run"),
        ("POST", f"/api/deployments/{_ID.upper()}/create_flow_run"),
        ("POST", f"/api/deployments/{_ID}/create_flow_run/bulk"),
        ("POST", "/api/flow_runs/"),
    ),
    "administer": (
        ("PUT", "/api/admin/storage"),
        ("PATCH", f"/api/automations/{_ID}"),
        ("PUT", f"/api/automations/{_ID}"),
    ),
}


def logins(source: Source) -> Iterator[Finding]:
    """Yield where no login is asked for."""
    found = list(proxying(source))
    if not found:
        yield finding("no-proxy")
    for block, settings in found:
        if not any(key in block.settings for key in _DECISIVE) or scripted(settings) or denies(settings):
            continue
        rules = settings.get("auth.require")
        if isinstance(rules, Unknown):
            continue
        if not items(rules):
            inside = [
                b for b in source.blocks if block in b.path[:-1] and items(b.settings.get("auth.require"))
            ]
            yield finding(
                "no-login",
                where=where(block),
                only=f", except{where(inside[0])}" if inside else "",
                though=" though auth.backend is set" if "auth.backend" in settings else "",
            )
            continue
        prefixes = [prefix or "" for prefix, _ in items(rules)]
        for proxied, _ in items(settings.get("proxy.server")):
            if proxied is not None and not any(proxied.startswith(prefix) for prefix in prefixes):
                yield finding("login-on-prefix", prefixes=", ".join(prefixes), where=where(block))


def backends(source: Source) -> Iterator[Finding]:
    """Yield what is wrong with where users come from."""
    for block in source.blocks:
        backend = inherited(block).get("auth.backend")
        asks = [rule for _, rule in items(block.settings.get("auth.require")) if isinstance(rule, Other)]
        if backend in USERFILES and any("group=" in str(rule.get("require")) for rule in asks):
            yield finding("no-groups", backend=backend)
    if any(block.settings.get("auth.backend") == "plain" for block in source.blocks):
        yield finding("plain-passwords")


def rules(source: Source) -> Iterator[Finding]:
    """Yield where a rule can be got around by another request that comes to the same."""
    main = source.blocks[0].settings
    prefixes = [""]
    for key in ("url.rewrite-once", "url.rewrite", "url.rewrite-repeat"):
        prefixes += [m[1] for p, _ in items(main.get(key)) if (m := re.match(r"\^(/[\w-]+)", p or ""))]
    for what, requests in _ALIKE.items():
        asked: dict[tuple[str, str], frozenset[str] | None] = {}
        for prefix in dict.fromkeys(prefixes):
            for method, path in requests:
                seen = rewritten(main, prefix + path)
                settings = effective(source, method, seen)
                if items(settings.get("proxy.server")) and not scripted(settings):
                    asked[method, prefix + path] = _who(settings, seen)
        limited = {request: who for request, who in asked.items() if who is not None}
        if not limited:
            continue
        # Who is denied altogether is no measure of who else may.
        narrow = min(limited, key=lambda request: len(limited[request]) or 1 << 30)
        loose = [request for request, who in asked.items() if who is None or not who <= limited[narrow]]
        if loose:
            yield finding(
                "rule-with-holes", what=what, narrow=_short(narrow), loose=", ".join(map(_short, loose))
            )


def spellings(source: Source) -> Iterator[Finding]:
    """Yield what lets a path be one thing to a rule and another to Prefect."""
    parsing = source.blocks[0].settings.get("server.http-parseopts")
    for option in _NORMALISING:
        if isinstance(parsing, Other) and parsing.get(option) == "disable":
            yield finding("not-normalised", option=option)


def _who(settings: Settings, path: str) -> frozenset[str] | None:
    """Return the users and groups who may; None for everybody who can log in."""
    if denies(settings):
        return frozenset()
    asked = required(settings, path)
    return None if asked in (None, "valid-user") else frozenset(str(asked).split("|"))


def _short(request: tuple[str, str]) -> str:
    return " ".join(request).replace(_ID, "{id}").replace(_ID.upper(), "{ID}")
