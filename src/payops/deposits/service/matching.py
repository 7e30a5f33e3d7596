"""Does what a provider says of a payment agree with what we asked for? Pure.

A difference in order, price or address means that somebody stands between the provider and
us, or that the provider's books are not what we think: money could go to a stranger. It
halts the provider. Another coin than asked for is a customer's mistake that providers
report as such: it is looked at by a person, and halts nothing.
"""

from payops.deposits.domain.invoices import Invoice, Kind, Payment, read_order_id
from payops.deposits.ports import Opened, Snapshot
from payops.kernel.money import Money


def differences(invoice: Invoice, payment: Payment, seen: Snapshot) -> list[str]:
    """What ``seen`` contradicts: of ``order``, ``price`` and ``address``, in that order."""
    found: list[str] = []
    if seen.order_id is not None and not _is_order_of(invoice, seen.order_id):
        found.append("order")
    if seen.price is not None and not _same_price(invoice, seen.price):
        found.append("price")
    known = payment.address or (invoice.address if payment.kind is Kind.PRIMARY else None)
    if seen.address is not None and known is not None and not _same_address(seen.address, known):
        found.append("address")
    return found


def opening_differences(invoice: Invoice, opened: Opened) -> list[str]:
    """As ``differences``, of the answer to the request that opened a payment."""
    found: list[str] = []
    if opened.order_id is not None and not _is_order_of(invoice, opened.order_id):
        found.append("order")
    if opened.price is not None and not _same_price(invoice, opened.price):
        found.append("price")
    if opened.coin is not None and invoice.coin is not None and opened.coin != invoice.coin:
        found.append("coin")
    return found


def _is_order_of(invoice: Invoice, order_id: str) -> bool:
    try:
        invoice_id, attempt = read_order_id(order_id)
    except ValueError:
        return False
    return invoice_id == invoice.id and attempt <= max(invoice.attempts, 1)


def _same_price(invoice: Invoice, price: Money) -> bool:
    return price == invoice.charged


def _same_address(one: str, other: str) -> bool:
    """Hexadecimal addresses are the same in any case; in all others case is part of them."""
    if one.startswith("0x"):
        return one.lower() == other.lower()
    return one == other
