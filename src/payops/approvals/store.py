"""SQL of approvals."""

import json
from datetime import timedelta
from typing import Final
from uuid import UUID

from payops.approvals.domain import Action, Approval, Person, State, Wanted
from payops.infra.db import Record, Tx

_COLUMNS: Final = (
    "id, action, subject, user_id, payload, reason, asked_by, asked_owner, asked_at, expires_at, "
    "state, decided_by, decided_owner, decided_at, decision_reason, expires_at <= now() AS is_over"
)

_INSERT = f"""
INSERT INTO approvals (id, action, subject, user_id, payload, reason, asked_by, asked_owner,
    expires_at, state)
VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7, $8, now() + $9::interval, 'pending')
ON CONFLICT (action, subject) WHERE state = 'pending' DO NOTHING
RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only

_PENDING = f"""
SELECT {_COLUMNS} FROM approvals WHERE action = $1 AND subject = $2 AND state = 'pending'
"""  # noqa: S608 - constants only

_LOCK = f"SELECT {_COLUMNS} FROM approvals WHERE id = $1 FOR UPDATE"  # noqa: S608 - constants only

_DECIDE = f"""
UPDATE approvals SET state = $2, decided_by = $3, decided_owner = $4, decided_at = now(),
    decision_reason = $5
WHERE id = $1 AND state = 'pending' RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only

_OVERTAKE = f"""
UPDATE approvals SET state = 'overtaken', decided_by = $2, decided_at = now(), decision_reason = $3
WHERE id = $1 AND state = 'pending' RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only

# Those that somebody is deciding on at this moment are left to them.
_EXPIRE = f"""
UPDATE approvals SET state = 'expired', decided_by = $1, decided_at = now()
WHERE id IN (
    SELECT id FROM approvals
    WHERE state = 'pending' AND expires_at <= now()
        AND ($2::text IS NULL OR action = $2) AND ($3::text IS NULL OR subject = $3)
    ORDER BY id LIMIT $4 FOR UPDATE SKIP LOCKED)
RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only

_PAGE = f"""
SELECT {_COLUMNS} FROM approvals
WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR subject = $2)
    AND ($3::uuid IS NULL OR id < $3)
ORDER BY id DESC LIMIT $4
"""  # noqa: S608 - constants only


async def insert(
    tx: Tx, approval_id: UUID, wanted: Wanted, by: Person, lasts: timedelta
) -> Approval | None:
    """``None`` when the same act on the same subject waits already."""
    row = await tx.fetchrow(
        _INSERT,
        approval_id,
        wanted.action,
        wanted.subject,
        wanted.user_id,
        json.dumps(wanted.payload),
        wanted.reason,
        by.actor,
        by.name,
        lasts,
    )
    return _approval(row) if row else None


async def pending(tx: Tx, action: Action, subject: str) -> Approval | None:
    row = await tx.fetchrow(_PENDING, action, subject)
    return _approval(row) if row else None


async def lock(tx: Tx, approval_id: UUID) -> Approval | None:
    row = await tx.fetchrow(_LOCK, approval_id)
    return _approval(row) if row else None


async def decide(tx: Tx, approval_id: UUID, state: State, by: Person, reason: str) -> Approval:
    """Of a locked, pending one."""
    row = await tx.fetchrow(_DECIDE, approval_id, state, by.actor, by.name, reason or None)
    return _approval(row)


async def overtake(tx: Tx, approval_id: UUID, by: str, why: str) -> Approval | None:
    """``None`` when it does not wait any more."""
    row = await tx.fetchrow(_OVERTAKE, approval_id, by, why)
    return _approval(row) if row else None


async def expire(
    tx: Tx, by: str, limit: int, *, action: Action | None = None, subject: str | None = None
) -> list[Approval]:
    rows = await tx.fetch(_EXPIRE, by, action, subject, limit)
    return [_approval(row) for row in rows]


async def page(
    tx: Tx, *, state: State | None, subject: str | None, before: UUID | None, limit: int
) -> list[Approval]:
    """Newest first."""
    return [_approval(row) for row in await tx.fetch(_PAGE, state, subject, before, limit)]


def _approval(row: Record) -> Approval:
    return Approval(
        id=row["id"],
        wanted=Wanted(
            action=Action(row["action"]),
            subject=row["subject"],
            reason=row["reason"],
            user_id=row["user_id"],
            payload=row["payload"],
        ),
        asked_by=row["asked_by"],
        asked_owner=row["asked_owner"],
        asked_at=row["asked_at"],
        expires_at=row["expires_at"],
        is_over=row["is_over"],
        state=State(row["state"]),
        decided_by=row["decided_by"],
        decided_owner=row["decided_owner"],
        decided_at=row["decided_at"],
        decision_reason=row["decision_reason"],
    )
