"""NOWPayments as a provider of deposits: its words to ours, nothing else."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from math import ceil
from types import MappingProxyType
from typing import Final

from payops.deposits.domain.invoices import Checkout
from payops.deposits.ports import (
    AnswerLost,
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
)
from payops.kernel.money import USD, Money
from payops.providers.nowpayments import payments
from payops.providers.nowpayments.client import (
    Ambiguous,
    KeyRefused,
    NotActedOn,
    NotFound,
    NowPaymentsClient,
    Rejected,
    Unanswered,
)
from payops.providers.nowpayments.coins import RETRY_SECONDS, Catalogue
from payops.providers.nowpayments.remembering import Memory
from payops.providers.reading import NotUnderstood
from payops.webhooks.ports import WebhookSource

DESCRIPTION: Final = "BETRIX deposit"
MINIMUM_SECONDS: Final = 60

_REASONS: Final[Mapping[str, Reason]] = MappingProxyType(
    {
        "AMOUNT_MINIMAL_ERROR": Reason.BELOW_MINIMUM,
        "CURRENCY_UNAVAILABLE": Reason.COIN_UNAVAILABLE,
    }
)


class NowPayments:
    """``public_url`` is where notifications and payers' browsers come back to.

    ``outcome_currency`` is the coin that the account is settled in: minimums depend on it.
    ``minimum_margin_percent`` is added to them, because prices move before money arrives.
    """

    name = "nowpayments"
    checkouts = frozenset(Checkout)

    def __init__(
        self,
        client: NowPaymentsClient,
        notifications: WebhookSource,
        *,
        public_url: str,
        outcome_currency: str | None = None,
        minimum_margin_percent: int = 5,
    ) -> None:
        self._client = client
        self.notifications = notifications
        self.catalogue = Catalogue(client)
        self._public_url = public_url.rstrip("/")
        self._outcome_currency = outcome_currency
        self._minimum_margin_percent = minimum_margin_percent
        self._minimums: Memory[Money] = Memory(
            seconds=MINIMUM_SECONDS, seconds_after_failure=RETRY_SECONDS
        )

    async def coins(self) -> Mapping[str, Coin] | NoAnswer:
        return await self.catalogue.coins()

    def known_coin(self, code: str) -> Coin | None:
        return self.catalogue.known(code)

    @property
    def withheld(self) -> Mapping[str, tuple[str, ...]]:
        return self.catalogue.differing

    async def minimum(self, coin: Coin, checkout: Checkout) -> Money | NoAnswer:  # noqa: ARG002 - the same for both
        return await self._minimums.get(coin.code, lambda: self._ask_minimum(coin.code))

    async def open(self, intent: Intent) -> OpenAnswer:
        """Raises ``ValueError`` for an address without a coin."""
        if intent.checkout is Checkout.ADDRESS and intent.coin is None:
            raise ValueError("an address is of a coin")
        try:
            return await self._opened(intent)
        except Rejected as error:
            reason = _REASONS.get(error.code.upper(), Reason.OTHER)
            return Refused(reason, error.code, error.message)
        except NotActedOn as error:
            return NotDelivered(str(error))
        except KeyRefused as error:
            return CredentialRefused(str(error))
        except Ambiguous as error:
            return AnswerLost(str(error))
        except NotUnderstood as error:
            return AnswerLost(f"2xx, {error} unreadable")

    async def read(self, reference: str) -> ReadAnswer:
        try:
            snapshot = payments.snapshot_of(await self._client.payment(reference))
        except NotFound:
            return NotKnown()
        except Unanswered as error:
            return NoAnswer(str(error), is_outage=error.is_outage)
        except NotUnderstood as error:
            return NoAnswer(f"unreadable: {error}")
        if snapshot.reference != reference:
            return NoAnswer("about another payment")
        return snapshot

    async def usd_value(self, coin: str, amount: Decimal) -> Decimal | NoAnswer:
        try:
            return await self._client.usd_value(coin, amount)
        except Unanswered as error:
            return NoAnswer(str(error), is_outage=error.is_outage)
        except NotUnderstood as error:
            return NoAnswer(f"unreadable: {error}")

    async def _opened(self, intent: Intent) -> Opened:
        order = self._order(intent)
        if intent.checkout is Checkout.HOSTED:
            pages = {
                "success_url": f"{self._public_url}/crypto/success",
                "cancel_url": f"{self._public_url}/crypto/cancel",
            }
            return payments.page_opened(await self._client.create_invoice(order | pages))
        has_memo = intent.coin is not None and intent.coin.has_memo
        return payments.address_opened(await self._client.create_payment(order), has_memo=has_memo)

    def _order(self, intent: Intent) -> dict[str, str | Money]:
        """ASCII only: what is echoed in a signed notification must not depend on an encoding."""
        coin = {} if intent.coin is None else {"pay_currency": intent.coin.code.lower()}
        return {
            "price_amount": intent.price,
            "price_currency": intent.price.currency.code.lower(),
            **coin,
            "order_id": intent.order_id,
            "order_description": DESCRIPTION,
            "ipn_callback_url": f"{self._public_url}/webhooks/{self.name}",
        }

    async def _ask_minimum(self, code: str) -> Money | NoAnswer:
        try:
            dollars = await self._client.minimum_usd(code, self._outcome_currency)
        except Unanswered as error:
            return NoAnswer(str(error), is_outage=error.is_outage)
        except NotUnderstood as error:
            return NoAnswer(f"unreadable: {error}")
        # Dollars × percent are cents; rounded up, so that what we let through is enough.
        return Money(ceil(Fraction(dollars) * (100 + self._minimum_margin_percent)), USD)
