"""The program: runs a command and turns what happens into an exit status."""

import atexit
import gc
import io
import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import typer

from lpaudit import __version__
from lpaudit.console import close_stdout_quietly, fail, say
from lpaudit.errors import Exit, LpauditError, is_interruption
from lpaudit.guard import Ended

_OBJECTS = 50_000  # after which garbage is looked for: among what is imported, which is none, it takes long

# typer brings its own click and exports only the leaves of its tree of errors.
UsageError: Any = typer.BadParameter.__base__


def main() -> None:
    """Run the command line. Never returns."""
    gc.set_threshold(_OBJECTS)
    nobody = Path(os.devnull).open("w")  # noqa: SIM115 -- as long as the program, after `>&-`
    sys.stdout = sys.stdout or nobody
    sys.stderr = sys.stderr or nobody
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that knows no ☃ gets \\u2603
    _end(run(sys.argv[1:]))


def _end(status: int) -> NoReturn:
    """End the process; what is registered for that is done, but objects are not freed one by one.

    That took a tenth of a second, and the kernel does it, too.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # what could not be said is in the status already
            stream.flush()
    atexit._run_exitfuncs()  # noqa: SLF001 -- as the interpreter does, which has no way to end so
    os._exit(status)


def run(arguments: list[str]) -> int:
    """Run the command line; return its exit status (see lpaudit.errors.Exit)."""
    try:
        return _invoke(arguments)
    except UsageError as error:
        asked = error.ctx.command_path if error.ctx else "lpaudit"
        fail(error.format_message(), f"see `{asked} --help`")
        return Exit.USAGE
    except LpauditError as error:
        fail(error.message, error.hint)
        if os.environ.get("LPAUDIT_DEBUG"):
            say(traceback.format_exc())
        return error.exit
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except BrokenPipeError:
        # The reader (`| head`) has what it wanted.
        close_stdout_quietly()
        return Exit.OK
    except OSError as error:
        # What rooms do not explain better: a standard output on a full disk, say.
        close_stdout_quietly()
        place = f" ({error.filename})" if error.filename else ""
        fail(f"cannot go on: {(error.strerror or str(error)).lower()}{place}", "what was committed stays")
        return Exit.FAILED
    except Exception as error:  # noqa: BLE001 -- the last line of defence: a bug has an exit status of its own
        if is_interruption(error):
            return _interrupted()
        say(traceback.format_exc())
        say(f"\nlpaudit: this is a bug in lpaudit {__version__} (Python {sys.version.split()[0]})")
        say("\nhint: please report it with the text above and the command that you ran")
        return Exit.BUG


def _interrupted() -> int:
    say("lpaudit: interrupted; what was committed stays\n\nhint: the same command goes on from there")
    return Exit.INTERRUPTED


def _invoke(arguments: list[str]) -> int:
    """Run the command; not by typer's own main, which lets a closed pipe exit with 1: "the answer is no"."""
    from lpaudit.cli import app  # noqa: PLC0415 -- an interruption while it is imported is one, too

    if "_LPAUDIT_COMPLETE" in os.environ:
        app()  # a shell asks for completions
    command = typer.main.get_command(app)
    try:
        with command.make_context("lpaudit", arguments) as context:
            status = command.invoke(context)
    except typer.Exit as done:
        status = done.exit_code
    except Ended as child:
        status = child.status
    sys.stdout.flush()
    return status if isinstance(status, int) else Exit.OK


if __name__ == "__main__":
    main()
