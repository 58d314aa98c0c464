"""`lpaudit prefect-config` and `lpaudit prefect-run`: the flow run's id in each request of a run."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lpaudit import prefect_config as told
from lpaudit.errors import Exit
from lpaudit.prefect_config import Kind


def prefect_config(
    *,
    pool_type: Annotated[
        Kind | None,
        typer.Option("--pool-type", help="How flow runs get their processes. [default: each of them]"),
    ] = None,
    wheel: Annotated[
        str | None,
        typer.Option("--wheel", metavar="DIRECTORY", help="Write the plugin there, as a wheel of its own."),
    ] = None,
) -> int:
    """Print what to set in Prefect so that each request of a flow run says which run makes it.

    Examples:

      lpaudit prefect-config --pool-type kubernetes

      lpaudit prefect-config --wheel .
    """
    if wheel is not None:
        from lpaudit.plugin_wheel import write_wheel  # noqa: PLC0415 -- start-up time

        sys.stdout.write(f"{write_wheel(Path(wheel))}\n")
        return Exit.OK
    kinds = list(Kind) if pool_type is None else [pool_type]
    sys.stdout.write("\n\n".join(told.instructions(kind) for kind in kinds) + "\n" + told.common())
    return Exit.OK


def prefect_run(
    command: Annotated[
        list[str], typer.Argument(metavar="COMMAND", help="A worker's command for a flow run, after --.")
    ],
) -> int:
    """Run a command with the flow run's id in each request of its Prefect client.

    For where plugins cannot be enabled. `python -m lpaudit_prefect` is the same without lpaudit.

    Example:

      lpaudit prefect-run -- prefect flow-run execute
    """
    from lpaudit.runheader.__main__ import run  # noqa: PLC0415 -- start-up time

    return run(command)
