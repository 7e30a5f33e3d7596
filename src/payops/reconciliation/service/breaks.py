"""Breaks in people's hands: looked at, taken on, explained."""

from uuid import UUID

from payops.alerts import service as alerts
from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.infra.db import Tx
from payops.infra.logging.redaction import clean_text
from payops.reconciliation import store
from payops.reconciliation.domain import Break, show_break
from payops.reconciliation.errors import BreakNotFound


async def page(tx: Tx, *, before: UUID | None, limit: int) -> list[Break]:
    """Open breaks, newest first."""
    return await store.page(tx, before=before, limit=limit)


async def take_on(tx: Tx, break_id: UUID, *, owner: str, request_id: str | None = None) -> Break:
    """``owner`` looks into it. Raises ``BreakNotFound``."""
    found = await store.assign(tx, break_id, owner)
    if found is None:
        raise BreakNotFound
    await _note(tx, "break_taken_on", found, actor=owner, request_id=request_id)
    return found


async def explain(
    tx: Tx, break_id: UUID, *, explanation: str, actor: str, request_id: str | None = None
) -> Break:
    """Close a break that is no loss, and say why. Raises ``BreakNotFound``.

    Its payment's alert ends with the last of them.
    """
    explanation = clean_text(explanation)
    others = await store.lock_payment(tx, break_id) - {break_id}
    found = await store.close(tx, break_id, by=actor, explanation=explanation)
    if found is None:
        raise BreakNotFound
    await _note(
        tx, "break_explained", found, actor=actor, request_id=request_id, explanation=explanation
    )
    if not others:
        await alerts.resolve_alert(tx, f"reconciliation_break:{found.provider}:{found.subject}")
    return found


async def _note(
    tx: Tx, kind: str, found: Break, *, actor: str, request_id: str | None, **detail: object
) -> None:
    await audit.record(
        tx,
        [
            AuditEvent(
                kind=kind,
                actor=actor,
                user_id=found.user_id,
                subject=show_break(found.id),
                request_id=request_id,
                detail={"kind": found.kind.value, "payment": found.subject, **detail},
            )
        ],
    )
