"""`lpaudit keys`, `sign` and `verify`: who vouches for the store, and whether it is as it was."""

import os
import sys
from typing import Annotated

import typer

from lpaudit import config, console
from lpaudit.cli.options import ConfigOption, KeyOption, QuietOption, StatusFormat, StoreOption
from lpaudit.cli.world import configured, now, unique
from lpaudit.errors import Exit


def sign(
    *,
    key: KeyOption = None,
    store: StoreOption = None,
    quiet: QuietOption = False,
    config_file: ConfigOption = None,
) -> int:
    """Sign what has come into the store since the last time, and send the checkpoint to the anchors.

    `lpaudit ingest` does so by itself where there is a key: with --follow each minute. An anchor
    that is down holds up nothing; it gets the next checkpoint.

    Example:

      lpaudit sign --store /var/lib/lpaudit
    """
    settings = configured(config_file, store=store, key=None if key is None else str(key))
    from lpaudit import anchors, keys  # noqa: PLC0415 -- start-up time
    from lpaudit.store import open_store  # noqa: PLC0415

    wanted = anchors.parse(settings["anchors"].value)
    target = open_store(settings["store"].value)
    signer = keys.signer(target, config.key_path(settings, os.environ))
    done, failed = anchors.sign(target, signer, wanted, now=now, unique=unique, environ=os.environ)
    for sentence in failed:
        console.say(f"lpaudit: {sentence}")
    if quiet:
        return Exit.OK
    if done is None:
        console.print_line("nothing has come since the last checkpoint")
    else:
        leaves = console.counted(done.leaves, "record")
        console.print_line(f"signed {leaves}; the tree has {done.checkpoint.size:,}")
    return Exit.OK


def verify(  # noqa: PLR0913 -- options of a command
    *,
    store: StoreOption = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key",
            metavar="KEY",
            help="A public key that is believed, or a file that holds it; may be repeated. "
            "[default: those of this machine]",
        ),
    ] = None,
    checkpoint: Annotated[
        list[str] | None,
        typer.Option(
            "--checkpoint",
            metavar="PATH",
            help="A checkpoint that was kept elsewhere, or a directory of them; may be repeated. "
            "[default: the anchors]",
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Read every line again, and compare it with its row.")
    ] = False,
    sample: Annotated[
        int, typer.Option("--sample", metavar="N", min=0, help="Without --full: of so many segments 1 MiB.")
    ] = 20,
    seed: Annotated[str, typer.Option("--seed", metavar="TEXT", help="Which segments are drawn.")] = "0",
    verify_format: Annotated[
        StatusFormat, typer.Option("--format", help="For people or programs.")
    ] = StatusFormat.TABLE,
    quiet: QuietOption = False,
    config_file: ConfigOption = None,
) -> int:
    """Check that nothing in the store was added, removed or changed since it was signed.

    Compared are: raw segments, their hashes, the tree, its checkpoints, the tables' logs, the data
    files, and the rows; and logs that are still on this machine. Exit status 1 if anything differs.

    Examples:

      lpaudit verify

      lpaudit verify --full --key gw1.example.com+2414a140+AYMg… --checkpoint /mnt/worm
    """
    settings = configured(config_file, store=store)
    from lpaudit import anchors, keys, memory, verification  # noqa: PLC0415 -- start-up time
    from lpaudit.progress import reading  # noqa: PLC0415

    memory.keep()
    target, _ = verification.found_at(settings["store"].value)
    path = config.key_path(settings, os.environ)
    believed, own_word = keys.trusted(target, path, [keys.given(text) for text in key or ()])
    kept, lost = anchors.kept(checkpoint or anchors.parse(settings["anchors"].value))
    kept += anchors.remembered(target, os.environ)
    asked = verification.Asked(believed, None if full else sample, seed, tuple(kept), tuple(lost))
    with reading("verifying", shown=not quiet and sys.stderr.isatty()) as read:
        result = verification.verify(settings["store"].value, asked, read)
    if verify_format is StatusFormat.JSON:
        sys.stdout.write(console.to_json(verification.as_json(result, own_word=own_word), indent=1) + "\n")
    else:
        for line in verification.in_words(result, own_word=own_word, quiet=quiet):
            console.print_line(line)
    return Exit.NO if result.findings else Exit.OK


def show(
    line_id: Annotated[str, typer.Argument(metavar="LINE_ID", help="The column line_id of access.")],
    *,
    store: StoreOption = None,
    show_format: Annotated[
        StatusFormat, typer.Option("--format", help="For people or programs.")
    ] = StatusFormat.TABLE,
    config_file: ConfigOption = None,
) -> int:
    """Show one line: its bytes as they were, where they came from, what proves that, fields and links.

    Of a line that was purged: when, under which certificate, and what proves which bytes it was among;
    then the exit status is 1.

    Example:

      lpaudit show 3f9a2c01b7d4e6f8-0000000000000000
    """
    settings = configured(config_file, store=store)
    from lpaudit import showing  # noqa: PLC0415 -- start-up time

    line = showing.line_of(settings["store"].value, line_id.strip())
    if show_format is StatusFormat.JSON:
        sys.stdout.write(console.to_json(showing.as_json(line), indent=1) + "\n")
    else:
        for text in showing.in_words(line):
            console.print_line(text)
    return Exit.NO if isinstance(line, showing.PurgedLine) else Exit.OK
