"""Shredding phone numbers: the withdrawal stays, every trace of the number goes."""

from datetime import timedelta
from typing import Final

from payops.infra.db import Record, Tx
from payops.kernel.ids import floor_id
from payops.pii.domain import ERASED

_FINAL: Final = "'completed', 'failed', 'cancelled', 'reversed'"

# What is asked about again, although it is final, needs its number as well.
_AT_REST = f"w.state IN ({_FINAL}) AND w.due_at IS NULL"

_LOOK = f"""
SELECT count(*) FILTER (WHERE NOT ({_AT_REST})) AS open,
    count(*) FILTER (WHERE {_AT_REST} AND w.updated_at <= now() - $2::interval) AS erasable,
    count(*) FILTER (WHERE {_AT_REST} AND w.updated_at > now() - $2::interval) AS kept,
    max(w.updated_at + $2::interval)
        FILTER (WHERE {_AT_REST} AND w.updated_at > now() - $2::interval) AS kept_until
FROM withdrawals w WHERE w.user_id = $1 AND octet_length(w.phone_sealed) > 0
"""  # noqa: S608 - constants only

# The row's own times are left as they are: shredding is no event of the withdrawal.
_ERASE = f"""
UPDATE withdrawals w
SET phone_sealed = '', phone_index = '', phone_masked = '{ERASED}'
WHERE w.user_id = $1 AND octet_length(w.phone_sealed) > 0 AND {_AT_REST}
    AND w.updated_at <= now() - $2::interval
"""  # noqa: S608 - as above

# Ids grow with time, so their index finds the old ones; a withdrawal is not older than its id.
_FORGET = f"""
UPDATE withdrawals w
SET phone_sealed = '', phone_index = '', phone_masked = '{ERASED}'
WHERE (w.user_id, w.id) IN (
    SELECT w.user_id, w.id FROM withdrawals w
    WHERE w.id < $1 AND octet_length(w.phone_sealed) > 0 AND {_AT_REST}
        AND w.updated_at <= now() - $2::interval
    LIMIT $3 FOR UPDATE SKIP LOCKED)
"""  # noqa: S608 - as above


async def look(tx: Tx, user_id: str, kept_for: timedelta) -> Record:
    """``open``, ``erasable``, ``kept`` and ``kept_until`` of the numbers still there."""
    (row,) = await tx.fetch(_LOOK, user_id, kept_for)
    return row


async def erase(tx: Tx, user_id: str, kept_for: timedelta) -> int:
    return await tx.execute(_ERASE, user_id, kept_for)


async def forget(tx: Tx, kept_for: timedelta, limit: int) -> int:
    before = floor_id(await tx.fetchval("SELECT now()") - kept_for)
    return await tx.execute(_FORGET, before, kept_for, limit)
