"""What an arrival is credited with, and when a person must decide instead. Pure.

Only settled money, only what arrived, valued at the recorded quote while that stood and at a
fresh rate afterwards, once per arrival; for whatever is in doubt nothing is posted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Final

from payops.deposits.domain.invoices import Checkout, Kind, Payment, Receipt, ReceiptState
from payops.deposits.domain.states import SETTLED, State
from payops.deposits.domain.valuation import Method, Quote, pro_rata
from payops.deposits.ports import Arrival, Snapshot
from payops.deposits.service.case import Case, Policy
from payops.kernel.ids import new_id
from payops.kernel.money import Money

FAILED_WITH_MONEY: Final = "failed_with_money"
_RATE_DIGITS: Final = Decimal("1e-12")
_CLOSED: Final = frozenset({ReceiptState.CREDITED, ReceiptState.REVERSED, ReceiptState.DISMISSED})


@dataclass(frozen=True, slots=True)
class Look:
    """One read-back: the payment as it is after it, and fresh values by arrival."""

    payment: Payment
    seen: Snapshot
    policy: Policy
    values: Mapping[str, int]


def receive(case: Case, look: Look, arrival: Arrival) -> None:
    """Take note of one arrival, and credit it if its time has come."""
    known = case.receipts.get(arrival.reference)
    if known is not None and known.state in _CLOSED:
        _compare(case, known, arrival)
        return
    receipt = _receipt(case, look.payment, arrival, known)
    if receipt.state is ReceiptState.REVIEW:
        if receipt.reason != FAILED_WITH_MONEY or look.payment.state not in SETTLED:
            case.put_receipt(receipt)
            return
        # The provider pushed it through after all: it is money like any other.
        receipt = replace(receipt, state=ReceiptState.SEEN, reason=None)
    doubt = _doubt(case, look, receipt)
    if doubt is not None:
        _to_person(case, receipt, doubt)
    elif receipt.is_settled and look.payment.state in SETTLED:
        _credit(case, look, receipt, arrival)
    elif look.payment.state is State.REFUNDED:
        # It went back before it was ours: there is nothing to wait for any more.
        case.put_receipt(replace(receipt, state=ReceiptState.DISMISSED))
    else:
        case.put_receipt(receipt)


def _compare(case: Case, known: Receipt, arrival: Arrival) -> None:
    """A second read of what was decided already: nothing is posted again, whatever it says."""
    if arrival.is_settled and arrival.amount != known.amount and known.reason is None:
        case.put_receipt(replace(known, reason="amount_changed"))
        case.news.append("amount_changed")


def _to_person(case: Case, receipt: Receipt, reason: str) -> None:
    case.put_receipt(replace(receipt, state=ReceiptState.REVIEW, reason=reason))
    case.news.append(reason)


def _receipt(case: Case, payment: Payment, arrival: Arrival, known: Receipt | None) -> Receipt:
    if known is not None:
        return replace(
            known,
            coin=arrival.coin,
            amount=arrival.amount,
            is_settled=arrival.is_settled,
            outcome_coin=arrival.outcome_coin or known.outcome_coin,
            outcome_amount=arrival.outcome_amount or known.outcome_amount,
            chain_hash=arrival.chain_hash or known.chain_hash,
        )
    return Receipt(
        user_id=payment.user_id,
        id=new_id(),
        invoice_id=payment.invoice_id,
        payment_id=payment.id,
        provider=payment.provider,
        reference=arrival.reference,
        state=ReceiptState.SEEN,
        coin=arrival.coin,
        amount=arrival.amount,
        arrived_at=arrival.arrived_at or payment.seen_at or case.now,
        is_settled=arrival.is_settled,
        outcome_coin=arrival.outcome_coin,
        outcome_amount=arrival.outcome_amount,
        chain_hash=arrival.chain_hash,
        created_at=case.now,
    )


def _doubt(case: Case, look: Look, receipt: Receipt) -> str | None:
    """Why a person must decide on this arrival, if one must."""
    invoice, payment, outcomes = case.invoice, look.payment, look.policy.outcome_coins
    if look.seen.flags:
        return min(look.seen.flags)
    if invoice.coin is not None and receipt.coin != invoice.coin:
        return "wrong_asset"
    if payment.state is State.FAILED:
        return FAILED_WITH_MONEY
    if payment.kind is Kind.ORPHAN:
        return "orphan"
    if payment.kind is Kind.CHILD and not quote_of(case, payment).covers(receipt.arrived_at):
        return "late_child"
    if is_decided(case, payment) and receipt.reference != payment.reference:
        return "decided_before"  # its provider names the same money anew
    if outcomes and receipt.outcome_coin not in {None, receipt.coin, *outcomes}:
        return "outcome_coin"
    return None


def is_decided(case: Case, payment: Payment) -> bool:
    """People have credited the payment as a whole."""
    whole = case.receipts.get(payment.reference)
    return whole is not None and whole.method is Method.DECISION


def _credit(case: Case, look: Look, receipt: Receipt, arrival: Arrival) -> None:
    price = case.invoice.price
    quote = quote_of(case, look.payment)
    is_quoted = quote.pay_amount > 0 and look.payment.coin in {None, receipt.coin}
    if not is_quoted or arrival.is_late or not quote.covers(receipt.arrived_at):
        if receipt.reference not in look.values:
            case.put_receipt(receipt)  # looked at again when there is a rate
            return
        minor, method = look.values[receipt.reference], Method.MARKET
    else:
        minor = pro_rata(price.minor, receipt.amount, quote.pay_amount)
        method = Method.QUOTE
    if minor <= 0:
        case.put_receipt(replace(receipt, state=ReceiptState.DISMISSED))
    elif minor > look.policy.cap_minor.get(price.currency.code, minor):
        _to_person(case, receipt, "above_cap")
    else:
        case.put_receipt(credited(receipt, Money(minor, price.currency), method))
        case.credited.append(receipt.reference)


def credited(receipt: Receipt, amount: Money, method: Method) -> Receipt:
    """``receipt`` with its value; the journal is the writer's to add."""
    exact = Fraction(amount.minor, 10**amount.currency.exponent) / Fraction(receipt.amount)
    rate = Decimal(exact.numerator) / Decimal(exact.denominator)
    return replace(
        receipt,
        state=ReceiptState.CREDITED,
        credited=amount,
        method=method,
        rate=rate.quantize(_RATE_DIGITS),
        reason=None,
    )


def take_back(case: Case, payment: Payment) -> None:
    """Refunded by the provider: what was credited for it must be made up for by a person."""
    for receipt in list(case.receipts.values()):
        if receipt.payment_id != payment.id or receipt.state is not ReceiptState.CREDITED:
            continue
        taken = replace(receipt, state=ReceiptState.REVERSED, reason="refunded_after_credit")
        case.put_receipt(taken)
        case.reversed.append(taken.reference)
        case.news.append("refunded_after_credit")


def quote_of(case: Case, payment: Payment) -> Quote:
    """The quote an arrival is valued at: its own on a page, the invoice's otherwise."""
    if case.invoice.checkout is Checkout.ADDRESS and case.invoice.quote is not None:
        return case.invoice.quote
    source = case.payments.get(payment.parent_reference or "", payment)
    return Quote(source.pay_amount or Decimal(0), source.quote_expires_at)


def value_fees(case: Case, payment: Payment) -> None:
    """The provider's fee, valued like the money it was taken from. It is the house's.

    A fee in a third coin has no rate of ours: it stays a fact of the payment, unposted.
    """
    for receipt in case.receipts.values():
        if (
            receipt.payment_id == payment.id
            and receipt.credited is not None
            and receipt.fee_journal_id is None
            and payment.fee_coin == receipt.coin
            and payment.fee_amount
        ):
            minor = floor(
                receipt.credited.minor * Fraction(payment.fee_amount) / Fraction(receipt.amount)
            )
            if minor > 0:
                case.fees[receipt.reference] = minor
