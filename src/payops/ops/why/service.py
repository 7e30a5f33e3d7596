"""Gathering a story from every slice, in one snapshot, and holding it against the chain."""

from datetime import datetime, timedelta
from typing import Final

from payops.approvals import service as approvals
from payops.audit import service as audit
from payops.deposits.domain import invoices
from payops.deposits.errors import InvoiceNotFound
from payops.deposits.service import keeping as deposits
from payops.fraud.service import evidence as fraud
from payops.idempotency import service as idempotency
from payops.infra.db import Database, Tx
from payops.kernel.money import KES, Money
from payops.ledger.service import telling as ledger
from payops.ops.service.withdrawals import withdrawal_id_of
from payops.ops.why import telling
from payops.ops.why.domain import Moment, Story, in_order
from payops.pii.service import exporting as pii
from payops.webhooks import service as webhooks
from payops.webhooks.domain import UNKNOWN_FOR
from payops.withdrawals.domain import State, Withdrawal
from payops.withdrawals.service import keeping

_TRAIL_MAX: Final = audit.PAGE_MAX
_SLACK: Final = timedelta(days=1)


async def of_withdrawal(db: Database, txid: str) -> Story:
    """The story of a withdrawal. Raises ``WithdrawalNotFound``."""
    async with db.transaction(read_only=True) as tx:
        told = await keeping.story(tx, withdrawal_id_of(txid))
        one = told.withdrawal
        journals = await ledger.about(tx, one.user_id, one.txid, [one.hold_id])
        moments = [
            *await _common(tx, one.txid, one.user_id, one.created_at, one.updated_at),
            *telling.of_attempts(told.attempts),
            *telling.of_journals(journals),
        ]
        records, is_whole = await _records(tx, one.txid)
    return Story(
        id=one.txid,
        user_id=one.user_id,
        status=one.state.value,
        summary=_summary(one),
        moments=in_order([*moments, *records]),
        is_whole=is_whole,
    )


async def of_invoice(db: Database, shown_id: str) -> Story:
    """The story of a deposit. Raises ``InvoiceNotFound``."""
    try:
        invoice_id = invoices.read(shown_id)
    except ValueError:
        raise InvoiceNotFound from None
    async with db.transaction(read_only=True) as tx:
        told = await deposits.story(tx, invoice_id)
        one = told.invoice
        ids = [
            journal_id
            for receipt in told.receipts
            for journal_id in (receipt.journal_id, receipt.fee_journal_id)
            if journal_id is not None
        ]
        journals = await ledger.about(tx, one.user_id, one.shown_id, ids)
        moments = [
            *await _common(tx, one.shown_id, one.user_id, one.created_at, one.updated_at),
            *telling.of_payments(told.payments),
            *telling.of_receipts(told.receipts),
            *telling.of_journals(journals),
        ]
        records, is_whole = await _records(tx, one.shown_id)
    credited = Money(one.credited_minor, one.price.currency)
    why = f" because of {', '.join(one.reasons)}" if one.reasons else ""
    return Story(
        id=one.shown_id,
        user_id=one.user_id,
        status=one.state.value,
        summary=f"{one.price} through {one.provider} is {one.state}{why}; {credited} credited",
        moments=in_order([*moments, *records]),
        is_whole=is_whole,
    )


async def _common(
    tx: Tx, shown_id: str, user_id: str, created_at: datetime, updated_at: datetime
) -> list[Moment]:
    """What withdrawals and deposits have alike: request, decision, notifications, reads."""
    uses = await idempotency.made(tx, user_id, shown_id)
    decisions = await fraud.about(tx, user_id, shown_id, around=created_at)
    # Nothing is looked for longer than this after the last change.
    until = updated_at + UNKNOWN_FOR + _SLACK
    callbacks = await webhooks.about(tx, shown_id, since=created_at - _SLACK, until=until)
    reads = await pii.accesses_about(tx, user_id, shown_id)
    asked = await approvals.page(tx, subject=shown_id, limit=_TRAIL_MAX)
    return [
        *map(telling.of_use, uses),
        *map(telling.of_decision, decisions),
        *telling.of_callbacks(callbacks),
        *telling.of_reads(reads),
        *telling.of_approvals(asked),
    ]


async def _records(tx: Tx, shown_id: str) -> tuple[list[Moment], bool]:
    """The audit trail, each record with what the chain says of it; and whether that is all."""
    trail = await audit.history(tx, subject=shown_id, limit=_TRAIL_MAX + 1)
    shown = trail[:_TRAIL_MAX]
    proofs = await audit.proofs(tx, shown)
    return list(telling.of_records(shown, proofs)), len(trail) <= _TRAIL_MAX


def _summary(one: Withdrawal) -> str:
    parts = [f"{Money(one.amount_minor, KES)} to {one.phone_masked} is {one.state}"]
    if one.failure:
        parts.append(f"because of {one.failure.code}: {one.failure.message}")
    paid = _paid(one)
    if paid:
        parts.append(paid)
    if one.due_at is not None:
        parts.append(f"; it is looked at again at {one.due_at:%Y-%m-%d %H:%M:%S} UTC")
    return " ".join(parts).replace(" ;", ";")


def _paid(one: Withdrawal) -> str:
    """What is known of the money having reached the customer."""
    if one.receipt:
        return f"with the receipt {one.receipt}"
    if one.state in (State.COMPLETED, State.REVERSED):
        # By the rail, or by two people who have it from the rail.
        return "and was reported as paid; no receipt of it is known"
    return "and may have been paid" if one.is_doubtful and one.failure is None else ""
