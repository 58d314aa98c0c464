"""The formats that come with lpaudit, each with sample lines that are tests."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo

from lpaudit.logformat import samples
from lpaudit.logformat.layout import compile_layout, format_id
from lpaudit.model import Escaping, LogFormat


@dataclass(frozen=True, slots=True)
class Preset:
    """A named format."""

    name: str
    title: str
    format_string: str
    samples: tuple[str, ...]
    escaping: Escaping = Escaping.DEFAULT
    aliases: tuple[str, ...] = ()

    def log_format(self, timezone: tzinfo) -> LogFormat:
        """Return the format; ``timezone`` is for strftime forms without an offset."""
        return log_format_of(self.format_string, self.escaping, timezone)


# The tag in front makes a line recognisable beyond doubt, and says which version of the format
# it is. Whatever is text stands between quotes: there, escaping keeps a client's bytes from
# pretending to be another field. What proves who somebody is (Authorization, cookies) is not logged.
_LPAUDIT = (
    "lpaudit=1 begin=%{begin:usec}t end=%{end:usec}t duration=%D"
    " client=%a client_port=%{remote}p request=%k connection=%X server=%A server_port=%p"
    ' user="%u" method="%m" path="%U" query="%q" protocol="%H" status=%s in=%I out=%O body=%b'
    ' authority="%V" vhost="%v" user_agent="%{User-Agent}i" referer="%{Referer}i" xff="%{X-Forwarded-For}i"'
    ' flow_run_id="%{X-Prefect-Flow-Run-Id}i" flow_run_name="%{X-Prefect-Flow-Run-Name}i"'
    ' flow_id="%{X-Prefect-Flow-Id}i" flow_name="%{X-Prefect-Flow-Name}i"'
    ' deployment_id="%{X-Prefect-Deployment-Id}i" deployment_name="%{X-Prefect-Deployment-Name}i"'
    ' worker_id="%{X-Prefect-Worker-Id}i" worker_name="%{X-Prefect-Worker-Name}i"'
    ' traceparent="%{traceparent}i" request_id="%{X-Request-Id}i" upgrade="%{Upgrade}i"'
    ' location="%{Location}o" tls="%{SSL_PROTOCOL}e" cipher="%{SSL_CIPHER}e" line="%r"'
)

# The same, and what a gateway has learnt of a token or from a forwarder: lighttpd's environment.
_GATEWAY = _LPAUDIT.replace("lpaudit=1 ", "lpaudit=2 ").replace(
    ' line="%r"', ' groups="%{AUTH_GROUPS}e" token_id="%{AUTH_JTI}e" refused="%{AUTH_FAIL}e" line="%r"'
)

_AUDIT = (
    "v=1 ts=%{begin:sec}t.%{begin:usec_frac}t end=%{end:usec}t dur_us=%D ra=%a rp=%{remote}p la=%A lp=%p"
    ' ka=%k x=%X user="%u" m=%m url="%U" q="%q" proto=%H st=%>s in=%I out=%O body=%b host="%{Host}i"'
    ' auth="%V" vs="%v" ua="%{User-Agent}i" ref="%{Referer}i" xff="%{X-Forwarded-For}i"'
    ' frid="%{X-Prefect-Flow-Run-Id}i" tp="%{traceparent}i" nfrid="%{X-Prefect-Flow-Run-Id}i"'
    ' nfid="%{X-Prefect-Flow-Id}i" nfn="%{X-Prefect-Flow-Name}i" nfrn="%{X-Prefect-Flow-Run-Name}i"'
    ' ndid="%{X-Prefect-Deployment-Id}i" ndn="%{X-Prefect-Deployment-Name}i"'
    ' nwid="%{X-Prefect-Worker-Id}i" nwn="%{X-Prefect-Worker-Name}i" rid="%{X-Request-Id}i"'
    ' jti="%{AUTH_JTI}e" af="%{AUTH_FAIL}e" tlsv="%{SSL_PROTOCOL}e" tlsc="%{SSL_CIPHER}e"'
    ' cup="%{Upgrade}i" loc="%{Location}o" r="%r"'
)

_AUDIT_JSON = (
    '{"v":1,"ts":"%{begin:%Y-%m-%dT%H:%M:%S}t.%{begin:usec_frac}t","end_us":%{end:usec}t,"dur_us":%D,'
    '"ra":"%a","rp":%{remote}p,"ka":%k,"x":"%X","user":"%u","m":"%m","url":"%U","q":"%q","proto":"%H",'
    '"st":%s,"in":"%I","out":"%O","body":"%b","host":"%{Host}i","ua":"%{User-Agent}i","ref":"%{Referer}i",'
    '"frid":"%{X-Prefect-Flow-Run-Id}i","tp":"%{traceparent}i","r":"%r"}'
)

_ALL = (
    Preset(
        "lpaudit",
        "recommended: begin and end in microseconds, connection, identity, Prefect's headers",
        _LPAUDIT,
        samples.LPAUDIT,
    ),
    Preset(
        "lpaudit-gateway",
        "the same with groups, token id and why refused: `lpaudit lighttpd-config --prefect`",
        _GATEWAY,
        samples.GATEWAY,
    ),
    Preset(
        "default",
        "lighttpd's default accesslog.format",
        '%h %V %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"',
        samples.DEFAULT,
        aliases=("lighttpd",),
    ),
    Preset(
        "combined",
        "Apache combined",
        '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"',
        samples.COMBINED,
        aliases=("apache", "apache-combined"),
    ),
    Preset(
        "common",
        "Apache common",
        '%h %l %u %t "%r" %>s %b',
        samples.COMMON,
        aliases=("apache-common",),
    ),
    Preset(
        "audit",
        "key=value, begin and end time, identity, connection, Prefect's headers",
        _AUDIT,
        samples.AUDIT,
    ),
    Preset(
        "auditjson",
        'JSON objects (accesslog.escaping = "json"), begin and end time, identity',
        _AUDIT_JSON,
        samples.AUDIT_JSON,
        escaping=Escaping.JSON,
        aliases=("audit-json", "audit.json"),
    ),
)

PRESETS: Mapping[str, Preset] = {preset.name: preset for preset in _ALL}
ALIASES: Mapping[str, str] = {alias: preset.name for preset in _ALL for alias in preset.aliases}


def find(name: str) -> Preset | None:
    """Return the preset of that name or alias."""
    return PRESETS.get(ALIASES.get(name, name))


def log_format_of(format_string: str, escaping: Escaping, timezone: tzinfo) -> LogFormat:
    """Return the format of a format string, under a preset's name where it is exactly that one.

    So a name says all that matters of how a line was read. Raises FormatError.
    """
    plain = LogFormat("", format_string, escaping, timezone)
    zone = timezone if compile_layout(plain).needs_zone and str(timezone) != "UTC" else None
    for preset in _ALL:
        if zone is None and (preset.format_string, preset.escaping) == (format_string, escaping):
            return replace(plain, name=preset.name)
    return replace(plain, name=format_id(format_string, escaping, zone))
