"""The store's own book: invoices, their addresses, and the coins that arrived.

What an invoice is called follows from what was paid and when; ``Book`` has the rules.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_UP, Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import base58

from payops.sandbox import addresses
from payops.sandbox.btcpay.outcomes import Addition, Script, Status
from payops.sandbox.prices import COINS_USD

_UNIT = Decimal("1e-8")

#: What the store takes, and how a fresh address of it is made.
COINS: Mapping[str, Callable[[], str]] = MappingProxyType(
    {"BTC": addresses.bitcoin, "LTC": addresses.litecoin, "DOGE": addresses.dogecoin}
)


@dataclass(frozen=True, slots=True)
class Order:
    """What a merchant asked for. Without a price it is a top-up: any amount will do."""

    price: Decimal | None
    currency: str
    price_usd: Decimal
    coins: tuple[str, ...]
    metadata: Mapping[str, Any]
    checkout: Mapping[str, Any]
    lasts: timedelta
    is_watched_for: timedelta  #: counted from its end


class PaymentStatus(StrEnum):
    """What the server says of one payment."""

    PROCESSING = "Processing"
    SETTLED = "Settled"
    INVALID = "Invalid"


@dataclass(slots=True, eq=False)
class Payment:
    """Coins seen on the network."""

    id: str  #: transaction and output
    coin: str
    value: Decimal
    received_at: datetime
    is_late: bool
    status: PaymentStatus = PaymentStatus.PROCESSING

    @property
    def counts(self) -> bool:
        return self.status is not PaymentStatus.INVALID


@dataclass(frozen=True, slots=True)
class Method:
    """One coin that an invoice can be paid in."""

    coin: str
    address: str
    rate: Decimal
    amount: Decimal  #: what the whole price comes to; zero for a top-up


@dataclass(slots=True, eq=False)
class Invoice:
    """One invoice as it is."""

    id: str
    order: Order
    script: Script
    methods: Mapping[str, Method]
    created_at: datetime
    expires_at: datetime
    status: Status = Status.NEW
    is_marked: bool = False
    payments: list[Payment] = field(default_factory=list)
    lookups: int = 0
    method_lookups: int = 0
    #: The status of each answer to an event, None where no readable one came.
    answers: list[int | None] = field(default_factory=list)

    def received(self, coin: str) -> Decimal:
        """What arrived of ``coin`` and still counts."""
        values = (p.value for p in self.payments if p.coin == coin and p.counts)
        return sum(values, Decimal(0))

    @property
    def covered(self) -> Decimal:
        """How much of the price is paid, 1 being all of it; a top-up is covered by anything."""
        if self.order.price is None:
            return Decimal(any(payment.counts for payment in self.payments))
        shares = (self.received(m.coin) / m.amount for m in self.methods.values() if m.amount)
        return sum(shares, Decimal(0))

    @property
    def addition(self) -> Addition:
        covered = self.covered
        if self.is_marked:
            return Addition.MARKED
        if self.status is Status.EXPIRED and covered >= 1:
            return Addition.LATE
        if self.status in {Status.NEW, Status.EXPIRED} and covered:
            return Addition.PARTIAL
        return Addition.OVER if covered > 1 else Addition.NONE


class Book:
    """All that happened since the last reset."""

    def __init__(self) -> None:
        self.events_answered: Counter[int | None] = Counter()
        self._invoices: dict[str, Invoice] = {}

    def open(self, order: Order, script: Script) -> Invoice:
        """An invoice with an address for each of its coins."""
        now = _now()
        invoice = Invoice(
            id=base58.b58encode(os.urandom(16)).decode(),
            order=order,
            script=script,
            methods={coin: _method(coin, order.price_usd) for coin in order.coins},
            created_at=now,
            expires_at=now + order.lasts,
        )
        self._invoices[invoice.id] = invoice
        return invoice

    def find(self, invoice_id: str) -> Invoice:
        """Raises LookupError."""
        return self._invoices[invoice_id]

    @property
    def invoices(self) -> Sequence[Invoice]:
        """All, oldest first."""
        return tuple(self._invoices.values())

    def receive(self, invoice: Invoice, coin: str, value: Decimal) -> Payment:
        """This is the moment at which coins are seen on the network.

        Once an invoice has expired it stays so, whatever is paid.
        """
        payment = Payment(
            id=f"{addresses.transaction()}-0",
            coin=coin,
            value=value,
            received_at=_now(),
            is_late=invoice.status is Status.EXPIRED,
        )
        invoice.payments.append(payment)
        if invoice.status is Status.NEW and invoice.covered >= 1:
            invoice.status = Status.PROCESSING
        return payment

    def replace(self, invoice: Invoice) -> Payment:
        """The newest payment is spent again with a higher fee; it counts no more."""
        old = invoice.payments[-1]
        old.status = PaymentStatus.INVALID
        return self.receive(invoice, old.coin, old.value)

    def confirm(self, invoice: Invoice) -> list[Payment]:
        """Every payment has its confirmations; the ones that had none before."""
        fresh = [p for p in invoice.payments if p.status is PaymentStatus.PROCESSING]
        for payment in fresh:
            payment.status = PaymentStatus.SETTLED
        if invoice.status is Status.PROCESSING:
            invoice.status = Status.SETTLED
        return fresh

    def expire(self, invoice: Invoice) -> None:
        """Its time is over, now: what is paid from here on is late."""
        invoice.status = Status.EXPIRED
        invoice.expires_at = min(invoice.expires_at, _now())

    def invalidate(self, invoice: Invoice) -> None:
        invoice.status = Status.INVALID

    def mark(self, invoice: Invoice, status: Status) -> None:
        """Somebody decided."""
        invoice.status, invoice.is_marked = status, True

    def received_by_coin(self) -> dict[str, Decimal]:
        """What arrived and counts, confirmed or not."""
        sums: dict[str, Decimal] = {}
        for invoice in self._invoices.values():
            for coin in invoice.methods:
                sums[coin] = sums.get(coin, Decimal(0)) + invoice.received(coin)
        return {coin: total for coin, total in sums.items() if total}

    def violations(self) -> list[str]:
        """What does not add up; empty in a sound book."""
        invoices = self._invoices.values()
        payments = [payment for invoice in invoices for payment in invoice.payments]
        claims = {
            "settled is paid in full, or marked": all(
                invoice.covered >= 1 or invoice.is_marked
                for invoice in invoices
                if invoice.status is Status.SETTLED
            ),
            "every payment is above zero": all(payment.value > 0 for payment in payments),
            "no two payments have one id": len({p.id for p in payments}) == len(payments),
        }
        return [claim for claim, holds in claims.items() if not holds]


def share_of(method: Method, share: Decimal, price_usd: Decimal) -> Decimal:
    """A share of the price in coins, rounded up so that two halves are the whole.

    A top-up has no price; its share is one of ten dollars.
    """
    whole = method.amount or _in_coins(method.coin, price_usd or Decimal(10))
    return (whole * share).quantize(_UNIT, ROUND_UP)


def _method(coin: str, price_usd: Decimal) -> Method:
    return Method(coin, COINS[coin](), COINS_USD[coin.lower()], _in_coins(coin, price_usd))


def _in_coins(coin: str, usd: Decimal) -> Decimal:
    return (usd / COINS_USD[coin.lower()]).quantize(_UNIT, ROUND_UP)


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)
