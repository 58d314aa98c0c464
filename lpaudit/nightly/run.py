"""Which steps are still to be taken, and what became of them: each is recorded as soon as it is known."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from lpaudit import store
from lpaudit.canonical import stamp
from lpaudit.errors import LpauditError
from lpaudit.nightly import record
from lpaudit.nightly.lock import only_one
from lpaudit.nightly.record import Outcome, Run, Taken
from lpaudit.nightly.steps import STEPS, Done, Night, Step

Perform = Callable[[Step, Callable[[], Done]], Done]
"""Takes a step by calling it; whoever runs nights may do so several times, or elsewhere."""

Told = Callable[[Taken], object]


def plainly(step: Step, take: Callable[[], Done]) -> Done:
    """Take a step once."""
    del step
    return take()


def begin_and_run(night: Night, fresh: Run, *, process: int, told: Told, perform: Perform = plainly) -> Run:
    """Take every step of a night that is still to be taken, and return the run as it ended.

    ``fresh`` is what the run is if none of the same night is to be gone on with. A step that fails stops
    those that need it, and no others. Raises Busy if another night is at work, StoreError if nothing can
    be recorded.
    """
    target = store.open_store(night.root)
    holder = {"host": fresh.host, "user": fresh.user, "process": process, "night": fresh.night}
    with only_one(target, night.environ, holder, night.now()):
        run = record.resumed_or_new(night.root, fresh, night.left_out, night.now())
        for taken in run.steps:
            told(replace(taken, detail=f"{taken.detail} (at {taken.ended_at}, by the same run)"))
        run = record.recorded(night.root, run, night.now(), night.unique)
        for step in STEPS[len(run.steps) :]:
            taken, done = _take(step, night, run, perform)
            run = replace(
                run,
                steps=(*run.steps, taken),
                table_versions=done.table_versions or run.table_versions,
                report_hashes=done.report_hashes or run.report_hashes,
            )
            run = record.recorded(night.root, run, night.now(), night.unique)
            told(taken)
        run = replace(run, ended_at=night.now(), exit_status=int(run.status))
        return record.recorded(night.root, run, night.now(), night.unique)


def _take(step: Step, night: Night, run: Run, perform: Perform) -> tuple[Taken, Done]:
    begun = night.now()
    outcome, done = _outcome(step, night, run, perform)
    detail = (
        f"{done.problem} ({done.detail})" if done.problem and done.detail else done.problem or done.detail
    )
    return _taken(step, outcome, begun, night.now(), replace(done, detail=detail)), done


def _outcome(step: Step, night: Night, run: Run, perform: Perform) -> tuple[Outcome, Done]:
    if step.optional and step.name in night.left_out:
        return Outcome.LEFT_OUT, Done("left out, as asked")
    undone = {taken.step for taken in run.failed} & set(step.needs)
    if undone:
        return Outcome.SKIPPED, Done(f"needs {min(undone)}, which was not done")
    try:
        done = perform(step, lambda: step.take(night, run))
    except LpauditError as error:
        return Outcome.FAILED, Done("", problem=error.message)
    except OSError as error:
        return Outcome.FAILED, Done("", problem=(error.strerror or str(error)).lower())
    return (Outcome.FAILED if done.problem else Outcome.DONE), done


def _taken(step: Step, outcome: Outcome, begun: datetime, ended: datetime, done: Done) -> Taken:
    facts = done.facts if done.problem is None else {**done.facts, "problem": done.problem}
    return Taken(step.name, outcome, stamp(begun), stamp(ended), done.detail, facts)
