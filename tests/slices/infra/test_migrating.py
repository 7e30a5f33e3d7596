"""Migrations reach the head once, however many replicas start together."""

import asyncio
from datetime import timedelta

import pytest

from payops.infra import migrating
from payops.infra.db import Database, connect
from tests.support.postgres import connected


async def test_a_migrated_database_is_at_the_head(database: Database) -> None:
    """
    What the template was migrated to is the newest revision the code knows.
    """
    async with database.transaction() as tx:
        current = await migrating.current_revision(tx)

    assert migrating.head_revision() == current


async def test_three_replicas_migrate_an_empty_database_together(empty_url: str) -> None:
    """
    Each of three concurrent runs ends well and every migration ran once.
    """
    await asyncio.gather(*(migrating.migrate(empty_url) for _ in range(3)))

    async with connected(empty_url) as connection:
        versions = [row["version_num"] for row in await connection.fetch("TABLE alembic_version")]
    assert [migrating.head_revision()] == versions


async def test_migrating_again_changes_nothing(own_url: str) -> None:
    """
    At the head already, a second run ends well at once.
    """
    await migrating.migrate(own_url)

    async with connected(own_url) as connection:
        assert migrating.head_revision() == await connection.fetchval(
            "SELECT version_num FROM alembic_version"
        )


async def test_a_database_never_migrated_has_no_revision(empty_url: str) -> None:
    """
    Asking for it is not an error: readiness asks before the first migration too.
    """
    database = connect(empty_url, pool_size=2)

    async with database.transaction() as tx:
        assert await migrating.current_revision(tx) is None
    await database.close()


async def test_one_that_waits_too_long_for_its_turn_gives_up(empty_url: str) -> None:
    """
    While another replica holds the turn, nothing is migrated.
    """
    async with connected(empty_url) as other, other.transaction():
        await other.execute(f"SELECT pg_advisory_xact_lock({migrating._ADVISORY_LOCK})")

        with pytest.raises(migrating.MigrationsBusy):
            await migrating.migrate(empty_url, wait=timedelta(0))

    async with connected(empty_url) as connection:
        assert await connection.fetchval("SELECT to_regclass('alembic_version')") is None


async def test_a_table_lock_that_cannot_be_had_is_asked_for_again(
    own_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A long query elsewhere delays a migration; it does not make it fail.
    """
    monkeypatch.setattr(migrating, "_TABLE_LOCK_TIMEOUT", "50ms")
    async with connected(own_url) as other:
        reading = other.transaction()
        await reading.start()
        await other.execute("LOCK TABLE job_runs IN ACCESS SHARE MODE")
        downgrading = asyncio.create_task(migrating.downgrade(own_url, "0008"))
        done, _ = await asyncio.wait([downgrading], timeout=0.5)
        assert set() == done

        await reading.rollback()
        await downgrading

        assert "0008" == await other.fetchval("SELECT version_num FROM alembic_version")
