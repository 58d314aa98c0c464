"""How long lines are kept: what is too old, what a hold keeps all the same, and how the rest goes.

classes.py   which evidence may be purged at all: schemas/retention/classes.toml
ledger.py    what was decided, in one order that nobody can change
holds.py     what is kept whatever its age
plan.py      what is too old, and what of it is held
purging.py   the rest goes, and a signed certificate stays
words.py     what was planned or done → lines, JSON
"""

from lpaudit.retention.classes import Class, chosen, classes
from lpaudit.retention.holds import Cover, Said, add, listed, release
from lpaudit.retention.plan import Old, Plan
from lpaudit.retention.purging import Done, Means, Rule, planned, purge
from lpaudit.retention.words import as_json, in_words

__all__ = [
    "Class",
    "Cover",
    "Done",
    "Means",
    "Old",
    "Plan",
    "Rule",
    "Said",
    "add",
    "as_json",
    "chosen",
    "classes",
    "in_words",
    "listed",
    "planned",
    "purge",
    "release",
]
