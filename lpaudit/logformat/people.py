"""Where in a line of an access log a person's address or name stands, as its format says."""

from collections.abc import Container, Iterator

import polars as pl

from lpaudit.logformat.directives import Kind
from lpaudit.logformat.layout import Layout, Slot
from lpaudit.logformat.parse import extract, split
from lpaudit.redaction import ADDRESSES, USERS

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
    name = slot.text.partition("{")[2].partition("}")[0].lower()
    if slot.text[-1:] in "ah":  # also one that is masked
        return ADDRESSES
    return _COLUMNS.get(slot.column or "") or (_NAMES.get(name) if slot.text[-1:] in "ieno" else None)


def people(
    layout: Layout, block: bytes, kinds: Container[str]
) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Yield for each line of a block, by its number, where in it the fields of those kinds stand.

    Those that are empty, or say that there is nothing, are left out. A line that the format does not fit
    is left out as well.
    """
    wanted = [index for index, slot in enumerate(layout.slots) if kind_of(slot) in kinds]
    lines = split(block, layout.log_format.escaping)
    groups, matched = extract(layout, lines.readable)
    bare = pl.Series(_bare_lengths(block), dtype=pl.Int64)
    sizes = _sizes(layout, groups, bare)
    fits = (matched & (_sum(layout, sizes, len(layout.parts)) == bare).fill_null(value=False)).to_list()
    starts = [_sum(layout, sizes, _part_of(layout, index)).to_list() for index in wanted]
    lengths = [sizes[index].to_list() for index in wanted]
    texts = [groups[f"g{index}"].to_list() for index in wanted]
    for number, fit in enumerate(fits):
        if fit:
            yield (
                number,
                [
                    (begin[number], begin[number] + size[number])
                    for begin, size, text in zip(starts, lengths, texts, strict=True)
                    if text[number] not in {None, "", "-"}
                ],
            )


def _part_of(layout: Layout, index: int) -> int:
    """Return which part of a format is the field of that number."""
    return [place for place, part in enumerate(layout.parts) if isinstance(part, Slot)][index]


def _sum(layout: Layout, sizes: list[pl.Series], parts: int) -> pl.Series:
    """Return how many bytes the first ``parts`` parts of each line have."""
    fields = iter(sizes)
    total = sizes[0] * 0
    for part in layout.parts[:parts]:
        total = total + (len(part.encode()) if isinstance(part, str) else next(fields))
    return total


def _sizes(layout: Layout, groups: pl.DataFrame, bare: pl.Series) -> list[pl.Series]:
    """Return how many bytes each field of each line has.

    A request without method and protocol is either of words that are empty, with two blanks between them, or
    of none: the line's length tells.
    """
    sizes, wordless = [], []
    for index, slot in enumerate(layout.slots):
        if slot.directive.kind is Kind.REQUEST:
            method, target, protocol = (
                groups[f"g{index}{which}"].str.len_bytes().cast(pl.Int64) for which in "mtp"
            )
            wordless.append((index, (method == 0) & (protocol == 0)))
            sizes.append(method + target + protocol + 2)
        else:
            sizes.append(groups[f"g{index}"].str.len_bytes().cast(pl.Int64))
    more = _sum(layout, sizes, len(layout.parts)) - bare
    for index, without in wordless:
        sizes[index] = sizes[index] - 2 * (without & (more > 0)).cast(pl.Int64)
    return sizes


def _bare_lengths(block: bytes) -> list[int]:
    """Return the lengths of lines without their ends."""
    lines = block.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return [len(line) - line.endswith(b"\r") for line in lines]
