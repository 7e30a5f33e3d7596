"""The access log of a period, and the proof of it that needs no database."""

import hashlib
import json
from collections.abc import AsyncGenerator, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from payops.infra.db import Tx
from payops.pii.store import exporting as store
from payops.pii.store.access import Recorded

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


async def accesses_between(
    tx: Tx, since: datetime, until: datetime
) -> AsyncGenerator[list[Recorded], None]:
    """Every read of personal data in the period, in order of ids; some at a time."""
    async for rows in store.between(tx, since, until):
        yield rows


async def accesses_about(tx: Tx, user_id: str, subject: str, *, limit: int = 100) -> list[Recorded]:
    """Who read a user's personal data for the sake of ``subject``, oldest first."""
    return await store.about(tx, user_id, subject, limit)


def digest_of(rows: Iterable[Recorded]) -> str:
    """What the audit log holds of the rows of one opening, made without a database.

    As the database makes it: each row as a JSON array, spelled as PostgreSQL spells it, and
    the rows in order of their ids.
    """
    lines = [_line(row) for row in sorted(rows, key=lambda row: row.id)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _line(row: Recorded) -> str:
    microseconds = (row.at - _EPOCH) // timedelta(microseconds=1)
    return json.dumps(
        [
            row.user_id,
            str(row.id),
            microseconds,
            row.actor,
            row.purpose,
            row.subject,
            row.field,
            row.request_id,
            row.origin,
            row.reason,
        ],
        ensure_ascii=False,
    )
