"""One statement in one transaction, for tests that look at or prepare rows."""

from typing import Any

from payops.infra.db import Database


async def fetch(database: Database, sql: str, *arguments: object) -> list[dict[str, Any]]:
    async with database.transaction() as tx:
        return [dict(row) for row in await tx.fetch(sql, *arguments)]


async def fetchval(database: Database, sql: str, *arguments: object) -> Any:
    async with database.transaction() as tx:
        return await tx.fetchval(sql, *arguments)


async def execute(database: Database, sql: str, *arguments: object) -> int:
    async with database.transaction() as tx:
        return await tx.execute(sql, *arguments)
