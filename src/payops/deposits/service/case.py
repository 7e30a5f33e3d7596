"""One invoice with all that belongs to it, while decisions are made about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from payops.deposits.domain.invoices import Invoice, Payment, Receipt
from payops.ledger.domain import Journal


@dataclass(frozen=True, slots=True)
class Policy:
    """What operations have set. ``cap_minor`` is by currency; nothing above is automatic."""

    poll_first: timedelta
    poll_for: timedelta
    give_up_reading: timedelta
    quote_lasts: timedelta  # of a payment whose provider names no end
    cap_minor: Mapping[str, int]
    outcome_coins: frozenset[str]  # empty: any


@dataclass(frozen=True, slots=True)
class Market:
    """What an arrival was found to be worth, in minor units of the wallet's currency."""

    reference: str
    minor: int


@dataclass(slots=True)
class Case:
    """One locked invoice with all that belongs to it; changed by the functions below.

    ``news`` are the reasons for a person that were not there before.
    """

    invoice: Invoice
    payments: dict[str, Payment]  # by the provider's reference
    receipts: dict[str, Receipt]
    now: datetime
    credited: list[str] = field(default_factory=list)  # receipts, by reference
    reversed: list[str] = field(default_factory=list)
    fees: dict[str, int] = field(default_factory=dict)  # of receipts, in minor units
    decisions: list[Journal] = field(default_factory=list)  # what people had posted
    durations: dict[str, int] = field(default_factory=dict)  # seconds of phases that ended
    news: list[str] = field(default_factory=list)
    mismatches: list[str] = field(default_factory=list)
    unknown_words: list[str] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)  # payments
    changed: set[str] = field(default_factory=set)  # receipts

    def put_payment(self, payment: Payment) -> None:
        if self.payments.get(payment.reference) != payment:
            self.payments[payment.reference] = payment
            self.touched.add(payment.reference)

    def put_receipt(self, receipt: Receipt) -> None:
        if self.receipts.get(receipt.reference) != receipt:
            self.receipts[receipt.reference] = receipt
            self.changed.add(receipt.reference)

    def needs_person(self, payment: Payment, reason: str) -> None:
        if payment.reason is None:
            self.put_payment(replace(payment, reason=reason))
            self.news.append(reason)
