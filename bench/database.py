"""The database server of a run: durable, set up as for production, gone afterwards."""

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from bench import machine
from bench.firing import WentWrong
from payops import bootstrap
from payops.dev.postgres import EmbeddedPostgres
from payops.infra import migrating
from payops.infra.connecting import opened
from payops.infra.db import connect
from payops.infra.settings.database import address_of
from payops.ledger import service as ledger

SETTINGS: Final = {
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "max_connections": "200",
}
_TEMPLATE: Final = "bench_template"
_POLL_SECONDS: Final = 0.05
_CONNECT_SECONDS_MAX: Final = 60


class Cluster:
    """One running server, and a migrated template from which databases are made."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server

    @property
    def log(self) -> Path:
        return self._server.log

    @property
    def pgbench(self) -> Path:
        """Beside the server's binaries, where PostgreSQL puts it; need not exist."""
        return self._server.binaries.bin / "pgbench"

    def url(self, database: str) -> str:
        return self._server.url_of(database)

    def where(self) -> tuple[str, str, str]:
        """Host, port and user, as PostgreSQL's own programs take them."""
        parts = urlsplit(self.url("postgres"))
        query = parse_qs(parts.query)
        return query["host"][0], query["port"][0], parts.username or ""

    def cpu_seconds(self) -> float:
        """Of all processes of the server, those included that have ended since it started."""
        return machine.family_cpu_seconds(self._server.pid)

    def create(self, database: str) -> str:
        """A new migrated database; returns its URL."""
        self.execute("postgres", f"CREATE DATABASE {database} TEMPLATE {_TEMPLATE}")
        return self.url(database)

    def execute(self, database: str, sql: str) -> None:
        run(self.url(database), lambda connection: connection.execute(sql))

    def value(self, database: str, sql: str) -> Any:
        return run(self.url(database), lambda connection: connection.fetchval(sql))

    def wait_until(self, database: str, sql: str, *, seconds_max: int) -> float:
        """Poll until ``sql`` is true, on one connection; returns the seconds it took.

        Raises:
            WentWrong: it still was not after ``seconds_max``.
        """

        async def poll(connection: Any) -> float:
            began = time.monotonic()
            while not await connection.fetchval(sql):
                if time.monotonic() > began + seconds_max:
                    raise WentWrong(f"{database}: not done within {seconds_max} s")
                await asyncio.sleep(_POLL_SECONDS)
            return time.monotonic() - began

        waited: float = run(self.url(database), poll)
        return waited

    def settle(self, database: str) -> None:
        """Statistics as after a while, and nothing left for the next checkpoint to write."""
        self.execute(database, "VACUUM (ANALYZE)")
        self.execute(database, "CHECKPOINT")

    def broken_invariants(self, database: str) -> list[str]:
        """What ``payops ledger verify`` finds wrong with the books; nothing, one hopes."""

        async def verify() -> list[str]:
            db = connect(self.url(database), pool_size=2)
            try:
                return [broken.name for broken in await ledger.verify(db, bootstrap.INVARIANTS)]
            finally:
                await db.close()

        return asyncio.run(verify())

    def version(self) -> str:
        shown: str = self.value("postgres", "SHOW server_version")
        found = re.match(r"[0-9.]+", shown)
        return found[0] if found else shown


@contextmanager
def running() -> Iterator[Cluster]:
    """A server in a temporary folder, with a migrated template."""
    with EmbeddedPostgres.temporary(settings=SETTINGS) as server:
        cluster = Cluster(server)
        cluster.execute("postgres", f"CREATE DATABASE {_TEMPLATE}")
        asyncio.run(migrating.migrate(cluster.url(_TEMPLATE)))
        yield cluster


def run(url: str, work: Any) -> Any:
    """``await work(connection)`` on a connection of its own."""

    async def connected() -> Any:
        connection = await opened(address_of(url), timeout_seconds=_CONNECT_SECONDS_MAX)
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(connected())
