"""How long lines are kept: what is too old, what a hold keeps all the same, and how the rest goes.

classes.py   which evidence may be purged at all: schemas/retention/classes.toml
ledger.py    what was decided, in one order that nobody can change
holds.py     what is kept whatever its age
"""

from lpaudit.retention.holds import Cover, Said, add, listed, release

__all__ = ["Cover", "Said", "add", "listed", "release"]
