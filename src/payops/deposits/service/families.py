"""Where a payment belongs among those of its invoice: on its page, or under another one. Pure."""

from dataclasses import replace

from payops.deposits.domain.invoices import Invoice, Kind, Payment
from payops.deposits.domain.states import State
from payops.deposits.ports import Snapshot
from payops.deposits.service.case import Case
from payops.kernel.ids import new_id


def placed(case: Case, payment: Payment, said: Snapshot) -> Payment:
    """``payment`` where its provider puts it, claimed or read back.

    One with a parent is a child, whether or not we knew the parent: what it says it asks for
    is what came, repeated with the parent's price, and would be worth the whole price however
    little it is. A parent that is new is read back at once, because its quote is what the child
    is valued at. The payment behind the address we show is nobody's child.
    """
    parent = payment.parent_reference or said.parent_reference
    if payment.kind is Kind.PRIMARY:
        return payment
    if parent is not None and parent != payment.reference:
        if parent not in case.payments:
            is_hosted = payment.kind is Kind.HOSTED or is_on_page(case.invoice, said)
            case.put_payment(heard_of(case, parent, is_hosted=is_hosted))
        return replace(payment, kind=Kind.CHILD, parent_reference=parent)
    if payment.kind is Kind.ORPHAN and is_on_page(case.invoice, said):
        return replace(payment, kind=Kind.HOSTED)
    return payment


def heard_of(case: Case, reference: str, *, is_hosted: bool) -> Payment:
    """A payment of which we know its name only; due to be read back now."""
    invoice = case.invoice
    return Payment(
        user_id=invoice.user_id,
        id=new_id(),
        invoice_id=invoice.id,
        provider=invoice.provider,
        reference=reference,
        kind=Kind.HOSTED if is_hosted else Kind.ORPHAN,
        state=State.WAITING,
        provider_status="",
        due_at=case.now,
        created_at=case.now,
        state_since=case.now,
    )


def is_on_page(invoice: Invoice, said: Snapshot) -> bool:
    """It was picked on the page that we show."""
    page = said.hosted_reference
    return page is not None and page == invoice.provider_reference
