"""From notices to messages: what is undecided, the episodes, and who gets what."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from payops.alerts.domain import Episode, Heard, NoticeKind, Severity
from payops.infra.db import Record, Tx

# Only the oldest undecided notice of each key, so two replicas never decide about one key at
# once: the second finds the row locked, and the key's next one is not the oldest yet.
_UNDECIDED = """
SELECT n.id, n.alert_id, n.alert_key, n.seq, n.kind, n.severity,
       now() - n.created_at AS age, back.created_at - n.created_at AS back_after,
       e.id AS episode_id, e.severity AS told_severity,
       e.acknowledged_at IS NOT NULL AS is_acknowledged
  FROM alert_notices n
  LEFT JOIN alert_episodes e ON e.alert_key = n.alert_key AND e.closed_at IS NULL
  LEFT JOIN LATERAL (
      SELECT l.created_at FROM alert_notices l
       WHERE l.alert_key = n.alert_key AND l.seq > n.seq AND l.kind = 'raised'
       ORDER BY l.seq LIMIT 1) back ON true
 WHERE n.decided_at IS NULL
   AND NOT EXISTS (
      SELECT FROM alert_notices b
       WHERE b.alert_key = n.alert_key AND b.seq < n.seq AND b.decided_at IS NULL)
   AND (n.kind <> 'resolved' OR n.created_at <= now() - $1::interval OR back IS NOT NULL)
 ORDER BY n.created_at, n.id LIMIT $2
   FOR UPDATE OF n SKIP LOCKED
"""

_DECIDE = """
UPDATE alert_notices SET decided_at = now(), verdict = $2, kind = $3 WHERE id = $1
"""

_OPEN_EPISODE = """
INSERT INTO alert_episodes (id, alert_key, severity, opened_by, escalate_at)
VALUES ($1, $2, $3, $4, now() + $5::interval)
"""

_RENEW_EPISODE = """
UPDATE alert_episodes
   SET severity = $2, acknowledged_at = NULL, escalations = 0, escalate_at = now() + $3::interval
 WHERE id = $1
"""

_TELL_ALL = """
INSERT INTO alert_deliveries (notice_id, channel, episode_id, alert_key, seq, is_sequel)
SELECT $1, c.name, $2, $3, $4, false FROM unnest($5::text[]) AS c (name)
"""

_TELL_THOSE_TOLD = """
INSERT INTO alert_deliveries (notice_id, channel, episode_id, alert_key, seq, is_sequel)
SELECT DISTINCT $1::uuid, d.channel, $2::uuid, $3, $4::integer, true
  FROM alert_deliveries d
 WHERE d.episode_id = $2 AND d.state IN ('pending', 'delivered')
"""

# The alert's row is locked before a notice is added, as by everybody else who adds one.
_REMIND = """
SELECT e.id, a.id AS alert_id, e.escalations
  FROM alert_episodes e JOIN alerts a ON a.key = e.alert_key AND a.resolved_at IS NULL
 WHERE e.escalate_at <= now() AND a.severity = 'critical'
 ORDER BY e.escalate_at LIMIT $1
   FOR UPDATE OF e, a SKIP LOCKED
"""

_REMINDED = """
UPDATE alert_episodes SET escalations = escalations + 1, escalate_at = now() + $2::interval
 WHERE id = $1
"""

_GIVE_UP = """
UPDATE alert_deliveries SET state = 'parked', done_at = now(), leased_until = NULL,
       reason = coalesce(reason, 'nobody delivers to this channel')
 WHERE state = 'pending' AND created_at < now() - $1::interval
   AND (leased_until IS NULL OR leased_until <= now())
RETURNING channel, alert_key, reason, attempts
"""

# Nobody is told that trouble is over, or seen to, who was never told of it.
_SKIP = """
UPDATE alert_deliveries w SET state = 'skipped', done_at = now()
 WHERE w.state = 'pending' AND w.is_sequel
   AND NOT EXISTS (
      SELECT FROM alert_deliveries b
       WHERE b.alert_key = w.alert_key AND b.channel = w.channel AND b.state = 'pending'
         AND b.seq < w.seq)
   AND NOT EXISTS (
      SELECT FROM alert_deliveries t
       WHERE t.episode_id = w.episode_id AND t.channel = w.channel AND t.state = 'delivered')
"""


@dataclass(frozen=True, slots=True)
class Undecided:
    """A notice locked for a decision, with what people know of its key."""

    id: UUID
    alert_id: UUID
    key: str
    seq: int
    heard: Heard
    episode_id: UUID | None
    episode: Episode | None


@dataclass(frozen=True, slots=True)
class Unreminded:
    episode_id: UUID
    alert_id: UUID
    reminders: int


@dataclass(frozen=True, slots=True)
class GivenUp:
    channel: str
    key: str
    reason: str  # of the last failure
    attempts: int


async def undecided(tx: Tx, quiet: timedelta, limit: int) -> list[Undecided]:
    """The oldest of each key; one that says "over" only once it may be told."""
    return [_undecided(row) for row in await tx.fetch(_UNDECIDED, quiet, limit)]


async def decide(tx: Tx, notice_id: UUID, verdict: str, kind: NoticeKind) -> None:
    await tx.execute(_DECIDE, notice_id, verdict, kind.value)


async def open_episode(
    tx: Tx, episode_id: UUID, notice: Undecided, remind_in: timedelta | None
) -> None:
    severity = notice.heard.severity.value
    await tx.execute(_OPEN_EPISODE, episode_id, notice.key, severity, notice.id, remind_in)


async def renew_episode(
    tx: Tx, episode_id: UUID, severity: Severity, remind_in: timedelta | None
) -> None:
    """It is news again: whoever acknowledged it did not know of this."""
    await tx.execute(_RENEW_EPISODE, episode_id, severity.value, remind_in)


async def acknowledge_episode(tx: Tx, episode_id: UUID) -> None:
    await tx.execute(
        "UPDATE alert_episodes SET acknowledged_at = now(), escalate_at = NULL WHERE id = $1",
        episode_id,
    )


async def close_episode(tx: Tx, episode_id: UUID) -> None:
    await tx.execute(
        "UPDATE alert_episodes SET closed_at = now(), escalate_at = NULL WHERE id = $1",
        episode_id,
    )


async def tell_all(tx: Tx, notice: Undecided, episode_id: UUID, channels: Sequence[str]) -> None:
    await tx.execute(_TELL_ALL, notice.id, episode_id, notice.key, notice.seq, list(channels))


async def tell_those_told(tx: Tx, notice: Undecided, episode_id: UUID) -> None:
    """Also those that are yet to be told; if that fails for good, this is skipped."""
    await tx.execute(_TELL_THOSE_TOLD, notice.id, episode_id, notice.key, notice.seq)


async def unreminded(tx: Tx, limit: int) -> list[Unreminded]:
    """Episodes whose reminder is due, with their open alerts, locked."""
    rows = await tx.fetch(_REMIND, limit)
    return [Unreminded(row["id"], row["alert_id"], row["escalations"]) for row in rows]


async def reminded(tx: Tx, episode_id: UUID, next_in: timedelta) -> None:
    await tx.execute(_REMINDED, episode_id, next_in)


async def give_up(tx: Tx, after: timedelta) -> list[GivenUp]:
    """Park what has been under way for longer than ``after``."""
    rows = await tx.fetch(_GIVE_UP, after)
    return [
        GivenUp(row["channel"], row["alert_key"], row["reason"], row["attempts"]) for row in rows
    ]


async def skip_pointless(tx: Tx) -> None:
    await tx.execute(_SKIP)


def _undecided(row: Record) -> Undecided:
    return Undecided(
        id=row["id"],
        alert_id=row["alert_id"],
        key=row["alert_key"],
        seq=row["seq"],
        heard=Heard(
            NoticeKind(row["kind"]), Severity(row["severity"]), row["age"], row["back_after"]
        ),
        episode_id=row["episode_id"],
        episode=Episode(Severity(row["told_severity"]), row["is_acknowledged"])
        if row["episode_id"]
        else None,
    )
