"""The audit log and the log of who read personal data, page by page, newest first."""

from dataclasses import dataclass

from payops.audit import service as audit
from payops.infra.db import Database
from payops.infra.web.replies import PageReply, page_of, read_cursor
from payops.ops.schemas import AccessReply, AuditReply
from payops.pii import service as pii
from payops.pii.domain import Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Acts:
    """Which records of the audit log; ``None`` leaves none out."""

    user_id: str | None
    subject: str | None
    kind: str | None
    request_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """Which reads of personal data; ``None`` leaves none out."""

    user_id: str | None
    actor: str | None
    purpose: Purpose | None
    subject: str | None


async def acts(db: Database, wanted: Acts, cursor: str | None, limit: int) -> PageReply[AuditReply]:
    """Raises ``Invalid`` for what is no cursor."""
    async with db.transaction(read_only=True) as tx:
        found = await audit.history(
            tx,
            user_id=wanted.user_id,
            subject=wanted.subject,
            kind=wanted.kind,
            request_id=wanted.request_id,
            before=read_cursor(cursor),
            limit=limit + 1,
        )
    return page_of([AuditReply.of(one) for one in found], [one.id for one in found], limit)


async def reads(
    db: Database, wanted: Reads, cursor: str | None, limit: int
) -> PageReply[AccessReply]:
    """Raises ``Invalid`` for what is no cursor."""
    async with db.transaction(read_only=True) as tx:
        found = await pii.accesses(
            tx,
            user_id=wanted.user_id,
            actor=wanted.actor,
            purpose=wanted.purpose,
            subject=wanted.subject,
            before=read_cursor(cursor),
            limit=limit + 1,
        )
    return page_of([AccessReply.of(one) for one in found], [one.id for one in found], limit)
