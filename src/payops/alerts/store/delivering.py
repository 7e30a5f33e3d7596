"""The messages: taken one at a time under a lease, and what became of each."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from payops.infra.db import Tx

# The head of each key's line, so that what is said of one alert stays in order. Those tried
# least come first: new trouble does not wait behind a message that nobody will take.
_CLAIM = """
WITH due AS (
    SELECT w.notice_id, w.channel FROM alert_deliveries w
     WHERE w.channel = $1 AND w.state = 'pending' AND w.due_at <= now()
       AND (w.leased_until IS NULL OR w.leased_until <= now())
       AND NOT EXISTS (
          SELECT FROM alert_deliveries b
           WHERE b.alert_key = w.alert_key AND b.channel = w.channel AND b.state = 'pending'
             AND b.seq < w.seq)
       AND (NOT w.is_sequel OR EXISTS (
          SELECT FROM alert_deliveries t
           WHERE t.episode_id = w.episode_id AND t.channel = w.channel
             AND t.state = 'delivered'))
     ORDER BY w.attempts, w.created_at, w.notice_id LIMIT 1
       FOR UPDATE SKIP LOCKED)
UPDATE alert_deliveries d
   SET leased_until = now() + $2::interval, attempts = d.attempts + 1
  FROM due, alert_notices n, alerts a, alert_episodes e
 WHERE d.notice_id = due.notice_id AND d.channel = due.channel
   AND n.id = d.notice_id AND a.id = n.alert_id AND e.id = d.episode_id
RETURNING d.notice_id, d.attempts, e.opened_by, n.kind AS notice_kind, n.severity, n.summary,
          n.detail, n.created_at, a.id AS alert_id, a.key, a.kind, a.raised_at
"""

# Whoever delivered it says so even if its lease ran out meanwhile: that much is certain.
_DELIVERED = """
UPDATE alert_deliveries
   SET state = 'delivered', done_at = now(), leased_until = NULL, reason = NULL
 WHERE notice_id = $1 AND channel = $2 AND state = 'pending'
"""

_PARKED = """
UPDATE alert_deliveries SET state = 'parked', done_at = now(), leased_until = NULL, reason = $3
 WHERE notice_id = $1 AND channel = $2 AND state = 'pending'
"""

_PUT_OFF = """
UPDATE alert_deliveries SET due_at = now() + $4::interval, leased_until = NULL, reason = $5
 WHERE notice_id = $1 AND channel = $2 AND attempts = $3 AND state = 'pending'
"""

_HOLD_BACK = """
UPDATE alert_deliveries SET due_at = now() + $2::interval
 WHERE channel = $1 AND state = 'pending' AND due_at < now() + $2::interval
"""

_FIGURES = """
SELECT channel, greatest(0, extract(epoch FROM now() - min(created_at)))::bigint AS seconds
  FROM alert_deliveries WHERE state = 'pending' GROUP BY channel
UNION ALL
SELECT 'undecided', greatest(0, extract(epoch FROM now() - min(created_at)))::bigint
  FROM alert_notices WHERE decided_at IS NULL AND kind <> 'resolved'
HAVING count(*) > 0
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message on its way; ``attempt`` tells this claim from a later one."""

    notice_id: UUID
    attempt: int
    row: Any  # of _CLAIM: what there is to say


async def claim(tx: Tx, channel: str, lease: timedelta) -> Claimed | None:
    row = await tx.fetchrow(_CLAIM, channel, lease)
    return Claimed(row["notice_id"], row["attempts"], row) if row else None


async def delivered(tx: Tx, claimed: Claimed, channel: str) -> None:
    await tx.execute(_DELIVERED, claimed.notice_id, channel)


async def park(tx: Tx, claimed: Claimed, channel: str, why: str) -> None:
    await tx.execute(_PARKED, claimed.notice_id, channel, why)


async def put_off(tx: Tx, claimed: Claimed, channel: str, why: str, wait: timedelta) -> None:
    """Unless its lease ran out and somebody else is at it."""
    await tx.execute(_PUT_OFF, claimed.notice_id, channel, claimed.attempt, wait, why)


async def hold_back(tx: Tx, channel: str, wait: timedelta) -> None:
    """Nothing goes to ``channel`` for so long: it asked for that."""
    await tx.execute(_HOLD_BACK, channel, wait)


async def oldest_seconds(tx: Tx) -> dict[str, int]:
    """By channel, the age of the oldest message under way; ``undecided`` are in no channel yet."""
    return {row["channel"]: row["seconds"] for row in await tx.fetch(_FIGURES)}
