"""The program: runs a command and turns what happens into an exit status."""

import os
import sys
import traceback

import typer

from lpaudit import __version__
from lpaudit.console import close_stdout_quietly, fail, say
from lpaudit.errors import Exit, LpauditError

# typer brings its own click and exports only the leaves of its tree of errors.
(UsageError,) = typer.BadParameter.__bases__


def main() -> None:
    """Run the command line. Never returns."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command line; return its exit status (see lpaudit.errors.Exit)."""
    from lpaudit.cli import app  # noqa: PLC0415 -- --version must not wait for what commands import

    if "_LPAUDIT_COMPLETE" in os.environ:
        app()  # a shell asks for completions
    command = typer.main.get_command(app)
    try:
        # Not typer's own main: it makes a closed pipe exit with 1, which here means "the answer is no".
        with command.make_context("lpaudit", arguments) as context:
            status = command.invoke(context)
        sys.stdout.flush()
    except typer.Exit as done:
        sys.stdout.flush()
        return done.exit_code
    except UsageError as error:
        command = error.ctx.command_path if error.ctx else "lpaudit"
        fail(error.format_message(), f"see `{command} --help`")
        return Exit.USAGE
    except LpauditError as error:
        fail(error.message, error.hint)
        if os.environ.get("LPAUDIT_DEBUG"):
            traceback.print_exc()
        return error.exit
    except (KeyboardInterrupt, typer.Abort):
        say("lpaudit: interrupted; what was committed stays\n\nhint: the same command goes on from there")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) has what it wanted.
        close_stdout_quietly()
        return Exit.OK
    except Exception:  # noqa: BLE001 -- the last line of defence: a bug has an exit status of its own
        traceback.print_exc()
        say(f"\nlpaudit: this is a bug in lpaudit {__version__} (Python {sys.version.split()[0]})")
        say("\nhint: please report it with the text above and the command that you ran")
        return Exit.BUG
    return status if isinstance(status, int) else Exit.OK


if __name__ == "__main__":
    main()
