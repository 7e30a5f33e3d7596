"""Codes on their way to users: due, delivered, or dropped when their time was over."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from payops.infra.db import Record, Tx

_INSERT = """
INSERT INTO device_messages (user_id, verification_id, channel, address_sealed, state, due_at)
VALUES ($1, $2, $3, $4, 'due', now())
"""

_CLAIM = """
UPDATE device_messages m SET due_at = now() + $2, tries = m.tries + 1
FROM (
    SELECT d.user_id, d.verification_id FROM device_messages d
    WHERE d.due_at <= now() ORDER BY d.due_at LIMIT $1 FOR UPDATE SKIP LOCKED
) AS due
JOIN device_verifications v ON v.user_id = due.user_id AND v.id = due.verification_id
WHERE m.user_id = due.user_id AND m.verification_id = due.verification_id
RETURNING m.user_id, m.verification_id, m.channel, m.address_sealed, m.tries,
    v.expires_at, v.state = 'open' AND v.expires_at > now() AS is_wanted
"""

_PUT_OFF = """
UPDATE device_messages SET due_at = now() + $3, channel = $4,
    address_sealed = CASE WHEN $4 = 'email' THEN address_sealed END
WHERE user_id = $1 AND verification_id = $2 AND state = 'due'
"""

_END = """
UPDATE device_messages
SET state = $3, due_at = NULL, address_sealed = NULL, ended_at = now()
WHERE user_id = $1 AND verification_id = $2 AND state = 'due'
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A code to be delivered. ``is_wanted``: its verification can still be confirmed."""

    user_id: str
    verification_id: UUID
    channel: str
    address_sealed: bytes | None
    tries: int
    expires_at: datetime
    is_wanted: bool


async def insert(
    tx: Tx, user_id: str, verification_id: UUID, channel: str, address_sealed: bytes | None
) -> None:
    await tx.execute(_INSERT, user_id, verification_id, channel, address_sealed)


async def claim(tx: Tx, limit: int, lease: timedelta) -> list[Waiting]:
    """Due messages, oldest first; due again after ``lease`` unless something is recorded."""
    return [_waiting(row) for row in await tx.fetch(_CLAIM, limit, lease)]


async def put_off(tx: Tx, waiting: Waiting, wait: timedelta, channel: str) -> None:
    """Try again after ``wait``, by ``channel``; off e-mail the address is wiped."""
    await tx.execute(_PUT_OFF, waiting.user_id, waiting.verification_id, wait, channel)


async def end(tx: Tx, user_id: str, verification_id: UUID, state: str) -> None:
    """Nothing more is sent, and the address is wiped; what has ended stays as it is."""
    await tx.execute(_END, user_id, verification_id, state)


def _waiting(row: Record) -> Waiting:
    return Waiting(**dict(row))
