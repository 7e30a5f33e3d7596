"""On what grounds things were accepted or refused, read back."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from payops.fraud.store import evidence as store
from payops.infra.db import Record, Tx


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision as it is on record. ``rules``: each that was judged, with what it counted."""

    user_id: str
    id: UUID
    at: datetime
    action: str
    outcome: str
    code: str
    subject: str | None
    request_id: str | None
    amount: int | None  # KES cents
    rules: Sequence[Mapping[str, object]]
    hits: Sequence[str]
    seen: str | None
    device_id: UUID | None


async def about(tx: Tx, user_id: str, subject: str, *, around: datetime) -> list[Decided]:
    """The decisions that led to ``subject``, which was made at about ``around``."""
    return [_decided(row) for row in await store.about(tx, user_id, subject, around)]


async def between(tx: Tx, since: datetime, until: datetime) -> AsyncGenerator[list[Decided], None]:
    """Every decision of the period, user by user; some at a time."""
    async for rows in store.between(tx, since, until):
        yield [_decided(row) for row in rows]


def _decided(row: Record) -> Decided:
    return Decided(**dict(row))
