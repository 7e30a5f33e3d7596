"""Asking, approving, rejecting, expiring.

An approval and its act are one transaction: there is no approved act that was not done, and
none done that was not approved. Locks: approval → whatever the act locks → alert.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from payops.access.errors import FourEyesRequired
from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from payops.approvals import store
from payops.approvals.domain import Action, Approval, Effect, Person, State, Wanted
from payops.approvals.errors import (
    ApprovalDecided,
    ApprovalExpired,
    ApprovalNotFound,
    ApprovalPending,
)
from payops.approvals.ports import Executor
from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.infra.db import Database, Tx
from payops.infra.logging.redaction import clean_text
from payops.infra.reasons import kept_reason
from payops.kernel.ids import new_id

CLOSER: Final = "system:approvals"  # who closes what expires or is overtaken
WAITING: Final = "approval_waiting"  # the kind of the alert while a second person is needed
_EXPIRED_AT_ONCE: Final = 200


class Approvals:
    """Every act that needs two people. ``lasts`` is how long one waits for the second."""

    def __init__(self, executors: Mapping[Action, Executor], lasts: timedelta) -> None:
        self._executors = executors
        self._lasts = lasts

    async def ask(
        self, tx: Tx, wanted: Wanted, by: Person, *, request_id: str | None = None
    ) -> Approval:
        """Write down what ``by`` wants. The same, asked again by the same person, is one.

        Whether it makes sense is for the caller to check, and for the executor to check again.
        What waits for the same thing as it stood before is overtaken by this, and closed.

        Raises:
            Invalid: no reason.
            ApprovalPending: somebody else, or something else, was first.
        """
        wanted = replace(wanted, reason=kept_reason(wanted.reason))
        for lapsed in await store.expire(
            tx, CLOSER, _EXPIRED_AT_ONCE, action=wanted.action, subject=wanted.subject
        ):
            await _note_expired(tx, lapsed)
        made = await store.insert(tx, new_id(), wanted, by, self._lasts)
        if made is None:
            found = await store.pending(tx, wanted.action, wanted.subject)
            if found and (found.asked_owner, found.wanted) == (by.name, wanted):
                return found
            if found and found.wanted.looked_at != wanted.looked_at:
                await overtake(tx, found.id, "It was asked for anew.", request_id=request_id)
                made = await store.insert(tx, new_id(), wanted, by, self._lasts)
            if made is None:
                raise ApprovalPending(found.shown_id if found else None)
        await audit.record(tx, [_event("approval_asked", made, by.actor, request_id)])
        await alerts.raise_alert(tx, _waiting(made))
        return made

    async def approve(
        self,
        tx: Tx,
        approval_id: UUID,
        by: Person,
        *,
        reason: str = "",
        request_id: str | None = None,
    ) -> Approval:
        """Allow it, and do it.

        Raises:
            ApprovalNotFound, ApprovalDecided, ApprovalExpired: there is none that waits.
            FourEyesRequired: the person is who asked.
            Overtaken: what it is about has changed; the caller closes it with ``overtake``,
                in a transaction of its own, since nothing of this one may stand.
            PayopsError: whatever the act itself refuses with; the approval stays pending.
        """
        approval = await _waiting_for(tx, approval_id, by)
        effect = await self._executors[approval.wanted.action](tx, approval, by)
        decided = await store.decide(tx, approval.id, State.APPROVED, by, clean_text(reason))
        await _close(
            tx,
            decided,
            "approval_approved",
            actor=by.actor,
            request_id=request_id,
            effect=effect,
        )
        return decided

    async def reject(
        self,
        tx: Tx,
        approval_id: UUID,
        by: Person,
        *,
        reason: str = "",
        request_id: str | None = None,
    ) -> Approval:
        """Close it without effect. Raises as ``approve``, but for the act's own refusals."""
        approval = await _waiting_for(tx, approval_id, by)
        decided = await store.decide(tx, approval.id, State.REJECTED, by, clean_text(reason))
        await _close(tx, decided, "approval_rejected", actor=by.actor, request_id=request_id)
        return decided


async def overtake(tx: Tx, approval_id: UUID, why: str, *, request_id: str | None = None) -> None:
    """Close one that can never be carried out any more, if it still waits."""
    closed = await store.overtake(tx, approval_id, CLOSER, why)
    if closed is not None:
        await _close(tx, closed, "approval_overtaken", actor=CLOSER, request_id=request_id)


async def expire(db: Database) -> int:
    """Close what waited for too long; returns how many."""

    async def work(tx: Tx) -> int:
        lapsed = await store.expire(tx, CLOSER, _EXPIRED_AT_ONCE)
        for one in sorted(lapsed, key=lambda one: one.shown_id):
            await _note_expired(tx, one)
        return len(lapsed)

    return await db.run(work)


async def page(
    tx: Tx,
    *,
    state: State | None = None,
    subject: str | None = None,
    before: UUID | None = None,
    limit: int,
) -> list[Approval]:
    """Newest first; ``before`` is the last id of the page before."""
    return await store.page(tx, state=state, subject=subject, before=before, limit=limit)


def alert_key(shown_id: str) -> str:
    """The key of the alert that something waits for a second person."""
    return f"{WAITING}:{shown_id}"


async def _waiting_for(tx: Tx, approval_id: UUID, by: Person) -> Approval:
    """The approval, locked, if it waits and ``by`` may decide on it."""
    approval = await store.lock(tx, approval_id)
    if approval is None:
        raise ApprovalNotFound
    if approval.state is State.EXPIRED:
        raise ApprovalExpired
    if approval.state is not State.PENDING:
        raise ApprovalDecided(f"The approval was {approval.state} already.")
    if approval.asked_owner == by.name:
        raise FourEyesRequired
    if approval.is_over:
        raise ApprovalExpired
    return approval


async def _note_expired(tx: Tx, lapsed: Approval) -> None:
    await _close(tx, lapsed, "approval_expired", actor=CLOSER)


async def _close(
    tx: Tx,
    decided: Approval,
    kind: str,
    *,
    actor: str,
    request_id: str | None = None,
    effect: Effect | None = None,
) -> None:
    await audit.record(tx, [_event(kind, decided, actor, request_id, effect)])
    await alerts.resolve_alert(tx, alert_key(decided.shown_id))


def _event(
    kind: str,
    approval: Approval,
    actor: str,
    request_id: str | None,
    effect: Effect | None = None,
) -> AuditEvent:
    wanted = approval.wanted
    detail: dict[str, object] = {
        "approval": approval.shown_id,
        "action": wanted.action.value,
        "asked": dict(wanted.payload),
        "askedBy": approval.asked_owner,
        "reason": wanted.reason,
    }
    if approval.decided_owner:
        detail["decidedBy"] = approval.decided_owner
    if approval.decision_reason:
        detail["decisionReason"] = approval.decision_reason
    if effect:
        detail |= {"before": dict(effect.before), "after": dict(effect.after)}
    return AuditEvent(
        kind=kind,
        actor=actor,
        user_id=wanted.user_id,
        subject=wanted.subject,
        request_id=request_id,
        detail=detail,
    )


def _waiting(approval: Approval) -> Alert:
    return Alert(
        key=alert_key(approval.shown_id),
        kind=WAITING,
        severity=Severity.WARNING,
        summary="An act waits for another person's approval.",
        detail={"approval": approval.shown_id, "action": approval.wanted.action.value},
    )
