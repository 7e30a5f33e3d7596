"""The alerts, and the outbox that is written with them."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from payops.alerts.domain import Alert, AlertRecord, NoticeKind, Severity
from payops.infra.db import Record, Tx

_WORSE = "array_position($7::text[], excluded.severity) > array_position($7::text[], open.severity)"
# Of a member that nobody names, neither side is anything.
_OTHER = "(open.detail ->> $8::text) IS DISTINCT FROM (excluded.detail ->> $8::text)"
_NEWS = f"({_WORSE} OR {_OTHER})"

# Two raisers of one key take turns, for the second waits at the unique index. A statement
# sees nothing of what it changes but the row it leaves, so the row itself says what is news.
_RAISE = f"""
INSERT INTO alerts AS open (id, key, kind, severity, summary, detail)
VALUES ($1, $2, $3, $4, $5, $6::jsonb)
ON CONFLICT (key) WHERE resolved_at IS NULL DO UPDATE
   SET count = open.count + 1,
       last_seen_at = greatest(open.last_seen_at, now()),
       kind = excluded.kind,
       summary = excluded.summary,
       detail = excluded.detail,
       severity = CASE WHEN {_WORSE} THEN excluded.severity ELSE open.severity END,
       severity_at_count = CASE WHEN {_NEWS} THEN open.count + 1 ELSE open.severity_at_count END,
       acknowledged_at = CASE WHEN {_NEWS} THEN NULL ELSE open.acknowledged_at END,
       acknowledged_by = CASE WHEN {_NEWS} THEN NULL ELSE open.acknowledged_by END
RETURNING open.id, open.count = 1 AS is_new, open.count = open.severity_at_count AS is_news
"""  # noqa: S608 - constants only

_RESOLVE = """
UPDATE alerts SET resolved_at = now() WHERE key = $1 AND resolved_at IS NULL
RETURNING id, kind, severity
"""

_OPEN_AMONG = """
SELECT key FROM alerts WHERE key = ANY($1::text[]) AND resolved_at IS NULL ORDER BY key
"""

_COLUMNS = """id, key, kind, severity, summary, detail, raised_at, last_seen_at, count,
    acknowledged_at, acknowledged_by, resolved_at"""

_ACKNOWLEDGE = f"""
UPDATE alerts SET acknowledged_at = now(), acknowledged_by = $2
 WHERE id = $1 AND resolved_at IS NULL AND acknowledged_at IS NULL
RETURNING {_COLUMNS}
"""  # noqa: S608 - as above

_LOCK = f"SELECT {_COLUMNS} FROM alerts WHERE id = $1 FOR UPDATE"  # noqa: S608 - as above

_LOCK_UNSEEN = """
SELECT key FROM alerts
 WHERE kind = $1 AND resolved_at IS NULL AND last_seen_at < now() - $2::interval
 ORDER BY key FOR UPDATE SKIP LOCKED
"""

_OPEN = f"""
SELECT {_COLUMNS} FROM alerts
 WHERE resolved_at IS NULL
 ORDER BY array_position($1::text[], severity) DESC, raised_at DESC, id DESC
 LIMIT $2
"""  # noqa: S608 - as above

_PAST = f"""
SELECT {_COLUMNS} FROM alerts WHERE resolved_at IS NOT NULL ORDER BY id DESC LIMIT $1
"""  # noqa: S608 - as above

# The alert's row is locked by now, and every other writer of its key waits for it: the next
# number is nobody else's. It is read in a statement of its own, which sees what they left.
_ADD_NOTICE = """
INSERT INTO alert_notices (id, alert_id, alert_key, seq, kind, severity, summary, detail)
SELECT $1, a.id, a.key,
       1 + coalesce((SELECT max(n.seq) FROM alert_notices n WHERE n.alert_key = a.key), 0),
       $3, a.severity, a.summary, a.detail
  FROM alerts a WHERE a.id = $2
"""

_ASCENDING = [severity.value for severity in Severity]


@dataclass(frozen=True, slots=True)
class Raised:
    """The open alert, and whether it is new, or new, worse or somebody else's."""

    id: UUID
    is_new: bool
    is_news: bool


async def upsert(tx: Tx, alert_id: UUID, alert: Alert, whose: str | None) -> Raised:
    """``whose`` is the member of ``detail`` whose change is news; ``None``: none's is."""
    row: Record = await tx.fetchrow(
        _RAISE,
        alert_id,
        alert.key,
        alert.kind,
        alert.severity.value,
        alert.summary,
        json.dumps(dict(alert.detail)),
        _ASCENDING,
        whose,
    )
    return Raised(row["id"], row["is_new"], row["is_news"])


async def resolve(tx: Tx, key: str) -> tuple[UUID, str, str] | None:
    """Id, kind and severity of what was open under ``key``."""
    row = await tx.fetchrow(_RESOLVE, key)
    return (row["id"], row["kind"], row["severity"]) if row else None


async def open_among(tx: Tx, keys: Collection[str]) -> list[str]:
    return [row["key"] for row in await tx.fetch(_OPEN_AMONG, list(keys))]


async def acknowledge(tx: Tx, alert_id: UUID, by: str) -> AlertRecord | None:
    """The alert, if it was open and nobody had acknowledged it."""
    row = await tx.fetchrow(_ACKNOWLEDGE, alert_id, by)
    return _record(row) if row else None


async def add_notice(tx: Tx, notice_id: UUID, alert_id: UUID, kind: NoticeKind) -> None:
    """Write what is to be said; the alert's row must be locked by this transaction."""
    await tx.execute(_ADD_NOTICE, notice_id, alert_id, kind.value)


async def get(tx: Tx, alert_id: UUID) -> AlertRecord | None:
    row = await tx.fetchrow(f"SELECT {_COLUMNS} FROM alerts WHERE id = $1", alert_id)  # noqa: S608 - as above
    return _record(row) if row else None


async def lock(tx: Tx, alert_id: UUID) -> AlertRecord | None:
    """The alert, as it stays until the transaction ends: nobody raises or resolves it meanwhile."""
    row = await tx.fetchrow(_LOCK, alert_id)
    return _record(row) if row else None


async def lock_unseen(tx: Tx, kind: str, unseen_for: timedelta) -> list[str]:
    """Keys of open alerts that nothing raised for so long; nobody raises them until we end.

    One that somebody raises or resolves at this moment is left out, not waited for.
    """
    return [row["key"] for row in await tx.fetch(_LOCK_UNSEEN, kind, unseen_for)]


async def open_ones(tx: Tx, limit: int) -> list[AlertRecord]:
    return [_record(row) for row in await tx.fetch(_OPEN, _ASCENDING, limit)]


async def past_ones(tx: Tx, limit: int) -> list[AlertRecord]:
    return [_record(row) for row in await tx.fetch(_PAST, limit)]


async def count_open(tx: Tx) -> dict[str, int]:
    rows = await tx.fetch(
        "SELECT severity, count(*) AS count FROM alerts WHERE resolved_at IS NULL GROUP BY severity"
    )
    return {row["severity"]: row["count"] for row in rows}


def _record(row: Record) -> AlertRecord:
    detail: Mapping[str, object] = row["detail"]  # decoded by the driver, unlike on the way in
    return AlertRecord(
        id=row["id"],
        key=row["key"],
        kind=row["kind"],
        severity=Severity(row["severity"]),
        summary=row["summary"],
        detail=detail,
        raised_at=row["raised_at"],
        last_seen_at=row["last_seen_at"],
        count=row["count"],
        acknowledged_at=row["acknowledged_at"],
        acknowledged_by=row["acknowledged_by"],
        resolved_at=row["resolved_at"],
    )
