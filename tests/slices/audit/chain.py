"""Words for the tests of the audit chain."""

from typing import Any

from payops.audit import service
from payops.audit.domain import AuditEvent
from payops.infra.db import Database
from tests.support.postgres import connected


def events(count: int, **fields: Any) -> list[AuditEvent]:
    given = {"user_id": "user-1", "subject": "wd_1", "request_id": "req_1"} | fields
    return [
        AuditEvent(kind="withdrawal_initiated", actor="user:user-1", detail={"n": n}, **given)
        for n in range(count)
    ]


async def recorded(database: Database, count: int = 1, **fields: Any) -> list[AuditEvent]:
    batch = events(count, **fields)
    async with database.transaction() as tx:
        await service.record(tx, batch)
    return batch


async def sealed(database: Database, *counts: int) -> list[AuditEvent]:
    """One block for each count."""
    batch: list[AuditEvent] = []
    for count in counts:
        batch += await recorded(database, count)
        assert count == await service.seal(database)
    return batch


async def tamper(url: str, sql: str, *arguments: object) -> None:
    """What somebody can do who may switch the triggers off."""
    async with connected(url) as connection:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(sql, *arguments)
