"""What two people decide about a deposit in review: that the user has the money, or not.

Whatever is credited goes through the one door that credits (``recording.write``), so an
arrival that people credit can be credited by nobody else, and the other way round.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID

from payops.deposits.domain.invoices import Invoice, Payment, Receipt, ReceiptState
from payops.deposits.domain.states import SETTLED, State
from payops.deposits.domain.valuation import Method
from payops.deposits.errors import InvoiceNotFound, NothingToResolve
from payops.deposits.service import recording
from payops.deposits.service.case import Case
from payops.deposits.service.crediting import credited
from payops.infra.db import Tx
from payops.kernel.errors import Fault, Invalid
from payops.kernel.ids import new_id
from payops.kernel.money import Money
from payops.ledger import entries
from payops.ledger import service as ledger

_CREDITABLE: Final = frozenset({ReceiptState.SEEN, ReceiptState.REVIEW, ReceiptState.DISMISSED})


class Verdict(StrEnum):
    CREDIT = "credit"  # the user has the money in the end
    DISMISS = "dismiss"  # the user has not


@dataclass(frozen=True, slots=True)
class Review:
    """A decision on one payment or arrival. ``reason`` is why it is in review, when asked.

    ``amount`` is what is credited; ``arrived`` how many coins came, where no arrival is on
    record. ``stood`` is what was known when it was asked for, as JSON has it.
    """

    reference: str
    reason: str
    verdict: Verdict
    amount: Money | None = None
    arrived: Decimal | None = None
    stood: Mapping[str, object] = field(default_factory=dict)


def reasons_of(payments: Mapping[str, Payment], receipts: Mapping[str, Receipt]) -> dict[str, str]:
    """Why people must look, by the provider's reference.

    An arrival that was seen, and stopped with its payment, can be decided for that reason too.
    """
    found: dict[str, list[str]] = {}
    things: list[Payment | Receipt] = [*payments.values(), *receipts.values()]
    for one in things:
        if one.reason is not None and one.reason not in found.setdefault(one.reference, []):
            found[one.reference].append(one.reason)
    stopped = {payment.id: payment.reason for payment in payments.values() if payment.reason}
    for receipt in receipts.values():
        if receipt.state is ReceiptState.SEEN and receipt.payment_id in stopped:
            found.setdefault(receipt.reference, [stopped[receipt.payment_id]])
    return {reference: "; ".join(reasons) for reference, reasons in found.items()}


async def reviewed(tx: Tx, invoice_id: UUID, review: Review) -> tuple[Invoice, Review]:
    """What ``review`` would be of: an empty reference stands for the only thing there is.

    Nothing is changed. Raises as ``decide``, and
        Invalid: there are several things to decide and none is named.
    """
    case = await _case(tx, invoice_id)
    found = reasons_of(case.payments, case.receipts)
    if not review.reference and len(found) > 1:
        raise Invalid(faults=[Fault("/reference", "is required: several things are in review")])
    reference = review.reference or next(iter(found), "")
    if reference not in found:
        raise NothingToResolve
    complete = replace(
        review, reference=reference, reason=found[reference], stood=_known_of(case, reference)
    )
    await _apply(tx, case, complete)
    return case.invoice, complete


async def still_stands(tx: Tx, invoice_id: UUID, review: Review) -> bool:
    """Whether nothing more is known than when it was asked for; so it stays until ``tx`` ends.

    Raises:
        InvoiceNotFound: there is none.
    """
    return _known_of(await _case(tx, invoice_id), review.reference) == review.stood


async def decide(tx: Tx, invoice_id: UUID, review: Review, *, actor: str) -> tuple[Invoice, ...]:
    """Carry ``review`` out; the invoice before and after.

    Raises:
        InvoiceNotFound: there is none.
        NothingToResolve: it is not in review any more, or for another reason.
        Invalid: the decision lacks an amount, or has one that means nothing.
        InsufficientFunds: what is to be taken back from the user has been spent.
    """
    case = await _case(tx, invoice_id)
    if reasons_of(case.payments, case.receipts).get(review.reference) != review.reason:
        raise NothingToResolve("It is not in review any more for the reason it was.")
    before = case.invoice
    await _apply(tx, case, review)
    return before, await recording.write(tx, case, actor=actor, before=before)


def _known_of(case: Case, reference: str) -> dict[str, object]:
    """What people look at when they decide about ``reference``: it, and what hangs on it."""
    payment = case.payments.get(reference)
    arrivals = [
        [one.reference, one.state.value, format(one.amount, "f"), one.is_settled, one.reason]
        for _, one in sorted(case.receipts.items())
        if one.reference == reference or (payment is not None and one.payment_id == payment.id)
    ]
    return {
        "payment": None if payment is None else [payment.state.value, payment.reason],
        "arrivals": arrivals,
    }


async def _case(tx: Tx, invoice_id: UUID) -> Case:
    found = await recording.load(tx, [invoice_id])
    if invoice_id not in found:
        raise InvoiceNotFound
    return found[invoice_id]


async def _apply(tx: Tx, case: Case, review: Review) -> None:
    payment = case.payments.get(review.reference)
    receipt = case.receipts.get(review.reference)
    if receipt is not None and receipt.reason is not None:
        receipt = replace(receipt, doubts_decided=(*receipt.doubts_decided, receipt.reason))
    if receipt is not None and receipt.state is ReceiptState.REVERSED:
        await _settle_loss(tx, case, receipt, review)
    elif review.verdict is Verdict.CREDIT:
        _credit(case, payment, receipt, review)
    else:
        _dismiss(case, payment, receipt, review)
    if payment is not None and payment.reason is not None:
        # Not read back again on our own account: what was wrong with it still is. Whatever more
        # is heard of it is for people.
        payment = case.payments[payment.reference]
        doubts = (*payment.doubts_decided, payment.reason or "")
        case.put_payment(replace(payment, reason=None, due_at=None, doubts_decided=doubts))


def _credit(case: Case, payment: Payment | None, receipt: Receipt | None, review: Review) -> None:
    if review.amount is None:
        raise Invalid(faults=[Fault("/amount", "is required to credit")])
    if receipt is None:
        receipt = _arrival(case, payment, review.arrived)
    elif review.arrived is not None:
        raise Invalid(faults=[Fault("/arrived", "is on record already")])
    if receipt.state not in _CREDITABLE:
        raise NothingToResolve("It was credited before; what is missing is a credit of its own.")
    settled = replace(receipt, is_settled=True)
    case.put_receipt(credited(settled, review.amount, Method.DECISION))
    case.credited.append(receipt.reference)
    _finish(case, receipt)


def _finish(case: Case, receipt: Receipt) -> None:
    """Its provider says otherwise or nothing; for the payer it is done all the same."""
    for payment in list(case.payments.values()):
        if payment.id == receipt.payment_id and payment.state not in SETTLED:
            case.put_payment(replace(payment, state=State.FINISHED, state_since=case.now))


def _dismiss(case: Case, payment: Payment | None, receipt: Receipt | None, review: Review) -> None:
    _check_without_amounts(review)
    if receipt is None:
        for one in list(case.receipts.values()):
            # What was seen of it goes with it; what has a reason of its own is decided by itself.
            is_its = payment is not None and one.payment_id == payment.id
            if is_its and one.state is ReceiptState.SEEN:
                case.put_receipt(replace(one, state=ReceiptState.DISMISSED))
        return
    # One that was credited stays so: only the doubt about it is over.
    is_credited = receipt.state is ReceiptState.CREDITED
    state = receipt.state if is_credited else ReceiptState.DISMISSED
    case.put_receipt(replace(receipt, state=state, reason=None))


async def _settle_loss(tx: Tx, case: Case, receipt: Receipt, review: Review) -> None:
    """The provider took back what was credited: whose loss it is, is decided once."""
    _check_without_amounts(review)
    assert receipt.journal_id is not None  # noqa: S101 - it was credited, so it has one
    assert receipt.credited is not None  # noqa: S101 - likewise
    taken = await ledger.closing(tx, receipt.user_id, receipt.journal_id)
    make = (
        entries.deposit_loss_borne
        if review.verdict is Verdict.CREDIT
        else entries.deposit_loss_recovered
    )
    case.decisions.append(
        make(
            receipt.user_id,
            receipt.credited,
            provider=case.invoice.provider,
            reference=receipt.reference,
            taken=taken.id,
        )
    )
    case.put_receipt(replace(receipt, reason=None))


def _check_without_amounts(review: Review) -> None:
    faults = [
        Fault(f"/{name}", "means nothing for this decision")
        for name, value in (("amount", review.amount), ("arrived", review.arrived))
        if value is not None
    ]
    if faults:
        raise Invalid(faults=faults)


def _arrival(case: Case, payment: Payment | None, arrived: Decimal | None) -> Receipt:
    """The money of a payment that no read-back could list, as people found it."""
    if payment is None or any(r.payment_id == payment.id for r in case.receipts.values()):
        raise NothingToResolve("Its arrivals are on record: decide on them one by one.")
    if arrived is None:
        raise Invalid(faults=[Fault("/arrived", "is required: no arrival is on record")])
    return Receipt(
        user_id=payment.user_id,
        id=new_id(),
        invoice_id=payment.invoice_id,
        payment_id=payment.id,
        provider=payment.provider,
        reference=payment.reference,
        state=ReceiptState.SEEN,
        coin=payment.coin or case.invoice.coin or "unknown",
        amount=arrived,
        arrived_at=payment.seen_at or case.now,
        created_at=case.now,
    )
