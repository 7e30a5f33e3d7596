"""Invoices, the payments behind them, and the receipts that are credited."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from payops.deposits.domain.states import State
from payops.deposits.domain.valuation import Method, Quote
from payops.kernel.ids import read_id, show_id
from payops.kernel.money import Money

ID_PREFIX = "inv"


class Checkout(StrEnum):
    ADDRESS = "address"  # we show an address to pay to
    HOSTED = "hosted"  # the provider's page; several payments may belong to one invoice


class Kind(StrEnum):
    """Why a payment belongs to its invoice."""

    PRIMARY = "primary"  # the one whose address we show
    HOSTED = "hosted"  # picked on the provider's page
    CHILD = "child"  # money sent again to an address that had been paid
    ORPHAN = "orphan"  # of an attempt whose answer was lost


class ReceiptState(StrEnum):
    SEEN = "seen"  # on its way
    CREDITED = "credited"
    REVIEW = "review"
    DISMISSED = "dismissed"  # nothing is to be credited: dust, refunded, or a person said so
    REVERSED = "reversed"  # the provider took it back after it was credited


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """A price a user wants to pay in coins. Times are the database's.

    ``charged`` is what the provider is asked for: the price itself, or US dollars at the
    recorded rate when the price is in shillings. ``state_since`` is when ``state`` began.
    """

    user_id: str
    id: UUID
    state: State
    price: Money
    charged: Money
    coin: str | None  # None: the payer picks it on the provider's page
    provider: str
    checkout: Checkout
    caller: str
    request_id: str | None
    created_at: datetime
    updated_at: datetime
    state_since: datetime
    rate: Decimal | None = None  # shillings a dollar, spread taken off
    rate_id: UUID | None = None
    rate_set_at: datetime | None = None
    attempts: int = 0
    provider_reference: str | None = None
    pay_amount: Decimal | None = None
    address: str | None = None
    memo: str | None = None
    network: str | None = None
    checkout_url: str | None = None
    quote_expires_at: datetime | None = None
    credited_minor: int = 0
    reasons: tuple[str, ...] = ()  # why a person must look, while ``state`` is review

    @property
    def shown_id(self) -> str:
        return show(self.id)

    @property
    def quote(self) -> Quote | None:
        return Quote(self.pay_amount, self.quote_expires_at) if self.pay_amount else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """What a provider opened for an invoice, and what we poll until it is at rest.

    ``due_at`` is when it is read back next, ``None`` when it never is again. ``seen_at`` is
    when we first learned that money is on its way.
    """

    user_id: str
    id: UUID
    invoice_id: UUID
    provider: str
    reference: str  # the provider's id, plain digits or text, as it was first spelled
    kind: Kind
    state: State
    provider_status: str  # the provider's own word
    parent_reference: str | None = None
    coin: str | None = None
    pay_amount: Decimal | None = None
    address: str | None = None
    memo: str | None = None
    network: str | None = None
    quote_expires_at: datetime | None = None
    fee_coin: str | None = None
    fee_amount: Decimal | None = None
    reason: str | None = None  # why a person must look
    doubts_decided: tuple[str, ...] = ()  # earlier reasons: what more comes of it is for people
    seen_at: datetime | None = None
    notified_at: datetime | None = None
    reads: int = 0  # read-backs since it last changed
    failures: int = 0  # read-backs in a row that failed
    failing_since: datetime | None = None
    due_at: datetime | None = None
    created_at: datetime
    state_since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One arrival of money: the only thing that is ever credited, at most once.

    ``early_amount`` is as much of ``amount`` as came at ``arrived_at``, when the rest was added
    after the quote; ``None``: all of it did. ``settled_at`` is when we read that it is settled.
    """

    user_id: str
    id: UUID
    invoice_id: UUID
    payment_id: UUID
    provider: str
    reference: str  # unique at the provider
    state: ReceiptState
    coin: str
    amount: Decimal
    arrived_at: datetime
    early_amount: Decimal | None = None
    is_settled: bool = False
    settled_at: datetime | None = None
    outcome_coin: str | None = None
    outcome_amount: Decimal | None = None
    chain_hash: str | None = None
    credited: Money | None = None
    journal_id: UUID | None = None
    fee_journal_id: UUID | None = None
    method: Method | None = None
    rate: Decimal | None = None  # what one coin was worth in the wallet's currency
    reason: str | None = None  # why a person must look
    doubts_decided: tuple[str, ...] = ()  # earlier reasons: the same is not raised again
    created_at: datetime


def show(invoice_id: UUID) -> str:
    """The invoice's id: ``inv_…``; also the order id a provider is given."""
    return show_id(ID_PREFIX, invoice_id)


def read(text: str) -> UUID:
    """Raises ``ValueError`` for anything ``show`` does not write."""
    return read_id(ID_PREFIX, text)


def order_id(invoice_id: UUID, attempt: int) -> str:
    """What the provider is told at one attempt: ASCII, and different for each attempt."""
    return show(invoice_id) if attempt == 1 else f"{show(invoice_id)}-{attempt}"


def read_order_id(text: str) -> tuple[UUID, int]:
    """Which invoice and which attempt an order id is of.

    Raises:
        ValueError: ``order_id`` does not write it.
    """
    shown, separator, number = text.partition("-")
    attempt = int(number) if separator and number.isascii() and number.isdigit() else 1
    invoice_id = read(shown)
    if attempt < 1 or order_id(invoice_id, attempt) != text:
        raise ValueError("not an order id")
    return invoice_id, attempt
