"""Declarations of sealed columns."""

import pytest

from payops.pii.domain import IndexCopy, SealedColumn, prefix_of


@pytest.mark.parametrize("name", ["", "t; DROP TABLE t", 'a"b', "A", "a b", "a.b", "é"])
def test_what_is_no_identifier_never_becomes_sql(name: str) -> None:
    """Names are constants of ours, and are checked all the same."""
    for make in (
        lambda: SealedColumn(table=name, column="c"),
        lambda: SealedColumn(table="t", column=name),
        lambda: SealedColumn(table="t", column="c", index_column=name),
        lambda: SealedColumn(table="t", column="c", user_column=name),
        lambda: IndexCopy("t", "id", "i", (name,)),
    ):
        with pytest.raises(ValueError, match="not the name of a table or column"):
            make()


@pytest.mark.parametrize(
    ("address", "prefix"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("", ""),
        ("unix", ""),
    ],
)
def test_where_a_read_came_from_is_its_network(address: str, prefix: str) -> None:
    """Enough to see that it was not the office, and no more."""
    assert prefix == prefix_of(address)
