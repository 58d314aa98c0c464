"""A period of a store → one ZIP that an auditor can take away, and check without lpaudit.

folder.py       files under safe names → a ZIP that is the same each time, and what its manifest says of them
rows.py         a table → CSV for people and Parquet for programs
frame.py        a check's population → the SELECT of its rows, if there is one
populations.py  populations → files, each once
evidence.py     the signed tree, proofs for the period's segments, and these
bind.py         all of it, in order
words.py        what is in it → README.md
"""

from lpaudit.binder.bind import Bound, Wanted, bind
from lpaudit.binder.frame import Frame, frame_of

__all__ = ["Bound", "Frame", "Wanted", "bind", "frame_of"]
