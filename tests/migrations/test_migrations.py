"""The migrations: from nothing and back, in step with the tables, and safe while serving."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import CheckConstraint, Connection

import payops
from payops.infra import db, migrating
from tests.support.postgres import connected

SOURCE = Path(payops.__file__).parent
SQUAWK = Path(sys.executable).with_name("squawk")

SNAPSHOT = """
SELECT 'column', table_name, column_name, data_type, is_nullable, column_default
FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL SELECT 'index', tablename, indexname, indexdef, NULL, NULL
FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'trigger', event_object_table, trigger_name, event_manipulation,
    action_timing, action_statement
FROM information_schema.triggers WHERE trigger_schema = 'public'
UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', ''
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT 'function', proname, pg_get_functiondef(oid), '', '', ''
FROM pg_proc WHERE pronamespace = 'public'::regnamespace
ORDER BY 1, 2, 3, 4
"""


async def snapshot(url: str) -> list[tuple[Any, ...]]:
    async with connected(url) as connection:
        return [tuple(row) for row in await connection.fetch(SNAPSHOT)]


def scripts() -> list[Script]:
    """All migrations, oldest first."""
    folder = ScriptDirectory(str(migrating.scripts_folder()))
    return list(reversed(list(folder.walk_revisions())))


def import_tables() -> None:
    """Fill the metadata with the tables of every slice."""
    for path in sorted(SOURCE.rglob("tables.py")):
        name = ".".join(("payops", *path.relative_to(SOURCE).with_suffix("").parts))
        importlib.import_module(name)


async def test_the_way_back_leads_to_nothing_and_forth_again_to_the_same(empty_url: str) -> None:
    """
    Upgrade, downgrade to nothing, upgrade: the schema is what it was the first time.
    """
    await migrating.migrate(empty_url)
    first = await snapshot(empty_url)

    await migrating.downgrade(empty_url, "base")
    nothing = [row for row in await snapshot(empty_url) if row[1] != "alembic_version"]
    await migrating.migrate(empty_url)

    # The version table's own constraint is named after it.
    assert [] == [row for row in nothing if "alembic_version" not in str(row)]
    assert first == await snapshot(empty_url)


async def test_each_step_can_be_taken_back_alone(empty_url: str) -> None:
    """
    Up one, down one, up one: what a rollback of the newest release would do.
    """
    await migrating.migrate(empty_url)

    for script in reversed(scripts()):
        before = await snapshot(empty_url)
        await migrating.downgrade(empty_url, str(script.down_revision or "base"))
        await migrating.migrate(empty_url, script.revision)
        assert before == await snapshot(empty_url), script.revision
        await migrating.downgrade(empty_url, str(script.down_revision or "base"))


async def test_the_tables_in_the_code_are_the_tables_in_the_database(
    own_url: str,
) -> None:
    """
    Every difference between the slices' ``tables`` and the migrated schema is an error.
    """
    import_tables()

    def compare(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": False}
        )
        return list(compare_metadata(context, db.metadata))

    async with migrating.connected(own_url) as connection:
        differences = await connection.run_sync(compare)

    assert [] == differences


async def test_every_check_in_the_code_is_in_the_database(own_url: str) -> None:
    """
    Alembic does not compare check constraints: those the tables promise do exist.
    """
    import_tables()
    async with migrating.connected(own_url) as connection:
        rows = await connection.exec_driver_sql(
            "SELECT conrelid::regclass::text, conname FROM pg_constraint"
            " WHERE contype = 'c' AND connamespace = 'public'::regnamespace"
        )
        found = {tuple(row) for row in rows}
        named = connection.dialect.identifier_preparer.format_constraint

    promised = {
        (table.name, named(check))
        for table in db.metadata.tables.values()
        for check in table.constraints
        if isinstance(check, CheckConstraint)
    }
    assert set() == promised - found


def test_the_migrations_are_one_line_of_numbers() -> None:
    """
    Each follows the one before; a branch would leave the order to chance.
    """
    revisions = [script.revision for script in scripts()]

    assert [f"{number:04}" for number in range(1, len(revisions) + 1)] == revisions


@pytest.mark.parametrize("script", scripts(), ids=lambda script: script.revision)
def test_a_migration_says_why_what_it_locks_and_what_going_back_costs(script: Script) -> None:
    """
    The docstring is what an operator reads before running it.
    """
    text = script.module.__doc__ or ""

    assert [] == [word for word in ("Why:", "Locks:", "Down:") if f"\n{word} " not in text]


@pytest.mark.parametrize("script", scripts(), ids=lambda script: script.revision)
def test_a_migration_is_safe_while_serving(script: Script, tmp_path: Path) -> None:
    """
    Squawk finds nothing, except what a comment beside it allows with its reason.
    """
    up = getattr(script.module, "UP", None)
    assert up, "keep the SQL in UP, so that it can be checked"

    assert [] == squawk(up, tmp_path)


def test_a_migration_that_would_stop_writers_is_seen(tmp_path: Path) -> None:
    """
    The check above catches an index built on a table in use, and a column renamed under readers.
    """
    sql = "CREATE INDEX i ON wallets (held); ALTER TABLE wallets RENAME COLUMN held TO kept;"

    assert ["require-concurrent-index-creation", "renaming-column"] == squawk(sql, tmp_path)


def squawk(sql: str, folder: Path) -> list[str]:
    """The rules that ``sql`` breaks."""
    file = folder / "up.sql"
    file.write_text(sql)
    done = subprocess.run(
        [SQUAWK, "--reporter=json", "--assume-in-transaction", file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "" == done.stderr
    return [fault["rule_name"] for fault in json.loads(done.stdout or "[]")]
