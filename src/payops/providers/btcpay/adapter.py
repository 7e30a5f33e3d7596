"""BTCPay as a provider of crypto deposits: its words to ours.

An invoice there is a payment here, and each of the coins' payments to it is an arrival: that
is what may be credited, once by its id. BTCPay's word for the whole invoice never is.
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from payops.deposits.domain.invoices import Checkout
from payops.deposits.domain.states import State
from payops.deposits.ports import (
    AnswerLost,
    Arrival,
    Coin,
    CredentialRefused,
    Intent,
    NoAnswer,
    NotDelivered,
    NotKnown,
    OpenAnswer,
    Opened,
    ReadAnswer,
    Reason,
    Refused,
    Snapshot,
    left_out,
)
from payops.kernel.money import USD, Money
from payops.providers.btcpay import wire
from payops.providers.btcpay.client import (
    Ambiguous,
    BtcPayClient,
    KeyRefused,
    NotActedOn,
    NotFound,
    Rejected,
    Unanswered,
)
from payops.webhooks.ports import WebhookSource

COINS: Final[Mapping[str, Coin]] = MappingProxyType(
    {
        "BTC": Coin("BTC", "bitcoin", 8),
        "LTC": Coin("LTC", "litecoin", 8),
        "DOGE": Coin("DOGE", "dogecoin", 8),
    }
)

# There is no minimum there. Below a dollar the payer's own fee is more than the payment.
MINIMUM: Final = Money.whole(1, USD)

EXPIRATION_MINUTES: Final = 30
# Money that comes after that is not seen by the server at all, so it is long.
MONITORING_MINUTES: Final = 30 * 24 * 60

# Two confirmations: what is credited can leave as M-Pesa a minute later and never comes back.
SPEED_POLICY: Final = "LowMediumSpeed"

MARKED_BY_HAND: Final = "marked_by_hand"
_MARKED: Final = "Marked"
_PAID_LATE: Final = "PaidLate"
_ADDITIONAL_STATUSES: Final = frozenset(
    {"None", "PaidPartial", "PaidOver", _PAID_LATE, _MARKED, "Invalid"}
)
_OUTPUT = re.compile(r"([0-9a-f]{64})-[0-9]{1,10}", re.ASCII)


class BtcPay:
    """``public_url`` is where payers' browsers find us again.

    Raises:
        ValueError: one of ``coins`` is none that we can check addresses of.
    """

    name = "btcpay"
    checkouts = frozenset(Checkout)

    def __init__(
        self,
        client: BtcPayClient,
        notifications: WebhookSource,
        *,
        public_url: str,
        coins: Iterable[str],
    ) -> None:
        codes = [code.upper() for code in coins]
        unknown = sorted(set(codes) - set(COINS))
        if unknown or not codes:
            raise ValueError(f"coins must be some of {', '.join(COINS)}")
        self._client = client
        self._coins = {code: COINS[code] for code in codes}
        self._return_url = f"{public_url.rstrip('/')}/crypto/success"
        self.notifications = notifications

    async def coins(self) -> Mapping[str, Coin] | NoAnswer:
        """As configured: the store is ours, and offers what we set up there."""
        return MappingProxyType(self._coins)

    def known_coin(self, code: str) -> Coin | None:
        return self._coins.get(code)

    @property
    def withheld(self) -> Mapping[str, tuple[str, ...]]:
        """None: there is no record of another to compare ours with."""
        return MappingProxyType({})

    async def minimum(self, coin: Coin, checkout: Checkout) -> Money | NoAnswer:  # noqa: ARG002 - the same for all
        return MINIMUM

    async def open(self, intent: Intent) -> OpenAnswer:
        """One call for a page; a second for an address, which the first does not tell.

        When the second fails there is an invoice that nobody has seen: the answer is lost.
        """
        if not self._is_offered(intent):
            return Refused(Reason.COIN_UNAVAILABLE, "", "not offered")
        try:
            invoice = await self._client.create_invoice(self._order(intent))
            if intent.coin is None or intent.checkout is Checkout.HOSTED:
                return _page(invoice, intent.coin)
            return _address(invoice, await self._client.payment_methods(invoice.id), intent.coin)
        except Rejected as error:
            return Refused(_reason(error), error.code, error.message)
        except NotActedOn as error:
            return NotDelivered(str(error))
        except KeyRefused as error:
            return CredentialRefused(str(error))
        except Ambiguous as error:
            return AnswerLost(str(error))
        except (NotFound, Unanswered) as error:
            return AnswerLost(f"opened, address not read: {error}")

    async def read(self, reference: str) -> ReadAnswer:
        try:
            invoice = await self._client.invoice(reference)
            methods = await self._client.payment_methods(reference)
        except NotFound:
            return NotKnown()
        except Unanswered as error:
            return NoAnswer(str(error), is_outage=error.is_outage)
        return snapshot(invoice, methods)

    async def usd_value(self, coin: str, amount: Decimal) -> Decimal | NoAnswer:
        if coin not in self._coins:
            return NoAnswer("not a coin of this store")
        try:
            return await self._client.usd_rate(coin) * amount
        except Unanswered as error:
            return NoAnswer(str(error), is_outage=error.is_outage)

    def _is_offered(self, intent: Intent) -> bool:
        if intent.coin is None:
            return intent.checkout is Checkout.HOSTED
        return intent.coin.code in self._coins

    def _order(self, intent: Intent) -> dict[str, Any]:
        """Whatever the store's own settings are, except its fees and its source of rates."""
        codes = [intent.coin.code] if intent.coin else list(self._coins)
        return {
            "amount": intent.price.text,
            "currency": intent.price.currency.code,
            "metadata": {"orderId": intent.order_id},
            "checkout": {
                "paymentMethods": [f"{code}{wire.ON_CHAIN}" for code in codes],
                "lazyPaymentMethods": False,
                "speedPolicy": SPEED_POLICY,
                "expirationMinutes": EXPIRATION_MINUTES,
                "monitoringMinutes": MONITORING_MINUTES,
                "paymentTolerance": 0,
                "redirectURL": self._return_url,
            },
        }


def snapshot(invoice: wire.Invoice, methods: tuple[wire.Method, ...]) -> Snapshot:
    """The invoice as it is, with one arrival for each payment that counts."""
    arrivals = tuple(
        _arrival(invoice, method.coin, payment) for method in methods for payment in method.payments
    )
    # With several ways to pay there are several quotes, and one invoice may be paid in two of
    # them: it then has none, and what arrives is valued when it settles.
    only = methods[0] if len(methods) == 1 else None
    coin = COINS.get(only.coin) if only else None
    return Snapshot(
        reference=invoice.id,
        state=state_of(invoice, arrivals),
        provider_status=_provider_status(invoice),
        order_id=invoice.order_id,
        price=invoice.price,
        coin=only.coin if only else None,
        pay_amount=only.pay_amount if only else None,
        address=only.address if only else None,
        network=coin.network if coin else None,
        quote_expires_at=invoice.expires_at,
        arrivals=arrivals,
        flags=frozenset({MARKED_BY_HAND} if invoice.additional_status == _MARKED else ()),
    )


def state_of(invoice: wire.Invoice, arrivals: tuple[Arrival, ...]) -> State | None:
    """Of the two words and of what has arrived; ``None`` if one of the words is new to us.

    ``Processing`` is no more than seen: until there are confirmations, a payment can be
    replaced and the invoice becomes ``New`` again. An invoice that expired with money is not
    at rest before all of it is settled.
    """
    if invoice.additional_status not in _ADDITIONAL_STATUSES:
        return None
    match invoice.status:
        case "New":
            return State.CONFIRMING if arrivals else State.WAITING
        case "Processing":
            return State.CONFIRMING
        case "Settled":
            return State.FINISHED
        case "Expired":
            return _expired(invoice, arrivals)
        case "Invalid":
            return State.FAILED
        case _:
            return None


def _expired(invoice: wire.Invoice, arrivals: tuple[Arrival, ...]) -> State:
    if not arrivals:
        return State.EXPIRED
    if not all(arrival.is_settled for arrival in arrivals):
        return State.CONFIRMING
    is_whole = invoice.additional_status == _PAID_LATE
    return State.FINISHED if is_whole else State.PARTIALLY_PAID


def _arrival(invoice: wire.Invoice, coin: str, payment: wire.Payment) -> Arrival:
    output = _OUTPUT.fullmatch(payment.id)
    return Arrival(
        reference=payment.id,
        coin=coin,
        amount=payment.amount,
        is_settled=payment.is_settled,
        arrived_at=payment.received_at,
        outcome_coin=coin,
        outcome_amount=payment.amount,
        chain_hash=output[1] if output else None,
        is_late=_is_late(invoice, payment),
    )


def _is_late(invoice: wire.Invoice, payment: wire.Payment) -> bool:
    if payment.received_at is None or invoice.expires_at is None:
        return invoice.additional_status == _PAID_LATE
    # The server's times have no fractions: what came in the very second of the end is late.
    return payment.received_at >= invoice.expires_at


def _page(invoice: wire.Invoice, coin: Coin | None) -> OpenAnswer:
    if invoice.link is None:
        return AnswerLost("opened, page not told")
    return Opened(
        reference=invoice.id,
        coin=coin.code if coin else None,
        network=coin.network if coin else None,
        url=invoice.link,
        quote_expires_at=invoice.expires_at,
        price=invoice.price,
        order_id=invoice.order_id,
        left_out=left_out(invoice.order_id, invoice.price),
    )


def _address(invoice: wire.Invoice, methods: tuple[wire.Method, ...], coin: Coin) -> OpenAnswer:
    for method in methods:
        if method.coin == coin.code and method.address and method.pay_amount:
            return Opened(
                reference=invoice.id,
                coin=coin.code,
                pay_amount=method.pay_amount,
                address=method.address,
                network=coin.network,
                quote_expires_at=invoice.expires_at,
                price=invoice.price,
                order_id=invoice.order_id,
                left_out=left_out(invoice.order_id, invoice.price),
            )
    return AnswerLost("opened, address not told")


def _provider_status(invoice: wire.Invoice) -> str:
    if invoice.additional_status == "None":
        return invoice.status
    return f"{invoice.status}/{invoice.additional_status}"


def _reason(error: Rejected) -> Reason:
    """The request's list of ways to pay is what can be wrong with a coin."""
    is_about_coin = "paymentmethods" in error.code.lower()
    return Reason.COIN_UNAVAILABLE if is_about_coin else Reason.OTHER
