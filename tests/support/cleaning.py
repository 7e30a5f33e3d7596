"""Brings a worker's database back to what the migrations left, whatever the last test did."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from threading import Thread
from typing import Any

import asyncpg

from tests.support.postgres import TABLES

Look = Callable[[Any], Awaitable[None]]

_KEPT = "SELECT tablename FROM pg_tables WHERE schemaname = 'kept'"
_END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
# What an ended connection looks like, depending on when it is noticed.
_ENDED = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.InterfaceError,
    OSError,
)


class Cleaner:
    """Cleans the database at ``url`` over one connection, kept on a loop in a thread of its own.

    A new connection reads the catalogs of all tables anew, which takes several times as long
    as the cleaning.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Any = None
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="cleaner", daemon=True)
        self._thread.start()

    def clean(self, look: Look) -> None:
        """Take away every row that is not the migrations', after ``look`` has seen them all.

        Ends every other connection to the database first.
        """
        asyncio.run_coroutine_threadsafe(self._clean(look), self._loop).result()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._leave(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _clean(self, look: Look) -> None:
        with suppress(*_ENDED):  # by the last test: a few end all connections there are
            if self._connection is not None:
                await _clean(self._connection, look)
                return
        await self._leave()
        self._connection = await asyncpg.connect(self._url)
        await _clean(self._connection, look)

    async def _leave(self) -> None:
        if self._connection is not None:
            with suppress(*_ENDED):
                await self._connection.close()


async def _clean(connection: Any, look: Look) -> None:
    """Deleting is far quicker than truncating when the tables are small.

    Triggers are off meanwhile: the append-only ones would refuse.
    """
    await connection.execute(_END_OTHERS)
    await look(connection)
    tables = [row["relname"] for row in await connection.fetch(TABLES)]
    kept = sorted(row["tablename"] for row in await connection.fetch(_KEPT))
    statements = ["SET LOCAL session_replication_role = replica"]
    statements += [f"DELETE FROM {name}" for name in tables]
    statements += [f"INSERT INTO {name} TABLE kept.{name}" for name in kept]
    async with connection.transaction():
        await connection.execute("; ".join(statements))
