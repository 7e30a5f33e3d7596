"""Decisions read back: of one thing, and of a period."""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Final

from payops.infra.db import Record, Tx
from payops.kernel.ids import id_after, id_before

_COLUMNS: Final = """user_id, id, at, action, outcome, code, subject, request_id, amount, rules,
    hits, seen, device_id"""

# Ids grow with time: a range of the primary key.
_ABOUT: Final = f"""
SELECT {_COLUMNS} FROM fraud_decisions
WHERE user_id = $1 AND id >= $2 AND id < $3 AND subject = $4 ORDER BY id
"""  # noqa: S608 - constants only

_BETWEEN: Final = f"""
SELECT {_COLUMNS} FROM fraud_decisions WHERE at >= $1 AND at < $2 ORDER BY user_id, id
"""  # noqa: S608 - as above


async def about(tx: Tx, user_id: str, subject: str, around: datetime) -> list[Record]:
    first, last = id_before(around), id_after(around)
    return await tx.fetch(_ABOUT, user_id, first, last, subject)


async def between(tx: Tx, since: datetime, until: datetime) -> AsyncGenerator[list[Record], None]:
    async for rows in tx.stream(_BETWEEN, since, until):
        yield rows
