"""What was verified → lines for people, and values for programs."""

from collections.abc import Iterator
from dataclasses import asdict

from lpaudit.console import counted, size
from lpaudit.verification.whole import Verified

LIMITS = (
    "It proves nothing about the time before a line was read.",
    "Who has the private key and every copy of the checkpoints can write another history.",
)


def in_words(result: Verified, *, own_word: bool, quiet: bool) -> Iterator[str]:
    """Yield what to print: the findings, and unless ``quiet`` what was looked at and what that proves."""
    for found in result.findings:
        yield f"{found.what:<12} {found.where}: {found.text}"
    if quiet:
        return
    if result.findings:
        yield ""
    yield (
        f"{counted(len(result.findings), 'finding')} "
        f"in {counted(result.files, 'file')} of {size(result.bytes)}: "
        f"{counted(result.commits, 'commit')}, {counted(result.segments, 'segment')}, "
        f"{result.read_again:,} of them read again, line by line"
        + (f" ({result.read_in_part:,} in part)" if result.read_in_part else "")
    )
    if result.batches:
        yield (
            f"signed: {result.leaves:,} records in {counted(result.batches, 'checkpoint')} "
            f"of {result.origin}, by {', '.join(result.keys) or 'no key that is known'}"
        )
    if own_word and result.batches:
        yield "The keys are the store's own, which proves nothing against who can write it: give --key."
    if result.purges:
        yield (
            f"purged: {counted(result.purged_lines, 'line')} in {counted(result.purged, 'segment')}, "
            f"under {counted(result.purges, 'certificate')}; of these, only what was signed can be verified"
        )
    if result.unsigned:
        yield f"not signed yet: {counted(result.unsigned, 'commit')}"
    for path in result.sources:
        yield f"compared with the log that is still there: {path}"
    if result.leftovers:
        count = counted(len(result.leftovers), "file")
        yield f"left by a crash, and never read: {count}, the first is {result.leftovers[0]}"
    yield from LIMITS


def as_json(result: Verified, *, own_word: bool) -> dict[str, object]:
    """Return the same for programs."""
    told = asdict(result)
    return {"verified": not result.findings, **told, "keys_from_store": own_word, "limits": list(LIMITS)}
