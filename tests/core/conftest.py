"""The core, compiled for these tests, with every warning an error."""

import importlib.util
import os
import shlex
import shutil
from pathlib import Path

import pytest

from lpaudit import core

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """The library. CORE_FLAGS are more flags for the compiler, such as -fsanitize=address."""
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    spec = importlib.util.spec_from_file_location("hatch_build", CHECKOUT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    library = tmp_path_factory.mktemp("core") / "libcore.so"
    more = shlex.split(os.environ.get("CORE_FLAGS", ""))
    assert module.compiled(library, *module.FLAGS, "-Wall", "-Wextra", "-Werror", *more) is None
    return library


@pytest.fixture(scope="module", autouse=True)
def library(compiled):
    """Have lpaudit use it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(core, "LIBRARY", compiled)
        patch.delenv(core.SWITCH, raising=False)
        core.library.cache_clear()
        yield compiled
    core.library.cache_clear()


@pytest.fixture(scope="session")
def without():
    """Have a function called without the core."""

    def call(function, *arguments, **more):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(core.SWITCH, "0")
            core.library.cache_clear()
            try:
                return function(*arguments, **more)
            finally:
                core.library.cache_clear()

    return call
