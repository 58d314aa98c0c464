"""The wrapper, for where plugins cannot be enabled: ``python -m … -- COMMAND [ARGUMENT …]``.

Sets the variable and becomes the command: the same process, so signals reach it.
"""

from __future__ import annotations

import os
import sys

from .header import CUSTOM_HEADERS, HEADER, RUN_ID, from_environment

CANNOT_RUN = 127  # a shell's status for a command that is not there


def run(command: list[str]) -> int:
    """Become ``command``, with the header if there is a run; return a status only if that fails."""
    environment = dict(os.environ)
    try:
        environment[CUSTOM_HEADERS] = from_environment(environment)
    except KeyError:
        _say(f"no {HEADER} header: {RUN_ID} is not set, so this is not the process of a flow run")
    except ValueError as error:
        _say(f"no {HEADER} header: {error}")
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execvpe(command[0], command, environment)  # noqa: S606 -- what it is asked to run, without a shell
    except OSError as error:
        _say(f"cannot run {command[0]}: {error.strerror}")
    return CANNOT_RUN


def main(arguments: list[str]) -> int:
    """Take the command from ``arguments``; return the exit status."""
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    if not command:
        _say("nothing to run")
        _say("hint: -- prefect flow-run execute")
        return 2
    return run(command)


def _say(text: str) -> None:
    sys.stderr.write(f"lpaudit: {text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
