"""From database rows to invoices, payments and receipts, and back.

A column bears the name of its field. What is more than a column (money, an enumeration) is
named here, and nothing else is: a field without a column fails the first query.
"""

from collections.abc import Collection
from dataclasses import fields
from typing import Any, Final

from payops.deposits.domain.invoices import (
    Checkout,
    Invoice,
    Kind,
    Payment,
    Receipt,
    ReceiptState,
)
from payops.deposits.domain.states import State
from payops.deposits.domain.valuation import Method
from payops.infra.db import Record
from payops.kernel.money import CURRENCIES, Money


def _plain(kind: type[Invoice | Payment | Receipt], *, but: Collection[str] = ()) -> list[str]:
    return [field.name for field in fields(kind) if field.name not in but]


_INVOICE: Final = _plain(Invoice, but={"price", "charged", "credited_minor"})
_PAYMENT: Final = _plain(Payment)
_RECEIPT: Final = _plain(Receipt, but={"credited"})

INVOICE_COLUMNS: Final = ", ".join(
    [*_INVOICE, "price", "currency", "charged", "charged_currency", "credited"]
)
PAYMENT_COLUMNS: Final = ", ".join(_PAYMENT)
RECEIPT_COLUMNS: Final = ", ".join([*_RECEIPT, "credited", "credited_currency"])


def invoice(row: Record) -> Invoice:
    return Invoice(
        **_as_they_are(row, _INVOICE)
        | {
            "state": State(row["state"]),
            "checkout": Checkout(row["checkout"]),
            "reasons": tuple(row["reasons"]),
            "price": _money(row["price"], row["currency"]),
            "charged": _money(row["charged"], row["charged_currency"]),
            "credited_minor": row["credited"],
        }
    )


def payment(row: Record) -> Payment:
    return Payment(
        **_as_they_are(row, _PAYMENT)
        | {
            "state": State(row["state"]),
            "kind": Kind(row["kind"]),
            "doubts_decided": tuple(row["doubts_decided"]),
        }
    )


def receipt(row: Record) -> Receipt:
    credited, method = row["credited"], row["method"]
    return Receipt(
        **_as_they_are(row, _RECEIPT)
        | {
            "state": ReceiptState(row["state"]),
            "method": Method(method) if method else None,
            "doubts_decided": tuple(row["doubts_decided"]),
            "credited": _money(credited, row["credited_currency"]) if credited else None,
        }
    )


def payment_values(one: Payment) -> list[object]:
    """In the order of ``PAYMENT_COLUMNS``."""
    return [getattr(one, name) for name in _PAYMENT]


def receipt_values(one: Receipt) -> list[object]:
    """In the order of ``RECEIPT_COLUMNS``."""
    credited = one.credited
    value = (credited.minor, credited.currency.code) if credited else (None, None)
    return [*(getattr(one, name) for name in _RECEIPT), *value]


def _as_they_are(row: Record, names: Collection[str]) -> dict[str, Any]:
    return {name: row[name] for name in names}


def _money(minor: int, code: str) -> Money:
    return Money(minor, CURRENCIES[code])
