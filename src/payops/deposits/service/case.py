"""One invoice with all that belongs to it, while decisions are made about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from payops.deposits.domain.invoices import Invoice, Payment, Receipt
from payops.deposits.ports import Snapshot
from payops.deposits.service.matching import is_mismatch, reason_of
from payops.ledger.domain import Journal


@dataclass(frozen=True, slots=True)
class Policy:
    """What operations have set. ``cap_minor`` is by currency; nothing above is automatic."""

    poll_first: timedelta
    poll_for: timedelta
    give_up_reading: timedelta
    quote_lasts: timedelta  # of a payment whose provider names no end
    cap_minor: Mapping[str, int]
    overpaid_percent: int  # credited by more above the price: people are told
    outcome_coins: frozenset[str]  # empty: any

    def has_ended(self, payment: Payment, now: datetime) -> bool:
        """Whether ``payment`` is read back no more on our own account."""
        last = max(payment.created_at, payment.notified_at or payment.created_at)
        return now - last > self.poll_for

    def quote_end(self, seen: Snapshot, now: datetime) -> datetime | None:
        """Until when the provider's quote stands; ``None``: nobody knows.

        From when it was made, not from when we heard of it: that may be days later.
        """
        if seen.quote_expires_at is not None or seen.opened_at is None:
            return seen.quote_expires_at
        return min(seen.opened_at, now) + self.quote_lasts


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
    unvalued: list[str] = field(default_factory=list)  # likewise: they need a fresh rate
    overpaid: list[str] = field(default_factory=list)  # likewise: with them it became too much
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

    def contradicted(self, payment: Payment, found: Sequence[str]) -> None:
        """Its provider says what cannot be. That outranks any other reason for a person: whoever
        decided on the other would not have known.
        """
        self.mismatches += found
        self.put_payment(payment)
        if not is_mismatch(payment.reason):
            self.needs_person(replace(payment, reason=None), reason_of(found))
