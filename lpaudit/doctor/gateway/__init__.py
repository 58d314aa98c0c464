"""What is wrong with lighttpd's configuration in front of Prefect: who gets in, and what the log will say.

It looks at settings, not at requests: a network that lets people pass the gateway by, and what
a Lua script does, it cannot see.
"""

from lpaudit.doctor.findings import Finding, Severity
from lpaudit.doctor.gateway import admission, forgery, record, secrecy
from lpaudit.doctor.gateway.facts import scripts, upstreams
from lpaudit.doctor.gateway.secrecy import Mode, modes
from lpaudit.lighttpd.reader import Source

__all__ = ["Mode", "modes", "of_gateway", "scripts", "upstreams"]


def of_gateway(source: Source, mode: Mode) -> list[Finding]:
    """Return what is wrong with a configuration, the worst first."""
    found = [
        *admission.logins(source),
        *admission.backends(source),
        *admission.rules(source),
        *secrecy.sockets(source),
        *secrecy.files(source, mode),
        *forgery.headers(source),
        *forgery.forwarders(source),
        *record.websockets(source),
        *admission.spellings(source),
        *record.access_log(source),
        *record.error_log(source),
        *secrecy.debugging(source),
    ]
    found = list(dict.fromkeys(found))
    return sorted(found, key=lambda f: list(Severity).index(f.severity))
