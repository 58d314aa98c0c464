"""What a library says of a failure → one line, and what to do where the reason is known.

delta-rs draws a coloured tree whose last leaf is the cause; Arrow's S3 client writes one
long line. Neither says anything of credentials but that there are none.
"""

import re

_COLOUR = re.compile("\x1b\\[[0-9;]*m")
_AGAIN = "run the same command again: what was committed stays, and it goes on from there"

# The first that fits; a reason of None is the library's own last word.
_OBJECT_STORE: tuple[tuple[re.Pattern[str], str | None, str], ...] = (
    (
        re.compile("NO_SUCH_BUCKET|NoSuchBucket"),
        "there is no such bucket",
        "check its name and AWS_ENDPOINT_URL; lpaudit makes no buckets",
    ),
    (
        re.compile(r"no credentials found|while loading credentials|IMDS|169\.254\.169\.254"),
        "no credentials were found",
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give this machine a role",
    ),
    (
        re.compile(
            "ACCESS_DENIED|AccessDenied|403 Forbidden|necessary privileges|SIGNATURE|INVALID_ACCESS_KEY|"
            "InvalidAccessKeyId|INVALID_CLIENT_TOKEN|EXPIRED_TOKEN|ExpiredToken|401 Unauthorized"
        ),
        "access denied",
        "check the credentials; docs/object-store.md lists what a policy must allow",
    ),
    (
        re.compile("PermanentRedirect|PERMANENT_REDIRECT|301 Moved|AuthorizationHeaderMalformed"),
        "the bucket is in another region",
        "set AWS_REGION to the bucket's region",
    ),
    (
        re.compile("NETWORK_CONNECTION|error sending request|REQUEST_TIMEOUT|operation timed out"),
        None,
        f"check AWS_ENDPOINT_URL and the network, then {_AGAIN}",
    ),
    (re.compile(r"AWS Error|Server returned non-2xx|Generic S3 error"), None, _AGAIN),
)


def reason_of(error: Exception) -> str:
    """Return one line that says why."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    text = _COLOUR.sub("", str(error))
    known = _known(text)
    if known is not None and known[0] is not None:
        return known[0]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # An answer's body is XML, often empty: not what a reader wants.
    causes = [line.strip("↳ ") for line in lines if line.startswith("↳") and "<?xml" not in line]
    reason = (causes[-1:] or lines[:1] or [type(error).__name__])[0]
    return f"the object store failed: {reason.rpartition('; Details: ')[2]}" if known is not None else reason


def hint_of(error: Exception) -> str | None:
    """Return what to do about an object store that failed; None for any other error."""
    known = _known(str(error))
    return known[1] if known is not None else None


def _known(text: str) -> tuple[str | None, str] | None:
    return next(((reason, hint) for pattern, reason, hint in _OBJECT_STORE if pattern.search(text)), None)
