"""Who read whose personal data, and why: for auditors."""

from datetime import datetime
from typing import Final
from uuid import UUID

from payops.infra.db import Tx
from payops.pii.domain import Purpose
from payops.pii.store import access as store
from payops.pii.store.access import Recorded, Tally

__all__ = ["INVARIANT_SQL", "PAGE_MAX", "Recorded", "Tally", "access_report", "accesses"]

PAGE_MAX: Final = 100

# What the checker of the books runs: rows of the log that are not as the audit log proves them.
INVARIANT_SQL: Final = store.UNPROVEN


async def accesses(
    tx: Tx,
    *,
    user_id: str | None = None,
    actor: str | None = None,
    purpose: Purpose | None = None,
    subject: str | None = None,
    before: UUID | None = None,
    limit: int = 20,
) -> list[Recorded]:
    """Who read personal data, newest first; ``before`` is the last id of the page before."""
    return await store.newest(
        tx,
        user_id=user_id,
        actor=actor,
        purpose=purpose,
        subject=subject,
        before=before,
        limit=min(limit, PAGE_MAX + 1),
    )


async def access_report(tx: Tx, since: datetime) -> list[Tally]:
    """How often who read personal data for what since ``since``."""
    return await store.tally(tx, since)
