"""Loading an invoice with all that belongs to it, locked, and writing what was decided.

State, ledger, receipts and audit change together, in the caller's transaction, whoever
observed: a read-back, a notification, a person. There is no other way to credit a deposit.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.deposits.domain.invoices import Invoice, Receipt
from payops.deposits.domain.states import MONEY_SEEN, SETTLED, State
from payops.deposits.service.case import Case
from payops.deposits.service.deciding import conclude
from payops.deposits.store import writing
from payops.infra.db import Tx
from payops.kernel.money import Money
from payops.ledger import entries
from payops.ledger import service as ledger
from payops.ledger.domain import Journal, Owner
from payops.switches import service as switches
from payops.webhooks import service as webhooks

log = structlog.get_logger(__name__)

DUE: Final = "deposits"  # the topic that wakes whoever reads payments back
_SECOND: Final = timedelta(seconds=1)
STUCK: Final = "deposit_stuck"
_REVIEW: Final = "deposit_review"


async def load(tx: Tx, ids: Collection[UUID]) -> dict[UUID, Case]:
    """The invoices ``ids`` that exist, locked, with their payments and receipts."""
    now: datetime = await tx.fetchval("SELECT now()")
    locked = await writing.lock_all(tx, ids)
    known = [invoice.id for invoice in locked]
    cases = {invoice.id: Case(invoice, {}, {}, now) for invoice in locked}
    for payment in await writing.payments_of(tx, known):
        cases[payment.invoice_id].payments[payment.reference] = payment
    for receipt in await writing.receipts_of(tx, known):
        cases[receipt.invoice_id].receipts[receipt.reference] = receipt
    return cases


async def write(tx: Tx, case: Case, *, actor: str, before: Invoice | None = None) -> Invoice:
    """Everything observed in ``case``; returns the invoice as it is now.

    ``before`` is the invoice as it was locked, when more than its payments has changed.
    """
    before = before or case.invoice
    after = conclude(case)
    await _claim_references(tx, case)
    journals = _journals(case)
    if journals:
        owner = Owner(after.user_id, after.price.currency.code)
        await ledger.lock(tx, {owner}, create={owner})
        await ledger.post(tx, journals)
    for reference in sorted(case.touched):
        await writing.save_payment(tx, case.payments[reference])
    for reference in sorted(case.changed):
        await writing.save_receipt(tx, case.receipts[reference])
    if after != before:
        await writing.update_invoice(tx, after)
    if after.state is not before.state:
        await _note_transition(tx, case, before, actor)
    await audit.record(tx, _events(case, before, actor))
    await _alert(tx, case, before)
    return after


async def _claim_references(tx: Tx, case: Case) -> None:
    """What is once per provider; a claim that another invoice holds stops everything."""
    wanted = [("payment", reference) for reference in case.touched]
    wanted += [("receipt", reference) for reference in case.changed]
    if not wanted:
        return
    taken = await writing.keep_references(tx, case.invoice.provider, case.invoice, sorted(wanted))
    if taken:
        raise ReferenceTaken(case.invoice.shown_id)
    await webhooks.rematch(tx, case.invoice.provider, sorted(case.touched))


class ReferenceTaken(Exception):
    """A provider gave one id to payments of two invoices: nothing was written."""


def _journals(case: Case) -> list[Journal]:
    invoice, journals = case.invoice, list(case.decisions)
    for reference in case.credited:
        receipt = case.receipts[reference]
        journal = entries.deposit_credited(
            invoice.user_id, _credited(receipt), provider=invoice.provider, reference=reference
        )
        journals.append(journal)
        case.put_receipt(replace(receipt, journal_id=journal.id))
    for reference, minor in case.fees.items():
        journal = entries.deposit_fee(
            invoice.user_id,
            Money(minor, invoice.price.currency),
            provider=invoice.provider,
            reference=reference,
        )
        journals.append(journal)
        case.put_receipt(replace(case.receipts[reference], fee_journal_id=journal.id))
    for reference in case.reversed:
        receipt = case.receipts[reference]
        assert receipt.journal_id is not None  # noqa: S101 - it was credited, so it has one
        journals.append(
            entries.deposit_taken_back(
                invoice.user_id,
                _credited(receipt),
                provider=invoice.provider,
                reference=reference,
                credit=receipt.journal_id,
            )
        )
    return journals


def _credited(receipt: Receipt) -> Money:
    assert receipt.credited is not None  # noqa: S101 - decided together with its state
    return receipt.credited


async def _note_transition(tx: Tx, case: Case, before: Invoice, actor: str) -> None:
    after = case.invoice
    seen = [p.seen_at for p in case.payments.values() if p.seen_at is not None]
    waited = settling = None
    if before.state is State.WAITING and after.state in MONEY_SEEN | SETTLED:
        waited = (case.now - after.created_at) // _SECOND
    if before.state in MONEY_SEEN and after.state in SETTLED and seen:
        settling = (case.now - min(seen)) // _SECOND
    phases = {"wait_to_pending": waited, "pending_to_finished": settling}
    case.durations |= {phase: took for phase, took in phases.items() if took is not None}
    await writing.note_transition(
        tx, after, before.state, waited_seconds=waited, settling_seconds=settling, actor=actor
    )
    log_line = {"invoice_id": after.shown_id, "from": before.state, "to": after.state}
    tx.after_commit(lambda: log.info("deposit.moved", actor=actor, **log_line))


def _events(case: Case, before: Invoice, actor: str) -> list[AuditEvent]:
    after = case.invoice
    events = []

    def note(kind: str, **detail: object) -> None:
        events.append(
            AuditEvent(
                kind=kind,
                actor=actor,
                user_id=after.user_id,
                subject=after.shown_id,
                detail=detail,
            )
        )

    if after.state is not before.state:
        note("deposit_moved", **{"from": before.state.value, "to": after.state.value})
    for reference in case.credited:
        receipt = case.receipts[reference]
        note(
            "deposit_credited",
            reference=reference,
            coin=receipt.coin,
            arrived=str(receipt.amount),
            amountMinor=_credited(receipt).minor,
            currency=_credited(receipt).currency.code,
            method=str(receipt.method),
            rate=str(receipt.rate),
        )
    for reference in case.reversed:
        note("deposit_taken_back", reference=reference)
    for reference in case.overpaid:
        note("deposit_overpaid", reference=reference, creditedMinor=after.credited_minor)
    for reason in case.news:
        note("deposit_review", reason=reason)
    for word in case.unknown_words:
        note("deposit_status_unknown", status=word)
    return events


async def _alert(tx: Tx, case: Case, before: Invoice) -> None:
    """Raised last: others with the same trouble wait for us."""
    after, shown = case.invoice, case.invoice.shown_id
    if after.state is not before.state and before.state in MONEY_SEEN:
        await alerts.resolve_alert(tx, f"{STUCK}:{shown}")
    if before.reasons and not after.reasons:
        await alerts.resolve_alert(tx, f"{_REVIEW}:{shown}")
    for word in sorted(set(case.unknown_words)):
        await alerts.raise_alert(
            tx,
            Alert(
                key=f"deposit_status_unknown:{after.provider}:{word[:64]}",
                kind="deposit_status_unknown",
                severity=Severity.WARNING,
                summary="A provider of deposits uses a status that we do not know.",
                detail={"provider": after.provider, "status": word[:64], "invoice": shown},
            ),
        )
    if case.overpaid:
        await alerts.raise_alert(tx, _overpaid(after))
    if case.news:
        await alerts.raise_alert(
            tx,
            Alert(
                key=f"{_REVIEW}:{shown}",
                kind=_REVIEW,
                severity=Severity.CRITICAL if case.mismatches else Severity.WARNING,
                summary="A deposit needs a person's decision; nothing more is credited for it.",
                detail={"invoice": shown, "reasons": list(after.reasons)},
            ),
        )
    if case.mismatches:
        await halt_for_mismatch(tx, after, case.mismatches)


def _overpaid(invoice: Invoice) -> Alert:
    return Alert(
        key=f"deposit_overpaid:{invoice.shown_id}",
        kind="deposit_overpaid",
        severity=Severity.WARNING,
        summary="Much more was paid than asked for; it is credited.",
        detail={
            "invoice": invoice.shown_id,
            "priceMinor": invoice.price.minor,
            "creditedMinor": invoice.credited_minor,
        },
    )


async def halt_for_mismatch(tx: Tx, invoice: Invoice, found: Collection[str]) -> None:
    """The provider contradicts what we asked it for: no new deposit goes through it."""
    await switches.halt(
        tx,
        invoice.provider,
        reason=f"{', '.join(sorted(set(found)))} of {invoice.shown_id} differ from what was asked",
        actor="system:deposits",
    )


async def halt_for_shared_id(tx: Tx, provider: str, reference: str) -> None:
    """The provider books one id for two invoices: whose money it is, nobody can tell.

    ``reference`` is the payment or the page that is, or names, what another invoice has.
    """
    await switches.halt(
        tx,
        provider,
        reason=f"what {reference} stands for belongs to another invoice",
        actor="system:deposits",
    )
