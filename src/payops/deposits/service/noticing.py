"""What a signed notification does: it wakes a read-back, and nothing is credited from it.

It may tell us of a payment we did not know: picked on a hosted page, sent again to an
address that was paid, or opened by an attempt whose answer was lost. And it may contradict
what we asked for: then it is parked, and the provider is halted.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from payops.deposits.domain.invoices import Payment, read_order_id
from payops.deposits.domain.states import MONEY_SEEN, SETTLED
from payops.deposits.ports import Notice, Snapshot
from payops.deposits.service import recording
from payops.deposits.service.case import Case
from payops.deposits.service.crediting import value_fees
from payops.deposits.service.deciding import child_of
from payops.deposits.service.families import heard_of, is_on_page, placed
from payops.deposits.service.matching import differences, reason_of
from payops.deposits.store import reading
from payops.infra.db import Tx
from payops.webhooks.ports import Effect, Handled

ACTOR: Final = "system:notification"


class Notices:
    """The handler of one provider's notifications, for the inbox."""

    def __init__(self, provider: str) -> None:
        self._provider = provider

    async def __call__(self, tx: Tx, reports: Sequence[Notice]) -> list[Handled]:
        """One result per notice, in order; see ``webhooks.ports.Handler``."""
        owners = await self._owners(tx, reports)
        cases = await recording.load(tx, {invoice for invoice in owners if invoice is not None})
        results = [
            _applied(cases.get(owner) if owner else None, notice)
            for owner, notice in zip(owners, reports, strict=True)
        ]
        for invoice_id in sorted(cases):
            await recording.write(tx, cases[invoice_id], actor=ACTOR)
        tx.wake(recording.DUE)
        return results

    async def _owners(self, tx: Tx, reports: Sequence[Notice]) -> list[UUID | None]:
        """The invoice of each notice: by payment, parent, page, then order id."""
        named = [_names(notice) for notice in reports]
        kinds = {kind for names in named for kind, _ in names}
        references = {reference for names in named for _, reference in names}
        known = await reading.owners(tx, self._provider, kinds, references)
        ordered = [_ordered(notice) for notice in reports]
        existing = await reading.existing(
            tx, self._provider, {one for one in ordered if one is not None}
        )
        return [
            next((known[name] for name in names if name in known), None)
            or (order if order in existing else None)
            for names, order in zip(named, ordered, strict=True)
        ]


def _names(notice: Notice) -> list[tuple[str, str]]:
    names = [("payment", notice.reference)]
    claimed = notice.claimed
    if claimed is not None and claimed.parent_reference is not None:
        names.append(("payment", claimed.parent_reference))
    if claimed is not None and claimed.hosted_reference is not None:
        names.append(("page", claimed.hosted_reference))
    return names


def _ordered(notice: Notice) -> UUID | None:
    if notice.claimed is None or notice.claimed.order_id is None:
        return None
    try:
        return read_order_id(notice.claimed.order_id)[0]
    except ValueError:
        return None


def _applied(case: Case | None, notice: Notice) -> Handled:
    if case is None:
        return Handled(Effect.UNKNOWN, "unknown payment", subject=notice.reference)
    invoice = case.invoice
    payment = case.payments.get(notice.reference) or _new_payment(case, notice)
    found = differences(invoice, payment, notice.claimed) if notice.claimed else []
    if found:
        case.contradicted(payment, found)
        return Handled(Effect.PARKED, reason_of(found), invoice.user_id, invoice.shown_id)
    if notice.claimed is not None:
        payment = placed(case, payment, notice.claimed)
    case.put_payment(_noticed(case, payment, notice.claimed))
    value_fees(case, case.payments[notice.reference])
    return Handled(Effect.APPLIED, "", invoice.user_id, invoice.shown_id)


def _new_payment(case: Case, notice: Notice) -> Payment:
    """A payment we hear of for the first time, and why it is this invoice's."""
    claimed = notice.claimed
    parent = case.payments.get(claimed.parent_reference or "") if claimed else None
    if parent is not None:
        return child_of(parent, notice.reference, case.now)
    is_hosted = claimed is not None and is_on_page(case.invoice, claimed)
    return heard_of(case, notice.reference, is_hosted=is_hosted)


def _noticed(case: Case, payment: Payment, claimed: Snapshot | None) -> Payment:
    """To be read back at once. The time at which money was first claimed is kept: it decides
    whether the quote still stood.
    """
    has_money = claimed is not None and (
        claimed.state in MONEY_SEEN | SETTLED or bool(claimed.arrivals)
    )
    arrivals = claimed.arrivals if claimed else ()
    fee = next((arrival for arrival in arrivals if arrival.fee_amount), None)
    return replace(
        payment,
        notified_at=case.now,
        seen_at=payment.seen_at or (case.now if has_money else None),
        fee_coin=payment.fee_coin or (fee.fee_coin if fee else None),
        fee_amount=payment.fee_amount or (fee.fee_amount if fee else None),
        due_at=case.now,
    )
