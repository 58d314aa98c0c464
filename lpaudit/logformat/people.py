"""Where in a line of an access log a person's address or name stands, as its format says."""

from collections.abc import Iterator
from functools import cache
from itertools import accumulate

import polars as pl

from lpaudit.logformat.layout import Layout, Slot, expression_around
from lpaudit.logformat.parse import fits
from lpaudit.model import LogFormat
from lpaudit.redaction import ADDRESSES, MASK, USERS

# Fields without a column of their own: headers of forwarders, variables of lighttpd and its modules.
_ADDRESSES = """
    x-real-ip forwarded x-client-ip client-ip true-client-ip cf-connecting-ip x-cluster-client-ip
    x-forwarded-for x-original-forwarded-for remote_addr remote_host http_x_forwarded_for
"""
_USERS = """
    remote_user auth_user auth_sub auth_email http_remote_user x-remote-user x-forwarded-user
    x-forwarded-email x-forwarded-preferred-username x-auth-request-user x-auth-request-email from
    ssl_client_s_dn ssl_client_s_dn_cn ssl_client_s_dn_emailaddress
"""
_NAMES = {name: kind for kind, names in ((ADDRESSES, _ADDRESSES), (USERS, _USERS)) for name in names.split()}
_COLUMNS = {"client_address": ADDRESSES, "http_request_x_forwarded_for": ADDRESSES, "user_name": USERS}


def kind_of(slot: Slot) -> str | None:
    """Return whether a field holds ``addresses`` or ``users``; None if neither."""
    if slot.letter in "ah":  # also one that is masked
        return ADDRESSES
    return _COLUMNS.get(slot.column or "") or (
        _NAMES.get(slot.name.lower()) if slot.letter in "ieno" else None
    )


@cache
def _expression(log_format: LogFormat, kinds: frozenset[str]) -> str | None:
    return expression_around(log_format, lambda slot: kind_of(slot) in kinds)


def people(
    layout: Layout, block: bytes, kinds: frozenset[str]
) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Yield for each line that the format fits, by its number in the block, where such fields are.

    Fields that say that there is nothing are left out.
    """
    block = block.replace(MASK, b"*")  # as rows are read
    lines = block.removesuffix(b"\n").split(b"\n")
    expression = _expression(layout.log_format, kinds)
    if expression is None:
        yield from ((number, []) for number, fit in enumerate(fits(layout, block)) if fit)
        return
    found = pl.Series([line.decode("latin-1") for line in lines], dtype=pl.String)
    groups = found.str.extract_groups(expression).struct.unnest()
    for number, values in enumerate(groups.iter_rows()):
        if values[0] is not None:
            ends = list(accumulate(map(len, values)))
            places = zip(ends[::2], ends[1::2], values[1::2], strict=True)
            yield number, [(begin, end) for begin, end, value in places if value not in {"", "-"}]
