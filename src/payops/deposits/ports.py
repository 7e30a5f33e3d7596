"""What deposits need of a provider, in their own words.

A provider turns a price into an address or a page, and later says what arrived. Answers
are closed unions: what is known, not how it was said. No method raises for what the
network or the provider does. Amounts of coins are exact ``Decimal``; ids are text in their
literal spelling; coins are upper case as ``coins`` lists them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, TypeAlias

from payops.deposits.domain.invoices import Checkout
from payops.deposits.domain.prices import StatedPrice
from payops.deposits.domain.states import State
from payops.kernel.money import Money
from payops.webhooks.ports import WebhookSource


@dataclass(frozen=True, slots=True)
class Coin:
    """A coin as a provider sells it; one network only, for an address does not name it."""

    code: str  # upper case, the provider's: BTC, USDTTRC20
    network: str  # as ``deposits.addresses`` names it: bitcoin, ethereum, tron, …
    decimals: int
    has_memo: bool = False


@dataclass(frozen=True, slots=True)
class Intent:
    """What is to be paid. ``order_id`` is new at every attempt."""

    order_id: str
    price: Money  # in a currency the provider prices in
    coin: Coin | None  # None: the payer picks it on the provider's page
    checkout: Checkout


@dataclass(frozen=True, slots=True)
class Opened:
    """The provider has opened a payment or a page for it.

    With ``Checkout.ADDRESS`` there is an address and an amount; its memo, if the network
    has one, is part of it. They are not yet checked. ``is_page``: the reference is a page's
    and cannot be read back; payments picked on it become known by notifications.
    ``left_out`` is what its provider repeats in every such answer and did not in this one,
    ``order`` or ``price``: silence where an answer is due is no agreement.
    """

    reference: str
    is_page: bool = False
    coin: str | None = None
    pay_amount: Decimal | None = None
    address: str | None = None
    memo: str | None = None
    network: str | None = None
    url: str | None = None
    quote_expires_at: datetime | None = None
    price: StatedPrice | None = None  # as the provider repeated it
    order_id: str | None = None
    left_out: frozenset[str] = frozenset()


def left_out(order_id: str | None, price: StatedPrice | None) -> frozenset[str]:
    """What ``Opened.left_out`` is, of a provider that always repeats both."""
    told = {"order": order_id, "price": price}
    return frozenset(name for name, value in told.items() if value is None)


class Reason(StrEnum):
    BELOW_MINIMUM = "below_minimum"
    COIN_UNAVAILABLE = "coin_unavailable"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider answered no; nothing was opened."""

    reason: Reason
    code: str  # the provider's, "" when it gave none
    message: str  # its words, unscrubbed


@dataclass(frozen=True, slots=True)
class NotDelivered:
    """The provider cannot have seen the request: it never left."""

    why: str


@dataclass(frozen=True, slots=True)
class CredentialRefused:
    """The provider turned our key away (401, 403)."""

    why: str


@dataclass(frozen=True, slots=True)
class AnswerLost:
    """It may have opened something: nobody saw the address, so nobody can have paid it."""

    why: str


OpenAnswer: TypeAlias = Opened | Refused | NotDelivered | CredentialRefused | AnswerLost


@dataclass(frozen=True, slots=True)
class Arrival:
    """Money seen for a payment. ``reference`` is unique at the provider."""

    reference: str
    coin: str
    amount: Decimal
    is_settled: bool
    arrived_at: datetime | None = None  # None: the provider does not say
    outcome_coin: str | None = None
    outcome_amount: Decimal | None = None
    fee_coin: str | None = None
    fee_amount: Decimal | None = None
    chain_hash: str | None = None
    is_late: bool = False  # the provider says it came after its window


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A payment as its provider states it. ``None``: it did not say.

    ``state`` is ``None`` for a word we do not know. ``flags`` are the provider's remarks
    that need a person: ``wrong_asset``, ``marked_by_hand``.
    """

    reference: str
    state: State | None
    provider_status: str
    order_id: str | None = None
    parent_reference: str | None = None
    hosted_reference: str | None = None  # the page it was picked on
    children: tuple[str, ...] = ()
    price: StatedPrice | None = None
    coin: str | None = None
    pay_amount: Decimal | None = None
    address: str | None = None
    memo: str | None = None
    network: str | None = None
    quote_expires_at: datetime | None = None
    opened_at: datetime | None = None  # when the provider made its quote
    arrivals: tuple[Arrival, ...] = ()
    flags: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class NotKnown:
    """The provider says it has no such payment."""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The question could not be put, or its answer not read."""

    why: str
    is_outage: bool = False  # no answer, or a 5xx: what a breaker counts


ReadAnswer: TypeAlias = Snapshot | NotKnown | NoAnswer


@dataclass(frozen=True, slots=True)
class Notice:
    """What a signed notification is about. A hint: the payment is read back before it counts.

    ``claimed`` is what it says of the payment, if it says more than that it changed.
    """

    reference: str
    claimed: Snapshot | None = None


class CryptoProvider(Protocol):
    """One way to be paid in coins."""

    name: str
    checkouts: frozenset[Checkout]
    notifications: WebhookSource  # its ``read`` gives a ``Notice``

    async def coins(self) -> Mapping[str, Coin] | NoAnswer:
        """What can be paid with now, by code; cached for minutes."""

    def known_coin(self, code: str) -> Coin | None:
        """One of them, as last read; also one that is not offered at the moment. Asks nobody."""

    @property
    def withheld(self) -> Mapping[str, tuple[str, ...]]:
        """Coins that are not offered because the provider's record is not what we know of them,
        by code, with the fields in question, as last read. Asks nobody.
        """

    async def minimum(self, coin: Coin, checkout: Checkout) -> Money | NoAnswer:
        """The least that may be asked for in US dollars, with a margin; cached for a minute."""

    async def open(self, intent: Intent) -> OpenAnswer:
        """Ask for an address or a page. Never repeated by the provider's client."""

    async def read(self, reference: str) -> ReadAnswer:
        """A payment as it is now. Safe to repeat."""

    async def usd_value(self, coin: str, amount: Decimal) -> Decimal | NoAnswer:
        """What ``amount`` coins are worth in US dollars now."""
