"""Bring the schema to the newest revision, safely from several replicas at once.

One replica at a time: it holds an advisory lock in a transaction of its own, so nothing
depends on a session and a dead process lets go by itself. Each migration commits alone; a
table lock that cannot be had soon is given up and asked for again, so that a migration
waiting behind a long query does not make everybody else wait behind the migration.
"""

import asyncio
import functools
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.ddl.postgresql import PostgresqlImpl
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Executable, NullPool, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

import payops
from payops.infra.connecting import engine_on, opened
from payops.infra.db import Tx
from payops.infra.settings.database import address_of
from payops.kernel import errors
from payops.kernel.retrying import Backoff

# Any constant will do, so long as nothing else in this database uses it: "payops" in ASCII.
_ADVISORY_LOCK = 0x7061796F7073
_TURN_POLL_SECONDS = 0.2
_CONNECT_SECONDS_MAX = 60
_TABLE_LOCK_TIMEOUT = "4s"
_TABLE_LOCK_RETRY = Backoff(
    attempts_max=6, base=timedelta(milliseconds=500), jitter=timedelta(milliseconds=500)
)
_LOCK_NOT_AVAILABLE = "55P03"


class MigrationsBusy(errors.Unavailable):
    """Another replica has been migrating for longer than we were ready to wait."""

    code = "migrations_busy"
    title = "Another process is migrating the database"


class ScriptImpl(PostgresqlImpl):
    """Lets ``op.execute`` take a script of several statements.

    SQLAlchemy prepares what it is given, and a prepared statement is a single one; the
    driver's simple query protocol takes them all. The transaction is open already: its
    first statement is the SET LOCAL of ``connected``.
    """

    __dialect__ = "postgresql"

    def execute(
        self, sql: Executable | str, execution_options: dict[str, Any] | None = None
    ) -> None:
        if isinstance(sql, str) and not self.as_sql and self.connection is not None:
            adapted: Any = self.connection.connection.dbapi_connection
            adapted.run_async(lambda driver: driver.execute(sql))
        else:
            super().execute(sql, execution_options)


def scripts_folder() -> Path:
    """Where the migrations are: inside the installed package, or at the top of a checkout."""
    package = Path(payops.__file__).parent
    packed = package / "_migrations"
    return packed if packed.is_dir() else package.parent.parent / "migrations"


@functools.cache
def head_revision() -> str:
    """The newest revision this code knows; read from the files once."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise RuntimeError(f"no migrations in {scripts_folder()}")
    return head


async def current_revision(tx: Tx) -> str | None:
    """The revision the database is at; ``None`` when it was never migrated."""
    if await tx.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    revision: str | None = await tx.fetchval("SELECT version_num FROM alembic_version")
    return revision


async def migrate(
    url: str, revision: str = "head", *, wait: timedelta = timedelta(minutes=10)
) -> None:
    """Upgrade the database at ``url`` to ``revision``; at it already, this changes nothing.

    Raises:
        MigrationsBusy: another replica is still at it after ``wait``.
    """
    async with _turn(url, wait):
        await _patiently(url, revision, command.upgrade)


async def downgrade(url: str, revision: str, *, wait: timedelta = timedelta(minutes=10)) -> None:
    """Go back to ``revision`` (``base`` is nothing at all); migrations may refuse to."""
    async with _turn(url, wait):
        await _patiently(url, revision, command.downgrade)


@asynccontextmanager
async def connected(url: str) -> AsyncGenerator[AsyncConnection, None]:
    """A connection for migrations: every transaction on it waits only briefly for a lock."""
    engine = engine_on(
        url,
        timeout_seconds=_CONNECT_SECONDS_MAX,
        # Nothing is prepared under a name then: behind PgBouncer it would stay in a session
        # that is somebody else's next.
        statement_cache_size=0,
        poolclass=NullPool,
    )
    try:
        async with engine.connect() as connection:
            event.listen(connection.sync_connection, "begin", _limit_lock_waits)
            yield connection
    finally:
        await engine.dispose()


def _limit_lock_waits(connection: Connection) -> None:
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_TABLE_LOCK_TIMEOUT}'")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(scripts_folder()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


@asynccontextmanager
async def _turn(url: str, wait: timedelta) -> AsyncGenerator[None, None]:
    """Hold the advisory lock while the block runs.

    Tried again and again rather than waited for: a statement that waits holds a snapshot,
    and an index built concurrently by the other replica would wait for that snapshot.
    """
    connection = await opened(
        address_of(url), timeout_seconds=_CONNECT_SECONDS_MAX, statement_cache_size=0
    )
    deadline = time.monotonic() + wait.total_seconds()
    try:
        while True:
            await connection.execute("BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0")
            if await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _ADVISORY_LOCK):
                break
            await connection.execute("ROLLBACK")
            if time.monotonic() > deadline:
                raise MigrationsBusy
            await asyncio.sleep(_TURN_POLL_SECONDS)
        yield
    finally:
        await connection.close()


async def _patiently(url: str, revision: str, move: Any) -> None:
    """``move`` to ``revision``; what waits too long for a table lock starts again later."""
    for attempt in range(1, _TABLE_LOCK_RETRY.attempts_max):
        try:
            return await _move(url, revision, move)
        except (asyncpg.LockNotAvailableError, DBAPIError) as error:
            if not _is_lock_timeout(error):
                raise
        await asyncio.sleep(_TABLE_LOCK_RETRY.wait_after(attempt).total_seconds())
    return await _move(url, revision, move)


def _is_lock_timeout(error: BaseException) -> bool:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return getattr(cause, "sqlstate", None) == _LOCK_NOT_AVAILABLE


async def _move(url: str, revision: str, move: Any) -> None:
    def run(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        move(config, revision)

    async with connected(url) as connection:
        await connection.run_sync(run)
