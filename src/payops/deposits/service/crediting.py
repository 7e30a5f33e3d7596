"""What an arrival is credited with, and when a person must decide instead. Pure.

Only settled money, only what arrived, valued at the recorded quote while that stood and at a
fresh rate afterwards, once per arrival; for whatever is in doubt nothing is posted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from fractions import Fraction
from math import floor
from typing import Final

from payops.deposits.domain.invoices import Checkout, Kind, Payment, Receipt, ReceiptState
from payops.deposits.domain.states import SETTLED, State
from payops.deposits.domain.valuation import Method, Quote, pro_rata
from payops.deposits.ports import Arrival, Snapshot
from payops.deposits.service.case import Case, Policy
from payops.deposits.service.matching import is_mismatch
from payops.kernel.ids import new_id
from payops.kernel.money import Money

FAILED_WITH_MONEY: Final = "failed_with_money"
NO_RATE: Final = "no_rate"
PARENT_UNKNOWN: Final = "parent_unknown"
_RATE_DIGITS: Final = Decimal("1e-12")
_DIGITS_MAX: Final = 200  # of a rate: the least part of a coin may be credited with a fortune
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
    if not arrival.is_settled:
        return
    if arrival.amount != known.amount:
        doubt(case, known, f"amount_changed: {arrival.amount.normalize():f}")
    elif known.doubts_decided:
        # Provider and books agree again: what was decided is over, and a new doubt is a new one.
        case.put_receipt(replace(known, doubts_decided=()))


def doubt(case: Case, known: Receipt, reason: str) -> None:
    """A person must look at what was decided already, once for each thing there is to see."""
    if known.reason is None and reason not in known.doubts_decided:
        case.put_receipt(replace(known, reason=reason))
        case.news.append(reason)


def _to_person(case: Case, receipt: Receipt, reason: str) -> None:
    case.put_receipt(replace(receipt, state=ReceiptState.REVIEW, reason=reason))
    case.news.append(reason)


def _receipt(case: Case, payment: Payment, arrival: Arrival, known: Receipt | None) -> Receipt:
    if known is not None:
        return replace(
            known,
            coin=arrival.coin,
            amount=arrival.amount,
            early_amount=_early(case, payment, arrival, known),
            is_settled=arrival.is_settled,
            settled_at=(known.settled_at or case.now) if arrival.is_settled else None,
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
        settled_at=case.now if arrival.is_settled else None,
        outcome_coin=arrival.outcome_coin,
        outcome_amount=arrival.outcome_amount,
        chain_hash=arrival.chain_hash,
        created_at=case.now,
    )


def _early(case: Case, payment: Payment, arrival: Arrival, known: Receipt) -> Decimal | None:
    """What had come before more was added after the quote; ``None``: nothing was.

    Its provider gives no time but that of the whole. Dust in time would otherwise hold the quote
    for all that is sent once the market is known; and dust afterwards must not lose it for what
    came in time.
    """
    early = known.early_amount
    if early is None and arrival.arrived_at is None and arrival.amount > known.amount:
        quote = quote_for(case, payment, arrival.coin)
        if quote is None or not quote.covers(case.now):
            early = known.amount
    return early if early is not None and early < arrival.amount else None


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
    if payment.kind is Kind.CHILD and (found := _doubt_of_child(case, payment, receipt)):
        return found
    if is_decided(case, payment):
        return "decided_before"  # or its provider names the same money anew
    if outcomes and receipt.outcome_coin not in {None, receipt.coin, *outcomes}:
        return "outcome_coin"
    if receipt.is_settled and any(is_mismatch(p.reason) for p in case.payments.values()):
        return "contradicted"  # a later word that fits does not take the first one back
    return None


def _doubt_of_child(case: Case, child: Payment, receipt: Receipt) -> str | None:
    """Money sent again is worth what its parent's is, and only while the quote stands."""
    root = _root(case, child)
    if root is None:
        return None  # nobody knows yet: it waits
    if root.kind is Kind.ORPHAN:
        return "orphan"
    if root.coin is not None and root.coin != receipt.coin:
        return "wrong_asset"
    quote = quote_for(case, child, receipt.coin)
    is_late = quote is not None and not quote.covers(receipt.arrived_at)
    return "late_child" if is_late or receipt.early_amount is not None else None


def is_decided(case: Case, payment: Payment) -> bool:
    """People have decided the payment as a whole: whatever more comes of it is theirs too."""
    return bool(payment.doubts_decided) or is_credited_by_people(case, payment)


def is_credited_by_people(case: Case, payment: Payment) -> bool:
    whole = case.receipts.get(payment.reference)
    return whole is not None and whole.method is Method.DECISION


def _credit(case: Case, look: Look, receipt: Receipt, arrival: Arrival) -> None:
    payment, price = look.payment, case.invoice.price
    if payment.kind is Kind.CHILD and quote_for(case, payment, receipt.coin) is None:
        _wait(case, look, receipt, PARENT_UNKNOWN)
        return
    worth = _worth(case, look, receipt, arrival)
    if worth is None:
        case.unvalued.append(receipt.reference)
        _wait(case, look, receipt, NO_RATE)
        return
    minor, method = worth
    if minor <= 0:
        case.put_receipt(replace(receipt, state=ReceiptState.DISMISSED))
    elif minor > look.policy.cap_minor.get(price.currency.code, minor):
        _to_person(case, receipt, "above_cap")
    else:
        case.put_receipt(credited(receipt, Money(minor, price.currency), method))
        case.credited.append(receipt.reference)
        _flag_too_much(case, look.policy, receipt, minor)


def _worth(case: Case, look: Look, receipt: Receipt, arrival: Arrival) -> tuple[int, Method] | None:
    """In minor units, and by which rate; ``None``: a fresh one is needed and is not there."""
    quote = quote_for(case, look.payment, receipt.coin)
    if quote is None or arrival.is_late or not quote.covers(receipt.arrived_at):
        value = look.values.get(receipt.reference)
        return None if value is None else (value, Method.MARKET)
    early = receipt.early_amount or receipt.amount
    minor = pro_rata(case.invoice.price.minor, early, quote.pay_amount)
    if early == receipt.amount:
        return minor, Method.QUOTE
    value = look.values.get(receipt.reference)
    if value is None:
        return None
    rest = 1 - Fraction(early) / Fraction(receipt.amount)
    return minor + floor(value * rest), Method.MARKET


def _wait(case: Case, look: Look, receipt: Receipt, why: str) -> None:
    """Looked at again, and a person's when that has gone on for long enough or will not be."""
    since = max(receipt.settled_at or case.now, look.payment.state_since)
    is_over = look.policy.has_ended(look.payment, case.now)
    if is_over or case.now - since >= look.policy.give_up_reading:
        _to_person(case, receipt, why)
    else:
        case.put_receipt(receipt)


def _flag_too_much(case: Case, policy: Policy, receipt: Receipt, minor: int) -> None:
    """Credited all the same, for it arrived; told once, when an invoice passes the tolerance."""
    price = case.invoice.price.minor
    total = sum(
        r.credited.minor
        for r in case.receipts.values()
        if r.credited is not None and r.state is ReceiptState.CREDITED
    )
    if (total - minor) * 100 <= price * (100 + policy.overpaid_percent) < total * 100:
        case.overpaid.append(receipt.reference)


def credited(receipt: Receipt, amount: Money, method: Method) -> Receipt:
    """``receipt`` with its value; the journal is the writer's to add."""
    exact = Fraction(amount.minor, 10**amount.currency.exponent) / Fraction(receipt.amount)
    with localcontext(prec=_DIGITS_MAX):
        rate = (Decimal(exact.numerator) / Decimal(exact.denominator)).quantize(_RATE_DIGITS)
    return replace(
        receipt,
        state=ReceiptState.CREDITED,
        credited=amount,
        method=method,
        rate=rate,
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


def quote_for(case: Case, payment: Payment, coin: str) -> Quote | None:
    """The quote that arrivals in ``coin`` are valued at: the invoice's for its address, that of
    the payment itself on a page, and for money sent again that of what it was sent again to.

    ``None``: it is not known, or in another coin.
    """
    root = _root(case, payment)
    if root is None:
        return None
    if case.invoice.checkout is Checkout.ADDRESS:
        return case.invoice.quote if root.kind is Kind.PRIMARY else None
    if not root.pay_amount or root.coin != coin:
        return None
    return Quote(root.pay_amount, root.quote_expires_at)


def _root(case: Case, payment: Payment) -> Payment | None:
    """What a child was sent again to, at whatever remove; ``None``: we have not heard of it."""
    found: Payment | None = payment
    for _ in range(len(case.payments)):
        if found is None or found.kind is not Kind.CHILD:
            return found
        found = case.payments.get(found.parent_reference or "")
    return None  # a ring: nobody has paid the first of it


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
