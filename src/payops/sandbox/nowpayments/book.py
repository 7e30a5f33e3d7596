"""The provider's own book: payments, pages, and the coins that arrived.

Coins arrive in ``Book.receive`` and nowhere else. What a payment states may differ from what it
received, for some scripts make the provider err; the book keeps both.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from itertools import count

from payops.sandbox import addresses
from payops.sandbox.nowpayments.coins import COINS, Coin
from payops.sandbox.nowpayments.outcomes import Misstatement, Script, Status

QUOTE = timedelta(minutes=20)
SETTLED = frozenset({Status.FINISHED, Status.PARTIALLY_PAID})

_FEE_SHARE = Decimal("0.005")
_OUTCOME_DECIMALS = Decimal("1e-8")
_ID_FIRST = 4_000_000_000


@dataclass(frozen=True, slots=True)
class Order:
    """What a merchant asked for. ``price_usd`` is the price in dollars at the time."""

    price_amount: Decimal
    price_currency: str
    price_usd: Decimal
    order_id: str | None = None
    order_description: str | None = None
    ipn_callback_url: str | None = None
    success_url: str | None = None
    cancel_url: str | None = None
    is_fixed_rate: bool = False
    is_fee_paid_by_user: bool = False


@dataclass(frozen=True, slots=True)
class Arrival:
    """Coins that somebody sent."""

    coin: Coin
    amount: Decimal
    hash: str


@dataclass(frozen=True, slots=True)
class Settlement:
    """What the merchant's account was given for an arrival, and what the provider kept."""

    coin: Coin
    amount: Decimal
    deposit_fee: Decimal
    service_fee: Decimal


@dataclass(slots=True, eq=False)
class Payment:
    """One payment as it is, and in the fields below ``arrivals`` as the provider states it."""

    id: int
    purchase_id: int
    order: Order
    coin: Coin
    pay_amount: Decimal
    address: str
    memo: str | None
    script: Script
    created_at: datetime
    updated_at: datetime
    quote_ends_at: datetime
    invoice: "Invoice | None" = None
    parent: "Payment | None" = None
    is_known: bool = True  #: whether GET answers for it
    is_begun: bool = False  #: whether it takes its course
    status: str = Status.WAITING
    arrivals: list[Arrival] = field(default_factory=list)
    stated_address: str = ""
    stated_order_id: str | None = None
    stated_price: Decimal = Decimal(0)
    stated_currency: str = ""
    stated_memo: str | None = None
    stated_coin: Coin | None = None
    stated_share: int = 1  #: what arrived is stated this many times over
    misstates_amount: bool = False
    settlement: Settlement | None = None
    refunded: Decimal = Decimal(0)
    lookups: int = 0  #: how often the merchant asked about it
    settled_lookups: int = 0  #: and was shown that it is settled
    children: list["Payment"] = field(default_factory=list)
    #: The status of each answer to a notification, None where no readable one came.
    answers: list[int | None] = field(default_factory=list)

    @property
    def received(self) -> Decimal:
        """What truly arrived. All of one payment's arrivals are of one coin."""
        return sum((arrival.amount for arrival in self.arrivals), Decimal(0))

    @property
    def received_coin(self) -> Coin:
        return self.arrivals[0].coin if self.arrivals else self.coin

    @property
    def shown_coin(self) -> Coin:
        return self.stated_coin or self.coin

    @property
    def actually_paid(self) -> Decimal:
        """What the provider says has arrived."""
        return self.received * self.stated_share

    @property
    def is_settled(self) -> bool:
        return self.settlement is not None


@dataclass(slots=True, eq=False)
class Invoice:
    """A page on which the payer picks a coin, which makes a payment."""

    id: int
    order: Order
    pay_coin: Coin | None
    script: Script
    created_at: datetime
    payments: list[Payment] = field(default_factory=list)


class OtherCoin(Exception):
    """Coins of another kind have arrived for this payment before."""


class Book:
    """All that happened since the last reset."""

    def __init__(self, *, outcome_coin: str | None, ids: "Ids") -> None:
        if outcome_coin is not None and outcome_coin not in COINS:
            raise ValueError("outcome_coin is none of the sandbox's coins")
        self.notices_answered: Counter[int | None] = Counter()
        self._outcome = None if outcome_coin is None else COINS[outcome_coin]
        self._ids = ids
        self._payments: dict[int, Payment] = {}
        self._invoices: dict[int, Invoice] = {}

    def open_payment(
        self,
        order: Order,
        coin: Coin,
        script: Script,
        *,
        invoice: Invoice | None = None,
        parent: Payment | None = None,
    ) -> Payment:
        """A payment waiting for coins; a child shares its parent's address and amount."""
        now = _now()
        address = parent.address if parent else coin.new_address()
        memo = parent.memo if parent else addresses.memo() if coin.has_memo else None
        payment = Payment(
            id=self._ids.next(),
            purchase_id=self._ids.next(),
            order=order,
            coin=coin,
            pay_amount=parent.pay_amount if parent else amount_in(coin, order.price_usd),
            address=addresses.cut_off(address) if script.gives_bad_address else address,
            memo=memo,
            script=script,
            created_at=now,
            updated_at=now,
            quote_ends_at=now if script.quote_ends_at_once else now + QUOTE,
            invoice=invoice,
            parent=parent,
            stated_order_id=order.order_id,
            stated_price=order.price_amount,
            stated_currency=order.price_currency,
            stated_memo=memo,
        )
        payment.stated_address = payment.address
        self._payments[payment.id] = payment
        if invoice is not None:
            invoice.payments.append(payment)
        if parent is not None:
            parent.children.append(payment)
        return payment

    def open_invoice(self, order: Order, pay_coin: Coin | None, script: Script) -> Invoice:
        invoice = Invoice(self._ids.next(), order, pay_coin, script, _now())
        self._invoices[invoice.id] = invoice
        return invoice

    def payment(self, number: int) -> Payment:
        """Raises LookupError."""
        return self._payments[number]

    def invoice(self, number: int) -> Invoice:
        """Raises LookupError."""
        return self._invoices[number]

    @property
    def payments(self) -> Sequence[Payment]:
        """All, oldest first."""
        return tuple(self._payments.values())

    @property
    def invoices(self) -> Sequence[Invoice]:
        return tuple(self._invoices.values())

    def receive(self, payment: Payment, amount: Decimal, coin: Coin | None = None) -> None:
        """This is the moment at which coins arrive at the payment's address.

        Raises:
            OtherCoin: nothing was received.
        """
        coin = coin or payment.coin
        if payment.arrivals and payment.received_coin is not coin:
            raise OtherCoin
        payment.arrivals.append(Arrival(coin, amount, addresses.transaction()))

    def move(self, payment: Payment, status: str) -> None:
        """Give the payment another status, and the merchant its money if that settles it."""
        payment.status = status
        payment.updated_at = _now()
        if status in SETTLED and payment.arrivals:
            payment.settlement = self._settled(payment)
        if status == Status.REFUNDED:
            payment.refunded = payment.received

    def misstate(self, payment: Payment, what: Misstatement) -> None:
        """From now on the payment states something that is not so."""
        match what:
            case Misstatement.ADDRESS:
                payment.stated_address = payment.coin.new_address()
            case Misstatement.ORDER:
                payment.stated_order_id = "somebody-elses-order"
            case Misstatement.PRICE:
                payment.stated_price = payment.order.price_amount * 10
            case Misstatement.CURRENCY:
                payment.stated_currency = "jpy"
            case Misstatement.MEMO:
                payment.stated_memo = addresses.memo()
            case Misstatement.COIN:
                payment.stated_coin = payment.received_coin
            case Misstatement.AMOUNT:
                payment.misstates_amount = True

    def look_up(self, payment: Payment) -> None:
        """Count that the merchant is shown the payment as it is stated now."""
        if not payment.is_settled:
            return
        payment.settled_lookups += 1
        if payment.misstates_amount and payment.settled_lookups > 1:
            payment.stated_share = 2

    def received_by_coin(self) -> dict[str, Decimal]:
        """What arrived, by code."""
        sums: dict[str, Decimal] = {}
        for payment in self._payments.values():
            for arrival in payment.arrivals:
                code = arrival.coin.code
                sums[code] = sums.get(code, Decimal(0)) + arrival.amount
        return sums

    def violations(self) -> list[str]:
        """What does not add up; empty in a sound book."""
        payments = self._payments.values()
        claims = {
            "nothing is settled that did not arrive": all(
                payment.arrivals for payment in payments if payment.is_settled
            ),
            "no more is settled than was received": all(_adds_up(payment) for payment in payments),
            "no more is refunded than was received": all(
                payment.refunded <= payment.received for payment in payments
            ),
            "a child shares its parent's address": all(
                payment.parent.address == payment.address for payment in payments if payment.parent
            ),
        }
        return [claim for claim, holds in claims.items() if not holds]

    def _settled(self, payment: Payment) -> Settlement:
        coin = self._outcome or payment.received_coin
        worth = payment.received * payment.received_coin.usd / coin.usd
        gross = worth.quantize(_OUTCOME_DECIMALS, ROUND_DOWN)
        fee = (gross * _FEE_SHARE).quantize(_OUTCOME_DECIMALS, ROUND_UP)
        return Settlement(coin, gross - fee, deposit_fee=fee, service_fee=Decimal(0))


class Ids:
    """Ten digits, rising. They depend on the time, so that a restart gives out no id twice."""

    def __init__(self) -> None:
        self._numbers = count(_ID_FIRST + time.time_ns() // 1_000_000 % 1_000_000_000 * 5)

    def next(self) -> int:
        return next(self._numbers)


def amount_in(coin: Coin, usd: Decimal) -> Decimal:
    """How much of ``coin`` must be paid for ``usd``, rounded up to what can be sent."""
    return (usd / coin.usd).quantize(Decimal(1).scaleb(-coin.amount_decimals), ROUND_UP)


def _adds_up(payment: Payment) -> bool:
    settled = payment.settlement
    if settled is None:
        return True
    given = settled.amount + settled.deposit_fee + settled.service_fee
    return given * settled.coin.usd <= payment.received * payment.received_coin.usd


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)
