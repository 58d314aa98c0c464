"""Compiles lpaudit's core, where there is a C compiler; without one lpaudit is installed all the same."""

import os
import shlex
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CORE = Path(__file__).parent / "lpaudit" / "core"
SOURCES = sorted(CORE.glob("*.c"))
FLAGS = ("-O3", "-shared", "-fPIC")


def compiled(library: Path, *flags: str) -> str | None:
    """Compile the core; return why it cannot be."""
    compiler = shlex.split(os.environ.get("CC") or "cc")
    aside = library.with_name(f".{library.name}.{os.getpid()}.tmp")  # a program may have the old one open
    try:
        told = subprocess.run(
            [*compiler, *(flags or FLAGS), "-o", str(aside), *map(str, SOURCES), "-lm"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if told.returncode:
            return told.stderr.strip() or f"{compiler[0]} fails"
        aside.replace(library)
    except OSError as error:
        return f"{compiler[0]}: {error.strerror}"
    finally:
        aside.unlink(missing_ok=True)
    return None


class Core(BuildHookInterface):  # type: ignore[type-arg] -- nothing of it depends on the builder's settings
    """A wheel with the core is one of this platform; with any Python."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 -- hatchling's names
        """Compile before files are collected."""
        library = CORE / "libcore.so"
        library.unlink(missing_ok=True)
        why = compiled(library)
        if why is not None:
            self.app.display_warning(f"lpaudit's core is not compiled, ingest will be slower: {why}")
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
        build_data["artifacts"].append(f"/{library.relative_to(Path(self.root))}")
