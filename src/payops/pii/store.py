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

_INSERT = """
INSERT INTO pii_access (user_id, id, actor, purpose, subject, field, request_id, origin)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[],
                     $7::text[], $8::text[])
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


@dataclass(frozen=True, slots=True)
class Tally:
    """How often someone read personal data for one purpose, and of how many users."""

    actor: str
    purpose: str
    reads: int
    users: int


async def record(tx: Tx, places: Sequence[Place], accesses: Sequence[Access]) -> None:
    await tx.execute(
        _INSERT,
        [place.user_id for place in places],
        [new_id() for _ in places],
        [access.actor for access in accesses],
        [access.purpose.value for access in accesses],
        [access.subject for access in accesses],
        [place.field for place in places],
        [access.request_id for access in accesses],
        [access.origin for access in accesses],
    )


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
