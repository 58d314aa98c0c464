"""What can be wrong with a gateway's configuration: a table, and nothing else."""

from dataclasses import dataclass

from lpaudit.doctor.findings import Finding, Severity


@dataclass(frozen=True, slots=True)
class Complaint:
    """A kind of finding. ``message`` and ``hint`` have places, in braces, for what was found."""

    severity: Severity
    message: str
    hint: str


_OPEN, _SECRET = Severity.OPEN, Severity.SECRET
_FORGEABLE, _WARNING = Severity.FORGEABLE, Severity.WARNING
_ASK_EVERYBODY = 'set auth.require = ( "" => … ) outside of every condition, and only narrow it inside'
_PRINTED = "`lpaudit lighttpd-config --prefect` prints one"

COMPLAINTS = {
    "no-proxy": Complaint(
        _WARNING,
        "nothing is proxied: it is no gateway",
        f"name the configuration that has proxy.server; {_PRINTED}",
    ),
    "no-login": Complaint(
        _OPEN, "everybody reaches Prefect without a login{where}{only}{though}", _ASK_EVERYBODY
    ),
    "login-on-prefix": Complaint(
        _OPEN,
        "a login is only asked for under {prefixes}{where}: other paths, "
        "and that one in another spelling, reach Prefect without",
        _ASK_EVERYBODY,
    ),
    "no-groups": Complaint(
        _WARNING,
        "auth.require asks for a group, but {backend} knows none: nobody fits",
        "list users, as in user=alice|user=bob",
    ),
    "plain-passwords": Complaint(
        _WARNING,
        "auth.backend is plain: the file holds the passwords themselves",
        'use auth.backend = "htpasswd" and hashes: htpasswd -B, or openssl passwd -6',
    ),
    "rule-with-holes": Complaint(
        _OPEN,
        "who may {what} is limited for {narrow}, but not for {loose}",
        f"let the rule cover them too; {_PRINTED} that does",
    ),
    "no-tls": Complaint(
        _SECRET,
        "passwords and tokens come to {name} in clear text",
        'set ssl.engine = "enable" and ssl.pemfile, or listen on 127.0.0.1',
    ),
    "writable-script": Complaint(
        _OPEN,
        "everybody on this machine can change {path}, which decides who comes in (mode {bits:04o})",
        "chmod o-w {path}, and print it again",
    ),
    "readable-file": Complaint(
        _SECRET,
        "{key} {path} can be read or written by everybody on this machine (mode {bits:04o})",
        "chmod o= {path}, and change the passwords or keys in it",
    ),
    "served-file": Complaint(
        _SECRET,
        "{key} {path} is below server.document-root: it may be downloaded",
        "move it out of there",
    ),
    "headers-logged": Complaint(
        _SECRET, "{key} writes passwords and tokens into the error log{where}", "take it out"
    ),
    "automation-headers": Complaint(
        _FORGEABLE,
        "a client can have Prefect believe that an automation created a run{where}: {names} come through",
        'remove both: setenv.set-request-header = ( "Prefect-Automation-Id" => "", … ); '
        "a condition that sets it replaces the whole list",
    ),
    "forwarded-for": Complaint(
        _FORGEABLE,
        "a client chooses the beginning of X-Forwarded-For{where} in the log",
        'remove it: setenv.set-request-header = ( "X-Forwarded-For" => "" ); '
        "or name the proxy in front in extforward.forwarder",
    ),
    "everybody-trusted": Complaint(
        _FORGEABLE,
        "extforward.forwarder trusts everybody{where}: any client chooses the address that it is logged with",
        "name the addresses of the proxies in front",
    ),
    "identity-header": Complaint(
        _FORGEABLE,
        "the access log takes {name} for who it was, and any client can send it",
        "let only the forwarder in, and remember that mod_extforward hides who that is; "
        "`lpaudit lighttpd-config --auth forwarder` prints how",
    ),
    "no-websockets": Complaint(
        _WARNING,
        "websockets do not come through{where}: no events from flows, no live logs",
        'set proxy.header = ( "upgrade" => "enable" )',
    ),
    "not-normalised": Complaint(
        _OPEN,
        "server.http-parseopts has {option} disabled: a path can be one thing to a rule and another "
        "to Prefect",
        "enable it, with url-path-2f-decode",
    ),
    "no-access-log": Complaint(
        _WARNING,
        "no access log is written: nobody will know who did what",
        "`lpaudit lighttpd-config` prints what writes one",
    ),
    "unlogged": Complaint(
        _WARNING,
        "requests are not logged{where}",
        "log them: a report cannot tell what was left out from what did not happen",
    ),
    "format": Complaint(_WARNING, "{reason}", "`lighttpd -tt` checks it"),
    "no-error-log": Complaint(
        _WARNING,
        "server.errorlog is not set: who failed to log in is nowhere else",
        'set server.errorlog = "/var/log/lighttpd/error.log"',
    ),
}
"""Code → what it means. The hint is what cures it."""


def finding(code: str, **found: object) -> Finding:
    """Return a finding of a kind, with what was found in its places."""
    complaint = COMPLAINTS[code]
    return Finding(
        complaint.severity, code, complaint.message.format(**found), complaint.hint.format(**found)
    )
