"""SQL of the personal data access log."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from payops.infra.db import Tx
from payops.kernel.ids import new_id
from payops.pii.domain import Access, Place, Purpose
from payops.pii.tables import pii_access

# One line a row, spelled one way only; every column but the one that names the evidence.
_LINE = """jsonb_build_array(user_id, id, (extract(epoch FROM at) * 1000000)::bigint, actor,
    purpose, subject, field, request_id, origin, reason)::text"""
_DIGEST = f"encode(sha256(convert_to(string_agg({_LINE}, E'\\n' ORDER BY id), 'UTF8')), 'hex')"

_INSERT = f"""
WITH opened AS (
    INSERT INTO pii_access
        (user_id, id, actor, purpose, subject, field, request_id, origin, reason, event_id)
    SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[],
        $7::text[], $8::text[], $9::text[], $10::uuid[])
    RETURNING *
)
SELECT event_id, {_DIGEST} AS digest FROM opened GROUP BY event_id
"""  # noqa: S608 - constants only

# Evidence in the audit log against the rows it is about, both ways.
UNPROVEN = f"""
SELECT coalesce(l.id, r.event_id) AS event, l.detail->>'count' AS stated, r.count AS found
FROM (SELECT id, detail::jsonb AS detail FROM audit_log WHERE kind = 'personal_data_opened') AS l
FULL JOIN (
    SELECT event_id, count(*) AS count, {_DIGEST} AS digest
    FROM pii_access WHERE event_id IS NOT NULL GROUP BY event_id
) AS r ON r.event_id = l.id
WHERE l.id IS NULL OR r.digest IS DISTINCT FROM l.detail->>'digest'
"""  # noqa: S608 - as above

# The clock, not the start of the transaction: it may have waited for its turn.
_TAKE = """
INSERT INTO pii_quotas AS q (actor, purpose, opened_at)
VALUES ($1, $2, array_fill(clock_timestamp(), ARRAY[$3::integer]))
ON CONFLICT (actor, purpose) DO UPDATE SET opened_at = excluded.opened_at || ARRAY(
    SELECT at FROM unnest(q.opened_at) AS at WHERE at > clock_timestamp() - interval '1 day')
RETURNING cardinality(opened_at) AS last_day,
    (SELECT count(*) FROM unnest(opened_at) AS at
        WHERE at > clock_timestamp() - interval '1 hour') AS last_hour,
    (SELECT extract(epoch FROM min(at) + interval '1 hour' - clock_timestamp())::bigint
        FROM unnest(opened_at) AS at
        WHERE at > clock_timestamp() - interval '1 hour') AS hour_free_in,
    (SELECT extract(epoch FROM min(at) + interval '1 day' - clock_timestamp())::bigint
        FROM unnest(opened_at) AS at) AS day_free_in
"""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One read of personal data, as recorded."""

    user_id: str
    id: UUID
    at: datetime
    actor: str
    purpose: str
    subject: str
    field: str
    request_id: str | None
    origin: str
    reason: str | None
    event_id: UUID | None  #: of the record in the audit log that proves this one


@dataclass(frozen=True, slots=True)
class Usage:
    """What one principal opened for one purpose, these included, and when a turn is free.

    In seconds from now, for the window of an hour and for that of a day.
    """

    last_hour: int
    last_day: int
    hour_free_in: int
    day_free_in: int


@dataclass(frozen=True, slots=True)
class Tally:
    """How often someone read personal data for one purpose, and of how many users."""

    actor: str
    purpose: str
    reads: int
    users: int


async def record(
    tx: Tx, places: Sequence[Place], accesses: Sequence[Access], events: Sequence[UUID]
) -> dict[UUID, str]:
    """Write reads down, each with the event that will prove it; the digest of each event's."""
    rows = await tx.fetch(
        _INSERT,
        [place.user_id for place in places],
        [new_id() for _ in places],
        [access.actor for access in accesses],
        [access.purpose.value for access in accesses],
        [access.subject for access in accesses],
        [place.field for place in places],
        [access.request_id for access in accesses],
        [access.origin for access in accesses],
        [access.reason for access in accesses],
        list(events),
    )
    return {row["event_id"]: row["digest"] for row in rows}


async def take(tx: Tx, actor: str, purpose: Purpose, count: int) -> Usage:
    """Count ``count`` more openings; nobody else can count until this transaction ends."""
    (row,) = await tx.fetch(_TAKE, actor, purpose.value, count)
    return Usage(row["last_hour"], row["last_day"], row["hour_free_in"], row["day_free_in"])


async def newest(
    tx: Tx,
    *,
    user_id: str | None,
    actor: str | None,
    purpose: Purpose | None,
    subject: str | None,
    before: UUID | None,
    limit: int,
) -> list[Recorded]:
    columns = pii_access.c
    query = select(pii_access).order_by(columns.id.desc()).limit(limit)
    for column, value in (
        (columns.user_id, user_id),
        (columns.actor, actor),
        (columns.purpose, purpose),
        (columns.subject, subject),
    ):
        if value is not None:
            query = query.where(column == str(value))
    if before is not None:
        query = query.where(columns.id < before)
    return [Recorded(**row._asdict()) for row in await tx.select(query)]


async def tally(tx: Tx, since: datetime) -> list[Tally]:
    columns = pii_access.c
    query = (
        select(
            columns.actor,
            columns.purpose,
            func.count().label("reads"),
            func.count(columns.user_id.distinct()).label("users"),
        )
        .where(columns.at >= since)
        .group_by(columns.actor, columns.purpose)
        .order_by(columns.actor, columns.purpose)
    )
    return [Tally(**row._asdict()) for row in await tx.select(query)]
