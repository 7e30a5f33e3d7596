"""Every column of the schema is in a class, and the classes are what the code does with them."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from payops import bootstrap
from tests.support.postgres import connected

CLASSES = ("sealed", "indexed", "masked", "pseudonymous", "words", "none")
FILE = Path(__file__).parents[2] / "docs" / "columns.toml"

# Names that personal data goes by. Only columns of these classes may be called so.
SPEAKING = ("phone", "msisdn", "email", "mail", "birth", "passport", "surname", "full_name", "dob")

_SCHEMA = """
SELECT table_name, column_name, data_type FROM information_schema.columns
WHERE table_schema = 'public' AND table_name <> 'alembic_version'
"""


def classified() -> dict[tuple[str, str], str]:
    """The class of each column; one in two classes is an error here."""
    found: dict[tuple[str, str], str] = {}
    tables: dict[str, Any] = tomllib.loads(FILE.read_text())
    for table, classes in tables.items():
        assert set(classes) <= set(CLASSES), table
        for name, columns in classes.items():
            for column in columns:
                assert (table, column) not in found, f"{table}.{column} is in two classes"
                found[table, column] = name
    return found


def of_class(name: str) -> set[tuple[str, str]]:
    return {column for column, its_class in classified().items() if its_class == name}


async def test_every_column_is_classified_and_no_other(own_url: str) -> None:
    """Whoever adds a column says whether it holds personal data."""
    async with connected(own_url) as connection:
        rows = await connection.fetch(_SCHEMA)

    assert {(row["table_name"], row["column_name"]) for row in rows} == set(classified())


def test_every_sealed_column_is_registered_for_rotation() -> None:
    """One that is not would keep the old key alive, or lose its values with it."""
    registered = {(column.table, column.column) for column in bootstrap.SEALED_COLUMNS}

    assert of_class("sealed") == registered


def test_every_index_is_registered_for_rotation() -> None:
    """With its copies in other tables."""
    registered = {
        (column.table, column.index_column)
        for column in bootstrap.SEALED_COLUMNS
        if column.index_column
    } | {
        (copy.table, copy.index_column)
        for column in bootstrap.SEALED_COLUMNS
        for copy in column.copies
    }

    assert of_class("indexed") == registered


async def test_what_is_called_sealed_is_bytes_and_classified_so(own_url: str) -> None:
    """A column that is named like one and is none would be believed to be."""
    async with connected(own_url) as connection:
        rows = await connection.fetch(_SCHEMA)
    named = {
        (row["table_name"], row["column_name"], row["data_type"])
        for row in rows
        if row["column_name"].endswith("_sealed")
    }

    assert {(*column, "bytea") for column in of_class("sealed")} == named


@pytest.mark.parametrize("word", SPEAKING)
def test_nothing_that_sounds_personal_is_stored_readable(word: str) -> None:
    """Phone numbers and addresses are sealed, indexed or masked; names are not stored at all."""
    readable = [
        f"{table}.{column}"
        for (table, column), its_class in classified().items()
        if word in column and its_class not in ("sealed", "indexed", "masked")
    ]

    assert [] == readable


def test_there_is_one_mask() -> None:
    """It shows enough to recognise one's own number; a second kind would have to be argued for."""
    assert {("withdrawals", "phone_masked")} == of_class("masked")
