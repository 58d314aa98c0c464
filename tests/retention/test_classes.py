"""What may be purged: every table is in one class, and what is kept says why."""

import pytest

from lpaudit.errors import ConfigError
from lpaudit.retention.classes import chosen, classes
from lpaudit.schema import tables


def test_every_table_of_a_store_is_in_exactly_one_class():
    assert sorted(name for one in classes().values() for name in one.tables) == sorted(tables())


def test_only_lines_of_logs_may_be_purged():
    assert [one.name for one in chosen([])] == ["access", "error"]
    assert [one.name for one in chosen(["error"])] == ["error"]


@pytest.mark.parametrize("name", ["proof", "records", "identities", "interpretation", "operation"])
def test_what_is_kept_says_why(name):
    with pytest.raises(ConfigError, match=f"nothing of the class {name} is ever purged: .{{20}}"):
        chosen([name])


def test_a_class_that_there_is_not_is_refused():
    with pytest.raises(ConfigError) as refused:
        chosen(["acces"])
    assert refused.value.hint == "these may be purged: access, error"
