"""SQL of the alerts."""

import json
from collections.abc import Mapping
from uuid import UUID

from payops.alerts.domain import Alert, OpenAlert, Severity
from payops.infra.db import Record, Tx

# ``before`` is a snapshot from before the statement: it tells a new or worse alert from
# one that goes on. Two first raisers at once both see none; both then say "new", which
# costs a log line and loses nothing.
_RAISE = """
WITH before AS (
    SELECT severity FROM alerts WHERE key = $2 AND resolved_at IS NULL
)
INSERT INTO alerts AS open (id, key, kind, severity, summary, detail)
VALUES ($1, $2, $3, $4, $5, $6::jsonb)
ON CONFLICT (key) WHERE resolved_at IS NULL DO UPDATE
   SET count = open.count + 1,
       last_seen_at = greatest(open.last_seen_at, now()),
       kind = excluded.kind,
       summary = excluded.summary,
       detail = excluded.detail,
       severity = CASE
           WHEN array_position($7::text[], open.severity)
              > array_position($7::text[], excluded.severity)
           THEN open.severity ELSE excluded.severity END
RETURNING open.id, open.severity IS DISTINCT FROM (SELECT severity FROM before) AS is_news
"""

_RESOLVE = """
UPDATE alerts SET resolved_at = now() WHERE key = $1 AND resolved_at IS NULL
RETURNING id, kind, severity
"""

_OPEN = """
SELECT id, key, kind, severity, summary, detail, raised_at, last_seen_at, count
  FROM alerts
 WHERE resolved_at IS NULL
 ORDER BY array_position($1::text[], severity) DESC, raised_at DESC, id DESC
 LIMIT $2
"""

_ASCENDING = [severity.value for severity in Severity]


async def upsert(tx: Tx, alert_id: UUID, alert: Alert) -> tuple[UUID, bool]:
    """The open alert's id, and whether it is new or worse than before."""
    row: Record = await tx.fetchrow(
        _RAISE,
        alert_id,
        alert.key,
        alert.kind,
        alert.severity.value,
        alert.summary,
        json.dumps(dict(alert.detail)),
        _ASCENDING,
    )
    return row["id"], row["is_news"]


async def resolve(tx: Tx, key: str) -> tuple[UUID, str, str] | None:
    """Id, kind and severity of what was open under ``key``."""
    row = await tx.fetchrow(_RESOLVE, key)
    return (row["id"], row["kind"], row["severity"]) if row else None


async def open_ones(tx: Tx, limit: int) -> list[OpenAlert]:
    return [_open_alert(row) for row in await tx.fetch(_OPEN, _ASCENDING, limit)]


def _open_alert(row: Record) -> OpenAlert:
    detail: Mapping[str, object] = row["detail"]  # decoded by the driver, unlike on the way in
    return OpenAlert(
        id=row["id"],
        key=row["key"],
        kind=row["kind"],
        severity=Severity(row["severity"]),
        summary=row["summary"],
        detail=detail,
        raised_at=row["raised_at"],
        last_seen_at=row["last_seen_at"],
        count=row["count"],
    )
