"""A configuration file → its access logs: by lighttpd itself where that is there and safe, else by us."""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lpaudit.errors import ConfigError
from lpaudit.lighttpd.accesslogs import AccessLog, access_logs, unresolved
from lpaudit.lighttpd.reader import Source, read_file, read_printed

_SECONDS = 10.0

Run = Callable[[Sequence[str]], tuple[int, str, str]]
"""Runs a program: its exit status, what it printed, and what it complained of. Raises OSError."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a configuration file says of access logs; ``notes`` are what could not be resolved."""

    path: Path
    logs: tuple[AccessLog, ...]
    notes: tuple[str, ...]


def find_lighttpd() -> str | None:
    """Return lighttpd's path, or None. Debian's is in /usr/sbin, which is not in everybody's PATH."""
    return shutil.which("lighttpd", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))


def run_program(arguments: Sequence[str]) -> tuple[int, str, str]:
    """Run a program that is not to ask, and not to take long. Raises OSError."""
    try:
        ended = subprocess.run(  # noqa: S603 -- lighttpd by its full path, no shell
            arguments, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"no answer within {_SECONDS:.0f} s") from error
    out, complaint = (text.decode("utf-8", "surrogateescape") for text in (ended.stdout, ended.stderr))
    return ended.returncode, out, complaint


def load(path: Path, lighttpd: str | None, run: Run = run_program) -> Configuration:
    """Read the access logs that a configuration file makes lighttpd write. Raises ConfigError.

    `lighttpd -p` resolves what only lighttpd knows, but it also executes every
    `include_shell`: so the file is looked at first, and if one is or may be there, lighttpd is not asked.
    """
    source = read_file(path)
    notes = list(source.notes)
    if lighttpd is not None and source.shell:
        notes.append(f"{lighttpd} -p is not asked: it would execute every include_shell, and {source.shell}")
    elif lighttpd is not None:
        source, complaint = _ask(lighttpd, path, source, run)
        notes = [complaint, *notes] if complaint else list(source.notes)
    notes += unresolved(source)
    logs = access_logs(source)
    if not logs:
        raise ConfigError(
            f"{path} configures no access log" + "".join(f"\n  {note}" for note in notes),
            hint="is mod_accesslog's configuration included? Debian: lighttpd-enable-mod accesslog",
        )
    return Configuration(path, logs, tuple(notes))


def _ask(lighttpd: str, path: Path, source: Source, run: Run) -> tuple[Source, str | None]:
    try:
        status, printed, complaint = run([lighttpd, "-p", "-f", str(path)])
        if status == 0:
            return read_printed(printed), None
        said = complaint.strip().partition("\n")[0] or f"exit status {status}"
    except OSError as error:
        said = (error.strerror or str(error)).lower()
    except ConfigError as error:
        said = error.message
    return source, f"{lighttpd} -p cannot print {path} ({said}): the file itself was read"
