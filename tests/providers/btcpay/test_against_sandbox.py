"""Adapter and sandbox, written apart from each other, over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from payops.deposits.addresses.networks import validate
from payops.deposits.domain.invoices import Checkout
from payops.deposits.domain.states import State
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
    Reason,
    Refused,
    Snapshot,
)
from payops.infra.http import HttpClient
from payops.kernel.money import USD, Money
from payops.providers.btcpay.adapter import COINS, BtcPay
from payops.providers.btcpay.client import BtcPayClient
from payops.providers.btcpay.notifications import BtcPayNotifications
from payops.sandbox import Running, price_of, running
from tests.providers.sandbox.crypto import SETTINGS, STORE, TOKEN, WEBHOOK_SECRET
from tests.providers.sandbox.support import Inbox

ORDER_ID = "inv_01jd7r8000e00r0000000000g1"
BTC = COINS["BTC"]


class Shop:
    """Our adapter, a sandbox, and whoever the sandbox notifies."""

    def __init__(self, sandbox: Running, inbox: Inbox, http: HttpClient) -> None:
        self._sandbox = sandbox
        self._http = http
        self._inbox = inbox
        self.notifications = BtcPayNotifications((WEBHOOK_SECRET.encode(),))
        self.provider = self.provider_with(TOKEN)

    def provider_with(self, api_key: str, url: str | None = None) -> BtcPay:
        client = BtcPayClient(
            self._http, base_url=url or self._sandbox.btcpay_url, store_id=STORE, api_key=api_key
        )
        return BtcPay(client, self.notifications, public_url="http://shop.test", coins=COINS)

    async def opens(
        self, script: str = "01", *, coin: Coin | None = BTC, checkout: Checkout = Checkout.ADDRESS
    ) -> OpenAnswer:
        price = Money.parse(f"{price_of(script)}", USD)
        return await self.provider.open(Intent(ORDER_ID, price, coin, checkout))

    async def sees(self, script: str) -> Snapshot:
        """The invoice of ``script`` once it has taken its course."""
        opened = await self.opens(script)
        assert isinstance(opened, Opened), opened
        await self.quiet()
        seen = await self.provider.read(opened.reference)
        assert isinstance(seen, Snapshot), seen
        return seen

    async def quiet(self) -> None:
        async with asyncio.timeout(10):
            while (await self._book())["underWay"]:
                await asyncio.sleep(0.002)

    async def _book(self) -> dict[str, Any]:
        reply = await self._http.request("GET", f"{self._sandbox.control_url}/btcpay/book")
        content: dict[str, Any] = json.loads(reply.body)
        return content

    @property
    def hints(self) -> list[str]:
        """Which invoice each authentic notification is about, in order."""
        return [
            self.notifications.read(None, delivery.body).reference
            for delivery in self._inbox.deliveries
            if self.notifications.is_authentic(
                {name.lower(): value for name, value in delivery.headers.items()}, delivery.body
            )
        ]


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    inbox = Inbox()
    async with inbox.listening(), HttpClient(timeout_seconds=1) as http:
        store = replace(SETTINGS.btcpay, webhook_url=f"{inbox.url}/webhooks/btcpay")
        async with running(replace(SETTINGS, btcpay=store)) as sandbox:
            yield Shop(sandbox, inbox, http)


ENDS = {
    "01": (State.FINISHED, "Settled", [("1", True)]),
    "02": (State.PARTIALLY_PAID, "Expired/PaidPartial", [("0.6", True)]),
    "03": (State.FINISHED, "Settled/PaidOver", [("1.5", True)]),
    "04": (State.FINISHED, "Expired/PaidLate", [("1", True)]),
    "05": (State.FINISHED, "Settled", [("0.5", True), ("0.5", True)]),
    "06": (State.FAILED, "Invalid", [("1", False)]),
    "07": (State.FINISHED, "Settled/Marked", []),
    "18": (State.FAILED, "Invalid", [("1", True)]),
    "19": (State.FINISHED, "Settled", [("1", True)]),
    "20": (State.EXPIRED, "Expired", []),
    "21": (State.FINISHED, "Expired/PaidLate", [("0.6", True), ("0.4", True)]),
    "22": (State.FINISHED, "Settled/Marked", [("0.6", True)]),
    "25": (State.WAITING, "New", []),
}


@pytest.mark.parametrize(("script", "end"), ENDS.items())
async def test_every_course_of_an_invoice_is_read_as_what_it_is(
    shop: Shop, script: str, end: tuple[State, str, list[tuple[str, bool]]]
) -> None:
    """What arrived, in shares of what was asked for, and which word stands for it."""
    seen = await shop.sees(script)

    asked = seen.pay_amount
    assert asked
    shares = [(_share(one.amount, asked), one.is_settled) for one in seen.arrivals]
    assert end == (seen.state, seen.provider_status, shares)
    assert ("Marked" in seen.provider_status) == ("marked_by_hand" in seen.flags)
    assert len(seen.arrivals) == len({arrival.reference for arrival in seen.arrivals})


def _share(amount: Decimal, asked: Decimal) -> str:
    """Rounded, because a share of a coin has eight decimals."""
    return f"{(amount / asked).quantize(Decimal('0.01')).normalize():f}"


async def test_what_came_after_the_end_is_late(shop: Shop) -> None:
    """So that the quote is not taken for it."""
    assert [True] == [arrival.is_late for arrival in (await shop.sees("04")).arrivals]
    assert [False] == [arrival.is_late for arrival in (await shop.sees("01")).arrivals]


async def test_an_address_can_be_shown(shop: Shop) -> None:
    """It fits its network, and what was repeated is what was asked for."""
    for coin in COINS.values():
        opened = await shop.opens("09", coin=coin)

        assert isinstance(opened, Opened), opened
        assert validate(coin.network, opened.address or "").is_valid
        assert (coin.code, ORDER_ID, Money.parse("99.09", USD)) == (
            opened.coin,
            opened.order_id,
            opened.price,
        )
        assert opened.pay_amount
        assert opened.quote_expires_at
        seen = await shop.provider.read(opened.reference)
        assert isinstance(seen, Snapshot)
        assert (opened.address, opened.pay_amount, opened.quote_expires_at) == (
            seen.address,
            seen.pay_amount,
            seen.quote_expires_at,
        )


async def test_a_page_can_be_read_back_as_a_payment(shop: Shop) -> None:
    """The page is the invoice; with several coins on it there is no single quote."""
    opened = await shop.opens("01", coin=None, checkout=Checkout.HOSTED)
    assert isinstance(opened, Opened), opened
    await shop.quiet()

    seen = await shop.provider.read(opened.reference)

    assert opened.url
    assert isinstance(seen, Snapshot)
    assert (State.FINISHED, None) == (seen.state, seen.pay_amount)
    assert ["BTC"] == [arrival.coin for arrival in seen.arrivals]


ANSWERS: dict[str, OpenAnswer] = {
    "12": AnswerLost("RemoteProtocolError"),
    "13": AnswerLost("HTTP 500"),
    "14": AnswerLost("HTTP 200, unreadable: not JSON"),
    "15": AnswerLost("TimeoutError"),
    "17": AnswerLost("opened, address not read: HTTP 500"),
    "23": Refused(Reason.COIN_UNAVAILABLE, "checkout.paymentMethods", "Invalid payment method"),
}


@pytest.mark.parametrize(("script", "expected"), ANSWERS.items())
async def test_every_fault_of_an_answer_is_seen_as_one(
    shop: Shop, script: str, expected: OpenAnswer
) -> None:
    """Lost, broken, slow, half, and refused."""
    assert expected == await shop.opens(script)


async def test_a_read_that_fails_is_answered_later(shop: Shop) -> None:
    """Three errors, then the truth."""
    opened = await shop.opens("16")
    assert isinstance(opened, Opened)
    await shop.quiet()

    answers = [await shop.provider.read(opened.reference) for _ in range(4)]

    assert [NoAnswer("HTTP 500", is_outage=True)] * 3 == answers[:3]
    assert isinstance(answers[3], Snapshot)


async def test_genuine_notifications_are_taken_and_others_not(shop: Shop) -> None:
    """Forged and unsigned ones are nobody's; copies and false words are hints like any other."""
    genuine = {}
    for script in ("01", "08", "10", "11", "24", "25"):
        opened = await shop.opens(script)
        assert isinstance(opened, Opened)
        await shop.quiet()
        genuine[script] = shop.hints.count(opened.reference)

    # Created, received, processing, payment settled, settled; only the first where nobody pays.
    assert {"01": 5, "08": 0, "10": 5, "11": 15, "24": 1, "25": 2} == genuine


async def test_an_invoice_that_is_not_there_is_not_known(shop: Shop) -> None:
    """The server says so itself."""
    assert NotKnown() == await shop.provider.read("nothing")


async def test_a_wrong_key_is_noticed(shop: Shop) -> None:
    """Asked for an invoice it is our credential; asked a question there is no answer."""
    stranger = shop.provider_with("wrong")
    intent = Intent(ORDER_ID, Money(2500, USD), BTC, Checkout.ADDRESS)

    assert CredentialRefused("HTTP 401") == await stranger.open(intent)
    assert NoAnswer("HTTP 401") == await stranger.read("nothing")


async def test_a_server_that_is_away_was_never_asked(shop: Shop) -> None:
    """Nothing listens there, so nothing was written."""
    away = shop.provider_with(TOKEN, "http://127.0.0.1:9/api/v1")
    intent = Intent(ORDER_ID, Money(2500, USD), BTC, Checkout.ADDRESS)

    assert NotDelivered("ConnectError") == await away.open(intent)


async def test_coins_have_a_value_in_dollars(shop: Shop) -> None:
    """By the store's rates."""
    value = await shop.provider.usd_value("BTC", Decimal("0.5"))

    assert isinstance(value, Decimal)
    assert value > 0
