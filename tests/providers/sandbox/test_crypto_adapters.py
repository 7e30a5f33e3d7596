"""The product's adapters and the sandbox, written apart from each other, over real sockets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal

import pytest

from payops.deposits.domain.invoices import Checkout
from payops.deposits.ports import CryptoProvider, Intent, NoAnswer, OpenAnswer, Opened, Snapshot
from payops.infra.http import HttpClient
from payops.kernel.money import USD, Money
from payops.providers.btcpay.adapter import BtcPay
from payops.providers.btcpay.client import BtcPayClient
from payops.providers.btcpay.notifications import BtcPayNotifications
from payops.providers.nowpayments.adapter import NowPayments
from payops.providers.nowpayments.client import NowPaymentsClient
from payops.providers.nowpayments.notifications import NowPaymentsNotifications
from payops.sandbox import price_of
from payops.webhooks.ports import Unreadable
from tests.providers.sandbox.crypto import (
    API_KEY,
    IPN_SECRET,
    PATIENCE_SECONDS,
    STORE,
    TOKEN,
    WEBHOOK_SECRET,
    Shop,
    shop_of,
)


@dataclass(frozen=True, slots=True)
class Customer:
    """A product that uses both providers, and the shop whose inbox it reads."""

    shop: Shop
    nowpayments: NowPayments
    btcpay: BtcPay

    async def open(
        self,
        provider: CryptoProvider,
        script: str,
        *,
        coin: str = "BTC",
        checkout: Checkout = Checkout.ADDRESS,
    ) -> OpenAnswer:
        coins = await provider.coins()
        assert not isinstance(coins, NoAnswer)
        price = Money.parse(str(price_of(script)), USD)
        return await provider.open(Intent("inv_1", price, coins[coin], checkout))


@asynccontextmanager
async def customer_of(shop: Shop) -> AsyncIterator[Customer]:
    base = str(shop.http.base_url).rstrip("/")
    async with HttpClient(timeout_seconds=PATIENCE_SECONDS) as http:
        nowpayments = NowPaymentsClient(http, base_url=f"{base}/nowpayments/v1", api_key=API_KEY)
        btcpay = BtcPayClient(http, base_url=f"{base}/btcpay/api/v1", store_id=STORE, api_key=TOKEN)
        yield Customer(
            shop,
            NowPayments(
                nowpayments,
                NowPaymentsNotifications((IPN_SECRET.encode(),)),
                public_url=shop.inbox.url,
            ),
            BtcPay(
                btcpay,
                BtcPayNotifications((WEBHOOK_SECRET.encode(),)),
                public_url=shop.inbox.url,
                coins=("BTC", "LTC", "DOGE"),
            ),
        )


@pytest.fixture
async def customer() -> AsyncIterator[Customer]:
    async with shop_of() as shop, customer_of(shop) as customer:
        yield customer


async def test_every_coin_of_the_sandbox_is_one_of_the_products(customer: Customer) -> None:
    """
    No record differs from what the product has written down for the coin.
    """
    coins = await customer.nowpayments.coins()

    assert not isinstance(coins, NoAnswer)
    assert {} == customer.nowpayments.catalogue.differing
    listed = (await customer.shop.get("currencies")).json()["currencies"]
    assert {code.upper() for code in listed} == set(coins)


@pytest.mark.parametrize(
    ("script", "answer", "state", "arrived"),
    [
        ("01", "Opened", "finished", "1"),
        ("04", "Opened", "partially_paid", "0.6"),
        ("05", "Opened", "finished", "1.5"),
        ("09", "Opened", "finished", "1"),
        ("12", "AnswerLost", None, None),
        ("14", "AnswerLost", None, None),
        ("15", "AnswerLost", None, None),
        ("16", "AnswerLost", None, None),
        ("19", "Opened", "failed", "0.01"),
        ("20", "Opened", "refunded", "1"),
        ("22", "Opened", None, "1"),
        ("29", "Refused", None, None),
        ("30", "Refused", None, None),
        ("33", "Opened", "expired", None),
        ("35", "Opened", "partially_paid", "0.6"),
        ("38", "CredentialRefused", None, None),
        ("40", "AnswerLost", None, None),
        ("49", "Opened", "finished", "1"),
    ],
)
async def test_a_payment_reads_as_it_was_played(
    customer: Customer, script: str, answer: str, state: str | None, arrived: str | None
) -> None:
    """
    What the adapter makes of answer and payment, and every notification is authentic and read.
    """
    opened = await customer.open(customer.nowpayments, script)
    await customer.shop.quiet_book()

    assert answer == type(opened).__name__
    for delivery in customer.shop.inbox.deliveries:
        assert customer.nowpayments.notifications.is_authentic(delivery.headers, delivery.body)
        customer.nowpayments.notifications.read(None, delivery.body)
    if not isinstance(opened, Opened):
        return
    snapshot = await customer.nowpayments.read(opened.reference)
    assert isinstance(snapshot, Snapshot)
    assert opened.pay_amount is not None
    assert (state, "inv_1", opened.address, opened.pay_amount) == (
        *(snapshot.state, snapshot.order_id, snapshot.address, snapshot.pay_amount),
    )
    received = sum((one.amount for one in snapshot.arrivals), Decimal(0)) / opened.pay_amount
    assert Decimal(arrived or 0) == round(received, 4)


async def test_a_forged_and_a_respelled_notification_are_turned_away(customer: Customer) -> None:
    """
    Scripts 10, 37 and 24: two are not authentic, two are but cannot be read.
    """
    for script in ("10", "37", "24"):
        await customer.open(customer.nowpayments, script)
    await customer.shop.quiet_book()

    source = customer.nowpayments.notifications
    forged, unreadable = 0, 0
    for delivery in customer.shop.inbox.deliveries:
        if not source.is_authentic(delivery.headers, delivery.body):
            forged += 1
            continue
        try:
            source.read(None, delivery.body)
        except Unreadable:
            unreadable += 1
    assert (2, 2) == (forged, unreadable)


async def test_a_page_is_opened_and_its_payment_read(customer: Customer) -> None:
    """
    Hosted checkout: an address for the browser, then a payment that names the page.
    """
    opened = await customer.open(customer.nowpayments, "01", checkout=Checkout.HOSTED)
    assert isinstance(opened, Opened)
    path = f"nowpayments/invoices/{opened.reference}/pay"
    paid = (await customer.shop.control(path, coin="eth")).json()
    await customer.shop.quiet_book()

    snapshot = await customer.nowpayments.read(paid["paymentId"])
    assert isinstance(snapshot, Snapshot)
    assert ("finished", opened.reference, "ETH") == (
        *(snapshot.state, snapshot.hosted_reference, snapshot.coin),
    )
    assert opened.url is not None
    assert 200 == (await customer.shop.http.get(opened.url)).status_code


async def test_minimum_and_value_are_told(customer: Customer) -> None:
    """
    A dollar and a margin; coins are worth what the small world has them at.
    """
    coins = await customer.nowpayments.coins()
    assert not isinstance(coins, NoAnswer)

    minimum = await customer.nowpayments.minimum(coins["BTC"], Checkout.ADDRESS)
    worth = await customer.nowpayments.usd_value("ETH", Decimal(2))

    assert isinstance(minimum, Money)
    assert 100 <= minimum.minor <= 110
    assert Decimal(6_400) == worth
    assert Decimal(64_000) == await customer.btcpay.usd_value("BTC", Decimal(1))


@pytest.mark.parametrize(
    ("script", "answer", "state", "arrivals"),
    [
        ("01", "Opened", "finished", 1),
        ("02", "Opened", "partially_paid", 1),
        ("04", "Opened", "finished", 1),
        ("05", "Opened", "finished", 2),
        ("06", "Opened", "failed", 1),
        ("07", "Opened", "finished", 0),
        ("09", "Opened", "waiting", 0),
        ("12", "AnswerLost", None, 0),
        ("13", "AnswerLost", None, 0),
        ("14", "AnswerLost", None, 0),
        ("15", "AnswerLost", None, 0),
        ("17", "AnswerLost", None, 0),
        ("19", "Opened", "finished", 1),
        ("20", "Opened", "expired", 0),
        ("23", "Refused", None, 0),
    ],
)
async def test_an_invoice_reads_as_it_was_played(
    customer: Customer, script: str, answer: str, state: str | None, arrivals: int
) -> None:
    """
    What the adapter makes of answer and invoice, and every event is authentic and read.
    """
    opened = await customer.open(customer.btcpay, script)
    await customer.shop.quiet_book("btcpay")

    assert answer == type(opened).__name__
    for delivery in customer.shop.inbox.deliveries:
        headers = {name.lower(): value for name, value in delivery.headers.items()}
        assert customer.btcpay.notifications.is_authentic(headers, delivery.body)
        customer.btcpay.notifications.read(None, delivery.body)
    if not isinstance(opened, Opened):
        return
    snapshot = await customer.btcpay.read(opened.reference)
    assert isinstance(snapshot, Snapshot)
    assert (state, opened.address, arrivals) == (
        *(snapshot.state, snapshot.address, len(snapshot.arrivals)),
    )
    assert ("marked_by_hand" in snapshot.flags) == (script == "07")
