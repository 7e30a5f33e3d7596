"""What a read-back means for an invoice and its payments. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from payops.deposits.domain.invoices import Invoice, Kind, Payment, ReceiptState
from payops.deposits.domain.states import (
    FINAL,
    MONEY_SEEN,
    SETTLED,
    SOFT,
    State,
    advance,
    shown,
)
from payops.deposits.ports import Arrival, Snapshot
from payops.deposits.service.case import Case, Market, Policy
from payops.deposits.service.crediting import (
    Look,
    doubt,
    is_credited_by_people,
    receive,
    take_back,
    value_fees,
)
from payops.deposits.service.families import placed
from payops.deposits.service.matching import differences, reason_of
from payops.kernel.ids import new_id

# A provider settles without a notification we could count on: read back at least this often.
_POLLS_MOST: Final = timedelta(hours=12)
SETTLED_WITHOUT_AMOUNT: Final = "settled_without_amount"


def observe(
    case: Case, reference: str, seen: Snapshot, policy: Policy, markets: Sequence[Market]
) -> None:
    """Apply one read-back of the payment ``reference``.

    ``markets`` are values asked for beforehand (see ``unvalued``); an arrival that needs one
    and has none stays as it is and is looked at again.
    """
    payment = case.payments[reference]
    found = differences(case.invoice, payment, seen)
    if found:
        # What people decided about is not new; another contradiction is.
        is_open = not (
            is_credited_by_people(case, payment) or reason_of(found) in payment.doubts_decided
        )
        if is_open:
            case.contradicted(payment, found)
        case.put_payment(_read(case.payments[reference], case.now, policy, is_open=is_open))
        return
    payment = placed(case, _learned(case, payment, seen, policy), seen)
    case.put_payment(payment)
    _add_children(case, payment, seen)
    look = Look(payment, seen, policy, {market.reference: market.minor for market in markets})
    for arrival in seen.arrivals:
        receive(case, look, arrival)
    if payment.state is State.REFUNDED:
        take_back(case, payment)
    _look_for_gone(case, payment, seen)
    value_fees(case, payment)
    if seen.flags and not seen.arrivals and min(seen.flags) not in payment.doubts_decided:
        case.needs_person(case.payments[reference], min(seen.flags))
    is_open = _lacks_amount(case, reference, seen) or any(
        case.receipts[arrival.reference].state is ReceiptState.SEEN for arrival in seen.arrivals
    )
    case.put_payment(_read(case.payments[reference], case.now, policy, is_open=is_open))


def _lacks_amount(case: Case, reference: str, seen: Snapshot) -> bool:
    """Whether its provider settled the payment and does not say with how much: that is no rest.

    A person is told until it does say, or until people have decided that nothing came.
    """
    payment = case.payments[reference]
    is_known = bool(seen.arrivals) or any(
        receipt.payment_id == payment.id and receipt.state is not ReceiptState.SEEN
        for receipt in case.receipts.values()
    )
    if payment.state not in SETTLED or is_known:
        if payment.reason == SETTLED_WITHOUT_AMOUNT:
            case.put_payment(replace(payment, reason=None))
        return False
    if {SETTLED_WITHOUT_AMOUNT, *seen.flags} & set(payment.doubts_decided):
        return False
    case.needs_person(payment, SETTLED_WITHOUT_AMOUNT)
    return True


def unvalued(case: Case, reference: str, seen: Snapshot, policy: Policy) -> list[Arrival]:
    """Arrivals of ``seen`` that would be credited and need a fresh rate for it."""
    trial = Case(case.invoice, dict(case.payments), dict(case.receipts), case.now)
    observe(trial, reference, seen, policy, [])
    return [arrival for arrival in seen.arrivals if arrival.reference in trial.unvalued]


def failed_to_read(case: Case, reference: str, policy: Policy, *, why: str) -> None:
    """A read-back without an answer: patience, then a person if money may be there."""
    payment = case.payments[reference]
    since = payment.failing_since or case.now
    failures = payment.failures + 1
    wait = min(policy.poll_first * 2 ** min(failures - 1, 10), _POLLS_MOST)
    case.put_payment(
        replace(
            payment,
            failures=failures,
            failing_since=since,
            due_at=_due(payment, case.now, wait, policy),
        )
    )
    may_hold_money = payment.notified_at is not None or payment.seen_at is not None
    if (
        may_hold_money
        and not is_credited_by_people(case, payment)
        and why not in payment.doubts_decided
        and case.now - since >= policy.give_up_reading
    ):
        case.needs_person(case.payments[reference], why)


def conclude(case: Case) -> Invoice:
    """The invoice as it is after everything observed; its state is what it shows."""
    before = case.invoice
    said = [p.reason for p in case.payments.values()] + [r.reason for r in case.receipts.values()]
    reasons = tuple(sorted({reason for reason in said if reason}))
    state = shown(
        (p.state for p in case.payments.values() if p.kind in {Kind.PRIMARY, Kind.HOSTED}),
        needs_review=bool(reasons),
        otherwise=_at_rest(before),
    )
    credited = sum(
        r.credited.minor
        for r in case.receipts.values()
        if r.credited is not None and r.state is ReceiptState.CREDITED
    )
    case.invoice = replace(
        before,
        state=state,
        reasons=reasons,
        credited_minor=credited,
        state_since=before.state_since if state is before.state else case.now,
    )
    return case.invoice


def _at_rest(invoice: Invoice) -> State:
    """What an invoice shows that no payment speaks for."""
    if invoice.state is not State.REVIEW:
        return invoice.state
    return State.WAITING if invoice.address or invoice.checkout_url else State.UNKNOWN


def _learned(case: Case, payment: Payment, seen: Snapshot, policy: Policy) -> Payment:
    """What the provider stated of the payment itself. What we asked for is never overwritten."""
    state = payment.state
    if seen.state is None:
        case.unknown_words.append(seen.provider_status)
    else:
        state = advance(payment.state, seen.state)
    has_money = state in MONEY_SEEN | SETTLED or bool(seen.arrivals)
    fee = next((a for a in seen.arrivals if a.fee_amount), None)
    return replace(
        payment,
        state=state,
        provider_status=seen.provider_status,
        state_since=payment.state_since if state is payment.state else case.now,
        seen_at=payment.seen_at or (case.now if has_money else None),
        reads=0 if state is not payment.state else payment.reads,
        coin=payment.coin or seen.coin,
        pay_amount=payment.pay_amount or seen.pay_amount,
        address=payment.address or seen.address,
        memo=payment.memo or seen.memo,
        network=payment.network or seen.network,
        parent_reference=payment.parent_reference or seen.parent_reference,
        fee_coin=payment.fee_coin or (fee.fee_coin if fee else None),
        fee_amount=payment.fee_amount or (fee.fee_amount if fee else None),
        quote_expires_at=payment.quote_expires_at or policy.quote_end(seen, case.now),
    )


def _look_for_gone(case: Case, payment: Payment, seen: Snapshot) -> None:
    """Money we credited that its provider does not list any more: a person must look."""
    listed = {arrival.reference for arrival in seen.arrivals}
    for receipt in list(case.receipts.values()):
        if (
            receipt.payment_id == payment.id
            and receipt.state is ReceiptState.CREDITED
            and receipt.reference not in listed
        ):
            doubt(case, receipt, "vanished")


def _read(payment: Payment, now: datetime, policy: Policy, *, is_open: bool) -> Payment:
    """A read-back went well: when to read again, more seldom the longer nothing changes.

    ``is_open``: some of its money is not decided on yet, whatever the payment's own state.
    """
    quiet = now - payment.state_since
    wait = min(max(policy.poll_first, quiet / 4), _POLLS_MOST)
    at_rest = payment.state in FINAL - SOFT and not is_open
    return replace(
        payment,
        reads=payment.reads + 1,
        failures=0,
        failing_since=None,
        due_at=None if at_rest else _due(payment, now, wait, policy),
    )


def _due(payment: Payment, now: datetime, wait: timedelta, policy: Policy) -> datetime | None:
    return None if policy.has_ended(payment, now) else now + wait


def _add_children(case: Case, parent: Payment, seen: Snapshot) -> None:
    for reference in seen.children:
        if reference not in case.payments:
            case.put_payment(child_of(parent, reference, case.now))


def child_of(parent: Payment, reference: str, now: datetime) -> Payment:
    """A payment that came to ``parent``'s address again; it is read back at once."""
    return Payment(
        user_id=parent.user_id,
        id=new_id(),
        invoice_id=parent.invoice_id,
        provider=parent.provider,
        reference=reference,
        kind=Kind.CHILD,
        state=State.WAITING,
        provider_status="",
        parent_reference=parent.reference,
        address=parent.address,
        memo=parent.memo,
        due_at=now,
        created_at=now,
        state_since=now,
    )
