"""What differs between a payment as its provider states it and as we have it. Pure."""

from typing import assert_never

from payops.deposits.domain.invoices import Payment, Receipt, ReceiptState
from payops.deposits.domain.states import SETTLED
from payops.deposits.ports import Arrival, NoAnswer, NotKnown, ReadAnswer, Snapshot
from payops.deposits.service.keeping import Story
from payops.reconciliation.domain import BreakKind, Difference

_DECIDED = frozenset({ReceiptState.CREDITED, ReceiptState.DISMISSED, ReceiptState.REVERSED})


def differences(story: Story, reference: str, answer: ReadAnswer | None) -> list[Difference]:
    """``answer`` is what the provider just said, and has been recorded; ``None``: we failed to."""
    payment = next(p for p in story.payments if p.reference == reference)
    receipts = [r for r in story.receipts if r.payment_id == payment.id]
    match answer:
        case Snapshot():
            return _of_snapshot(payment, receipts, answer)
        case NotKnown():
            return [_difference(BreakKind.NOT_KNOWN, payment, ours=payment.state.value)]
        case NoAnswer(why):
            return [_difference(BreakKind.UNREADABLE, payment, why=why)]
        case None:
            return [_difference(BreakKind.UNREADABLE, payment, why="could not be recorded")]
        case _:
            assert_never(answer)


def _of_snapshot(payment: Payment, receipts: list[Receipt], seen: Snapshot) -> list[Difference]:
    found: list[Difference] = []
    if seen.state is not payment.state:
        found.append(
            _difference(
                BreakKind.STATE_DIFFERS,
                payment,
                ours=payment.state.value,
                theirs=seen.provider_status,
            )
        )
    arrived = {arrival.reference: arrival for arrival in seen.arrivals}
    for receipt in receipts:
        found += _of_receipt(payment, receipt, arrived.get(receipt.reference))
    return _merged(found)


def _of_receipt(payment: Payment, receipt: Receipt, arrival: Arrival | None) -> list[Difference]:
    is_credited = receipt.state is ReceiptState.CREDITED
    if is_credited and (arrival is None or payment.state not in SETTLED):
        return [
            _difference(
                BreakKind.CREDITED_NOT_SETTLED,
                payment,
                receipt=receipt.reference,
                ours=str(receipt.amount),
            )
        ]
    if arrival is None:
        return []
    if is_credited and arrival.amount != receipt.amount:
        return [
            _difference(
                BreakKind.AMOUNT_DIFFERS,
                payment,
                receipt=receipt.reference,
                ours=str(receipt.amount),
                theirs=str(arrival.amount),
            )
        ]
    if arrival.is_settled and payment.state in SETTLED and receipt.state not in _DECIDED:
        return [
            _difference(
                BreakKind.SETTLED_NOT_CREDITED,
                payment,
                receipt=receipt.reference,
                theirs=str(arrival.amount),
                why=receipt.reason or "no rate yet",
            )
        ]
    return []


def _merged(found: list[Difference]) -> list[Difference]:
    """One of a kind a payment: a break names its payment, and the first stands for the others."""
    first: dict[BreakKind, Difference] = {}
    for difference in found:
        first.setdefault(difference.kind, difference)
    return list(first.values())


def _difference(kind: BreakKind, payment: Payment, **detail: object) -> Difference:
    return Difference(kind, payment.provider, payment.reference, payment.user_id, detail)
