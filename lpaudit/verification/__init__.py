"""A store ↔ what was signed of it, and itself: everything that is wrong with it, by name.

finding.py    what is found
tree.py       batches of leaves and their checkpoints → what was signed
purges.py     certificates of what was purged: only there may bytes and rows be gone
log.py        the tables' logs, their data files, and what readers see of them
segments.py   the bytes of logs
rows.py       rows, counted and read again
sources.py    logs that are still on this machine
whole.py      all of it, in order
words.py      what was found → lines, JSON
"""

from lpaudit.verification.finding import Finding, What
from lpaudit.verification.whole import Asked, Verified, found_at, verify
from lpaudit.verification.words import as_json, in_words

__all__ = ["Asked", "Finding", "Verified", "What", "as_json", "found_at", "in_words", "verify"]
