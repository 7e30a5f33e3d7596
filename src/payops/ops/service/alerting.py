"""Saying that somebody is at it, and that it is over."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from uuid import UUID

from payops.alerts import service as alerts
from payops.alerts.domain import AlertRecord, read, show
from payops.alerts.errors import AlertNotFound, AlertStands
from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.infra.db import Tx
from payops.infra.reasons import kept_reason
from payops.ops.service.operations import Operations

# What ends an alert of these kinds. Nobody's word can: what it tells of would still be so.
ENDED_BY: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                "callbacks_silent",
                "float_low",
                "inbox_backlog",
                "job_missed",
                "key_old",
                "payout_exposure",
                "payout_failures",
                "payouts_waiting",
                "reconciliation_overdue",
                "signature_failures",
            ),
            "its figure, when that is at the limit again",
        ),
        "approval_waiting": "the decision of a second person",
        "deposit_coins": "the next look at what the provider offers",
        "deposit_review": "what is decided about the deposit",
        "deposit_stuck": "the deposit, when it moves on",
        "deposits_waiting": "the deposits, when fewer of them wait",
        "halted": "the resumption",
        "ledger_out_of_balance": "the next check of the books that finds nothing",
        "reconciliation_break": "the explanation of the break, or its end",
        "withdrawal_review": "what is found out about the payout",
        "withdrawal_unclear": "what is found out about the payout",
    }
)


async def acknowledge(
    operations: Operations, shown_id: str, *, actor: str, request_id: str | None = None
) -> AlertRecord:
    """Take an alert on: nobody is reminded of it any more, unless it gets worse.

    The second to do so changes nothing: the first stays named.

    Raises:
        AlertNotFound: there is none of this id.
        AlertResolved: it is over.
    """
    alert_id = _id_of(shown_id)
    async with operations.db.transaction() as tx:
        alert, is_new = await alerts.acknowledge(tx, alert_id, by=actor)
        if is_new:
            event = AuditEvent(
                kind="alert_acknowledged",
                actor=actor,
                subject=show(alert_id),
                request_id=request_id,
                detail={"key": alert.key, "severity": alert.severity.value},
            )
            await audit.record(tx, [event])
    return alert


async def close_alert(
    operations: Operations,
    shown_id: str,
    *,
    reason: str,
    actor: str,
    request_id: str | None = None,
) -> AlertRecord:
    """End an alert whose cause no code can see the end of; returns it as it was.

    Raises:
        AlertNotFound: there is none of this id.
        AlertResolved: it is over.
        AlertStands: it ends with its cause; ``ENDED_BY`` says by what.
        Invalid: no reason.
    """
    alert_id, kept = _id_of(shown_id), kept_reason(reason)

    async def work(tx: Tx) -> AlertRecord:
        alert = await alerts.close(tx, alert_id)
        if alert.kind in ENDED_BY:
            raise AlertStands(f"An alert of this kind is ended by {ENDED_BY[alert.kind]}.")
        event = AuditEvent(
            kind="alert_closed",
            actor=actor,
            subject=show(alert_id),
            request_id=request_id,
            detail={"key": alert.key, "severity": alert.severity.value, "reason": kept},
        )
        await audit.record(tx, [event])
        return alert

    return await operations.db.run(work)


def _id_of(shown_id: str) -> UUID:
    try:
        return read(shown_id)
    except ValueError:
        raise AlertNotFound from None
