import pytest
from watch.told import Clock


@pytest.fixture
def clock():
    return Clock()
