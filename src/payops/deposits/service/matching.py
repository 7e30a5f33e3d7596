"""Does what a provider says of a payment agree with what we asked for? Pure.

A difference in order, price or address means that somebody stands between the provider and
us, or that the provider's books are not what we think: money could go to a stranger. It
halts the provider. Another coin than asked for is a customer's mistake that providers
report as such: it is looked at by a person, and halts nothing.
"""

from collections.abc import Collection
from typing import Final

from payops.deposits.domain.invoices import Invoice, Kind, Payment, read_order_id
from payops.deposits.domain.prices import StatedPrice
from payops.deposits.ports import Opened, Snapshot

_MISMATCH: Final = "mismatch: "


def differences(invoice: Invoice, payment: Payment, seen: Snapshot) -> list[str]:
    """What ``seen`` contradicts: of ``order``, ``price`` and ``address``, in that order."""
    found = _repeated(invoice, seen.order_id, seen.price)
    if _is_elsewhere(invoice, payment, seen):
        found.append("address")
    return found


def opening_differences(invoice: Invoice, opened: Opened) -> list[str]:
    """As ``differences``, of the answer to the request that opened a payment; what it should
    have repeated and did not counts as another.
    """
    found = _repeated(invoice, opened.order_id, opened.price)
    found += sorted(opened.left_out - set(found))
    if opened.coin is not None and invoice.coin is not None and opened.coin != invoice.coin:
        found.append("coin")
    return found


def reason_of(found: Collection[str]) -> str:
    """Why a person must look at what differs in ``found``."""
    return f"{_MISMATCH}{', '.join(found)}"


def is_mismatch(reason: str | None) -> bool:
    """Whether the provider contradicted us, of a reason for a person."""
    return reason is not None and reason.startswith(_MISMATCH)


def is_suspect(invoice: Invoice) -> bool:
    """A contradiction is undecided: nobody may be told where to pay, and nothing is credited."""
    return any(is_mismatch(reason) for reason in invoice.reasons)


def _repeated(invoice: Invoice, order_id: str | None, price: StatedPrice | None) -> list[str]:
    found: list[str] = []
    if order_id is not None and not _is_order_of(invoice, order_id):
        found.append("order")
    if price is not None and price != invoice.charged:
        found.append("price")
    return found


def _is_order_of(invoice: Invoice, order_id: str) -> bool:
    try:
        invoice_id, attempt = read_order_id(order_id)
    except ValueError:
        return False
    return invoice_id == invoice.id and attempt <= max(invoice.attempts, 1)


def _is_elsewhere(invoice: Invoice, payment: Payment, seen: Snapshot) -> bool:
    """The memo is part of the address: with another one the money is somebody else's."""
    is_shown = payment.kind is Kind.PRIMARY
    address = payment.address or (invoice.address if is_shown else None)
    if seen.address is not None and address is not None and not _same(seen.address, address):
        return True
    memo = payment.memo or (invoice.memo if is_shown else None)
    if seen.memo is None:
        return False
    if memo is None:
        return is_shown and address is not None  # it was shown without one
    return seen.memo != memo


def _same(one: str, other: str) -> bool:
    """Hexadecimal addresses are the same in any case; in all others case is part of them."""
    if one.startswith("0x"):
        return one.lower() == other.lower()
    return one == other
