"""A real PostgreSQL for the tests: one server for the run, one database a worker.

``PAYOPS_TEST_DATABASE_URL`` names a server to use (its user must be allowed to create
databases); otherwise one of our own is started and removed at the end. It keeps every promise
that it keeps in production, a killed server included; only where its files are differs: in
memory if there is plenty, because the tests together wait for a disk longer than they compute.
A template is migrated once and cloned for each worker.
"""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg
from sqlalchemy import make_url

from payops.dev.postgres import EmbeddedPostgres
from payops.infra import migrating

URL_VARIABLE = "PAYOPS_TEST_DATABASE_URL"
_SETTINGS = {
    "max_connections": "200",
    "autovacuum_naptime": "10min",
    "min_wal_size": "64MB",  # a run needs no more than this beside its tables
    "max_wal_size": "256MB",
}
_MEMORY = Path("/dev/shm")
_MEMORY_BYTES_MIN = 2 * 1024**3

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; ``url`` leads to a database from which others may be made."""

    url: str
    template: str

    def url_of(self, database: str) -> str:
        return make_url(self.url).set(database=database).render_as_string(hide_password=False)

    def create(self, *, migrated: bool = True) -> str:
        """A new database, a clone of the migrated template or empty; returns its name."""
        name = f"payops_test_{uuid4().hex[:12]}"
        template = self.template if migrated else "template0"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, database: str) -> None:
        self._execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def _execute(self, sql: str) -> None:
        async def run() -> None:
            async with connected(self.url) as connection:
                await connection.execute(sql)

        apart(run)


class connected:  # noqa: N801 - read as a verb: async with connected(url) as connection
    """One plain asyncpg connection, for tests that need to look past our own code."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def __aenter__(self) -> Any:
        self._connection = await asyncpg.connect(self._url)
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()


def apart(work: Callable[[], Awaitable[T]]) -> T:
    """Run ``work`` on a loop of its own in another thread: fixtures of any scope may wait."""

    async def run() -> T:
        return await work()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(run())).result()


@contextmanager
def running() -> Iterator[Server]:
    """The server of this run, with a migrated template; both are gone afterwards."""
    given = os.environ.get(URL_VARIABLE)
    if given:
        with _templated(given) as server:
            yield server
        return
    with _own_server() as url, _templated(url) as server:
        yield server


@contextmanager
def _templated(url: str) -> Iterator[Server]:
    server = Server(url, f"payops_template_{uuid4().hex[:12]}")
    server._execute(f"CREATE DATABASE {server.template} TEMPLATE template0")
    try:
        apart(lambda: migrating.migrate(server.url_of(server.template)))
        apart(lambda: _remember_rows(server.url_of(server.template)))
        yield server
    finally:
        server.drop(server.template)


@contextmanager
def _own_server() -> Iterator[str]:
    server = EmbeddedPostgres.temporary(settings=_SETTINGS, parent=roomy_memory())
    try:
        yield server.url
    finally:
        server.stop()


def roomy_memory() -> Path | None:
    """A folder in memory with room for a whole run; containers often have but a little."""
    with suppress(OSError):
        if shutil.disk_usage(_MEMORY).free >= _MEMORY_BYTES_MIN and os.access(_MEMORY, os.W_OK):
            return _MEMORY
    return None


TABLES = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relname <> 'alembic_version'
ORDER BY c.relname
"""


async def _remember_rows(url: str) -> None:
    """Keep a copy of the rows that migrations made, so that a ``Cleaner`` can bring them back."""
    async with connected(url) as connection:
        await connection.execute("CREATE SCHEMA kept")
        for row in await connection.fetch(TABLES):
            name = row["relname"]
            if await connection.fetchval(f"SELECT EXISTS (SELECT FROM {name})"):
                await connection.execute(f"CREATE TABLE kept.{name} AS TABLE {name}")
