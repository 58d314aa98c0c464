"""One recording of a real Prefect behind a real lighttpd, for all tests that ask for it. They are marked ``e2e``."""

import pytest

from tests import realprefect
from tests.conftest import find_lighttpd
from tests.recording.recording import record


@pytest.fixture(scope="session")
def recording(tmp_path_factory):
    """What tests.recording.recording.Recording says: a store, a log, and the truth."""
    lighttpd = find_lighttpd()
    if lighttpd is None or realprefect.find() is None:
        pytest.fail("this needs a real lighttpd and a real Prefect: make lighttpd prefect")
    return record(lighttpd, tmp_path_factory.mktemp("recording"), header=True)
