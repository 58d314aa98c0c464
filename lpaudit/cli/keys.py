"""`lpaudit keys init|rotate|list`: keys that sign."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lpaudit import config, console
from lpaudit.cli.options import ConfigOption, Format, FormatOption, StoreOption
from lpaudit.cli.world import configured, now, unique, user
from lpaudit.errors import Exit

if TYPE_CHECKING:
    from lpaudit.keys import Key

KeyOption = Annotated[
    Path | None,
    typer.Option("--key", metavar="FILE", help="The private key. [default: ~/.config/lpaudit/key.pem]"),
]


def init(
    *,
    as_: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Whose key it is. [default: the system's user]")
    ] = None,
    key: KeyOption = None,
    store: StoreOption = None,
    config_file: ConfigOption = None,
) -> int:
    """Make a key that signs, for its owner alone to read, and publish its other half in the store.

    A key that is there already is published, in this store too. Tell your auditor the fingerprint yourself:
    it is by that, and not by the name, that a key is known.

    Example:

      lpaudit keys init --as hans
    """
    root, path = _where(store, key, config_file)
    from lpaudit import keys  # noqa: PLC0415 -- start-up time

    made = keys.init(root, path, as_ or user(), now=now(), unique=unique())
    _say(made, path)
    return Exit.OK


def rotate(*, key: KeyOption = None, store: StoreOption = None, config_file: ConfigOption = None) -> int:
    """Make a key that follows the one that is there, which signs for it and is kept beside it.

    What the old one has signed stays good.

    Example:

      lpaudit keys rotate
    """
    root, path = _where(store, key, config_file)
    from lpaudit import keys  # noqa: PLC0415 -- start-up time

    _say(keys.rotate(root, path, now=now(), unique=unique()), path)
    return Exit.OK


def list_(
    *, store: StoreOption = None, row_format: FormatOption = Format.TABLE, config_file: ConfigOption = None
) -> int:
    """List the store's keys, with the fingerprints to compare."""
    settings = configured(config_file, store=store)
    from lpaudit import keys  # noqa: PLC0415 -- start-up time
    from lpaudit.store import open_store  # noqa: PLC0415

    known = keys.published(open_store(settings["store"].value))
    names = ["key_id", "name", "created_at", "replaces", "endorsed", "fingerprint", "public_key"]
    rows = (
        (
            key.key_id,
            key.name,
            key.created_at,
            key.replaces,
            None if key.replaces is None else keys.endorsed_by(key, known) is not None,
            key.fingerprint,
            str(key.public),
        )
        for key in known.values()
    )
    console.WRITERS[row_format](names, rows, sys.stdout)
    return Exit.OK


def _where(store: str | None, key: Path | None, config_file: str | None) -> tuple[str, Path]:
    settings = configured(config_file, store=store, key=None if key is None else str(key))
    return settings["store"].value, config.key_path(settings, config.environment())


def _say(key: "Key", path: Path) -> None:
    console.print_line(f"{key.name}'s key {key.key_id}, in {path}")
    console.print_line(f"fingerprint {key.fingerprint}")
    console.print_line(f"public key  {key.public}")
