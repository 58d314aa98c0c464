"""`lpaudit nightly`: everything that is done once a night, and a record that it was done.

lock.py    never two at once
record.py  what a run did so far: a row of `control_run` each time that something is known
steps.py   the steps, as a table
news.py    what is worth telling somebody
setup.py   settings and a day → what a night is told
telling.py how a night ended, in words
run.py     which steps are still to do, and what became of them
"""

from lpaudit.nightly.record import Outcome, Run, Taken
from lpaudit.nightly.run import Perform, begin_and_run, plainly
from lpaudit.nightly.setup import fresh, prepare
from lpaudit.nightly.steps import STEPS, Done, Night, Step
from lpaudit.nightly.telling import in_a_line, in_markdown

__all__ = [
    "STEPS",
    "Done",
    "Night",
    "Outcome",
    "Perform",
    "Run",
    "Step",
    "Taken",
    "begin_and_run",
    "fresh",
    "in_a_line",
    "in_markdown",
    "plainly",
    "prepare",
]
