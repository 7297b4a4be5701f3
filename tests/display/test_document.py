import pytest

from mixcheck.display.document import Badge, Heading, PValue, Table
from mixcheck.errors import DataError, OptionError


def test_ragged_table_is_refused():
    """A row that does not fit the columns is an error that shows the row."""
    with pytest.raises(DataError, match="2 columns has a row of 1"):
        Table(("a", "b"), (("x",),))


def test_heading_levels():
    """A heading of level 5 is refused."""
    with pytest.raises(OptionError, match="1 to 4, found 5"):
        Heading("deep", 5)


def test_numeric_columns():
    """A column is numeric where it holds numbers, p-values or nothing."""
    table = Table(("a", "b", "c"), (("x", 1.0, Badge("PASS", "good")), ("y", PValue(0.1), None)))
    assert [table.is_numeric(column) for column in range(3)] == [False, True, False]
