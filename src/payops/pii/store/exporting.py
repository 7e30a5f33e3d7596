"""The access log of a period."""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Final

from payops.infra.db import Tx
from payops.kernel.ids import id_after, id_before
from payops.pii.store.access import Recorded

# Ids grow with time: their index finds the period, the moment itself decides.
_BETWEEN: Final = """
SELECT user_id, id, at, actor, purpose, subject, field, request_id, origin, reason, event_id
FROM pii_access WHERE id >= $1 AND id < $2 AND at >= $3 AND at < $4 ORDER BY id
"""

# Their user's rows only: the key begins with the user.
_ABOUT: Final = """
SELECT user_id, id, at, actor, purpose, subject, field, request_id, origin, reason, event_id
FROM pii_access WHERE user_id = $1 AND subject = $2 ORDER BY id LIMIT $3
"""


async def about(tx: Tx, user_id: str, subject: str, limit: int) -> list[Recorded]:
    return [Recorded(**dict(row)) for row in await tx.fetch(_ABOUT, user_id, subject, limit)]


async def between(tx: Tx, since: datetime, until: datetime) -> AsyncGenerator[list[Recorded], None]:
    first, last = id_before(since), id_after(until)
    async for rows in tx.stream(_BETWEEN, first, last, since, until):
        yield [Recorded(**dict(row)) for row in rows]
