"""The one place that records what commands do: around every command, and every query of a prompt."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from inspect import signature
from typing import TextIO, cast

import typer

from lpaudit import act, config, console, guard
from lpaudit.canonical import canonical
from lpaudit.cli.world import configured, host, now, unique
from lpaudit.errors import (
    ConfigError,
    Exit,
    LpauditError,
    QueryError,
    QueryLimit,
    StoreError,
    is_interruption,
)
from lpaudit.guard import Ended as ChildEnded

_MODES = ("best-effort", "required")
_LONG = {"nightly"}
"""What does more than ask, and may take for that what it takes."""

_NO_ARGUMENTS = {"store", "config_file", "quiet"}


def recorded(name: str, command: Callable[..., int], memory: int | None = None) -> Callable[..., int]:
    """Return the command, which leaves a row in the audit trail; with ``memory``, watched (``guard``)."""

    @wraps(command)
    def run(**given: object) -> int:
        settings = configured(
            cast("str | None", given.get("config_file")), store=cast("str | None", given.get("store"))
        )
        said = {key.rstrip("_"): value for key, value in given.items() if key not in _NO_ARGUMENTS}
        with recording(settings, name, _arguments(said), memory=memory) as status:
            status.append(command(**given))
            return status[-1]

    return run


def has_store(command: Callable[..., int]) -> bool:
    """Tell whether there is a store that a command could be recorded in."""
    return "store" in signature(command).parameters


def _arguments(said: Mapping[str, object]) -> str:
    told = {key: value for key, value in said.items() if value not in (None, False, [], ())}
    return canonical(
        {
            k: [str(v) for v in value] if isinstance(value, list | tuple) else str(value)
            for k, value in told.items()
        }
    ).decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class _Record:
    """What will be recorded, as far as it is known at the beginning."""

    root: str
    required: bool
    command: str
    text: str
    doing: act.Act
    act_id: str
    at: datetime
    begun: float

    def keep(self, outcome: str, error: BaseException | None, code: int | None) -> None:
        """Append how it ended; where that cannot be done, say so. Raises StoreError if it must be done."""
        try:
            self._keep(outcome, error, code)
        except (StoreError, OSError) as problem:
            if self.required and error is None:
                raise
            if not isinstance(error, StoreError):  # nobody is told twice that there is no store
                reason = getattr(problem, "message", None) or str(problem)
                console.say(f"lpaudit: this is not in the audit trail: {reason}")

    def _keep(self, outcome: str, error: BaseException | None, code: int | None) -> None:
        from lpaudit import trail  # noqa: PLC0415 -- start-up time

        doing = self.doing
        text = self.text if doing.text is None else doing.text
        who = trail.Who.of(host(), os.getuid(), os.environ)
        asked = trail.Asked(self.act_id, self.at, self.command, text, who)
        if outcome == "asked":
            ended = trail.ASKED
        else:
            said = getattr(error, "message", None) or str(error) or type(error).__name__
            ended = trail.Ended(
                outcome,
                code,
                round((time.monotonic() - self.begun) * 1e6),
                None if error is None else said,
                None if error is not None else doing.rows,
                None if error is not None else doing.answer_sha256(),
            )
        trail.record(self.root, asked, ended, doing.versions, unique)


@contextmanager
def recording(
    settings: config.Config,
    command: str,
    text: str,
    *,
    memory: int | None = None,
    first: bool = False,
    must: bool = False,
) -> Iterator[list[int]]:
    """Record what is done inside; its exit status is put into the list that this yields.

    With ``first``, or ``audit_trail = "required"``, it is also recorded before, and in the latter case, or if
    it ``must`` be, not done if it cannot be. With ``memory`` it is done by a child, and recorded by the
    parent if that was ended. Raises ConfigError for another word.
    """
    mode = settings["audit_trail"].value
    if mode not in _MODES:
        raise ConfigError(
            f"audit_trail is {mode!r} ({settings['audit_trail'].origin})", hint=f"it is {' or '.join(_MODES)}"
        )
    required, root = must or mode == "required", settings["store"].value
    record = _Record(root, required, command, text, act.begin(), unique(), now(), time.monotonic())
    status: list[int] = []
    stdout = sys.stdout
    try:
        if memory is not None:
            # Before anything is opened: what is open does not outlive a fork.
            guard.watch(memory, asked_alone=command in _LONG)
        if (first or required) and not guard.again():
            record.keep("asked", None, None)
        sys.stdout = cast("TextIO", act.Tee(stdout, record.doing))
        yield status
    except ChildEnded:
        raise  # the child has recorded it
    except BaseException as error:
        sys.stdout = stdout
        record.keep(*_outcome(error, status))
        raise
    sys.stdout = stdout
    record.keep(*_outcome(None, status))


def _outcome(failed: BaseException | None, status: list[int]) -> tuple[str, BaseException | None, int]:
    """Return in a word how something ended, what was wrong, and the exit status."""
    if failed is None:
        code = int(status[-1]) if status else int(Exit.OK)
        return ("ok" if code in (Exit.OK, Exit.NO) else "error"), None, code
    if isinstance(failed, BrokenPipeError):
        return "ok", failed, int(Exit.OK)  # the reader has what it wanted
    if isinstance(failed, QueryLimit):
        return "limit", failed, int(failed.exit)
    if isinstance(failed, QueryError | ConfigError):
        return "refused", failed, int(failed.exit)
    if is_interruption(failed) or isinstance(failed, typer.Abort):
        return "interrupted", failed, int(Exit.INTERRUPTED)
    if isinstance(failed, LpauditError):
        return "error", failed, int(failed.exit)
    return "error", failed, int(Exit.FAILED if isinstance(failed, OSError) else Exit.BUG)
