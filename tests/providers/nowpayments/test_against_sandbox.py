"""Adapter and sandbox, written apart from each other, over real sockets."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import httpx
import pytest

from payops.deposits.addresses import networks
from payops.deposits.domain.invoices import Checkout, order_id
from payops.deposits.domain.states import State
from payops.deposits.ports import (
    AnswerLost,
    Arrival,
    CredentialRefused,
    Intent,
    NoAnswer,
    Notice,
    NotKnown,
    OpenAnswer,
    Opened,
    Reason,
    Refused,
    Snapshot,
)
from payops.infra.http import HttpClient
from payops.kernel.ids import new_id
from payops.kernel.money import USD, Money
from payops.providers.nowpayments.adapter import NowPayments
from payops.providers.nowpayments.client import NowPaymentsClient
from payops.providers.nowpayments.notifications import NowPaymentsNotifications
from payops.sandbox import Delays, Running, Settings, running
from payops.sandbox import NowPayments as Account
from payops.webhooks.ports import Unreadable
from tests.providers.nowpayments.conftest import AT_ONCE
from tests.providers.sandbox.support import Inbox
from tests.support.waiting import eventually

SETTINGS = Settings(
    delays=Delays(reply_ms=0, callback_ms=5, jitter_ms=0, between_callbacks_ms=5, step_ms=5),
    nowpayments=Account(ipn_secret="sandbox-secret", outcome_coin="usdttrc20"),
)
PRICE = Money(5_000, USD)


@dataclass(frozen=True, slots=True)
class Shop:
    """One merchant with an address of its own, and one sandbox."""

    inbox: Inbox
    sandbox: Running
    http: HttpClient
    control: httpx.AsyncClient

    def provider(self, *, api_key: str = "np_test_sandbox") -> NowPayments:
        client = NowPaymentsClient(
            self.http, base_url=self.sandbox.nowpayments_url, api_key=api_key, questions=AT_ONCE
        )
        return NowPayments(
            client,
            NowPaymentsNotifications((b"sandbox-secret",)),
            public_url=self.inbox.url,
            outcome_currency="usdttrc20",
        )

    async def opens(self, script: str, *, code: str = "ETH") -> OpenAnswer:
        provider = self.provider()
        coins = await provider.coins()
        assert not isinstance(coins, NoAnswer)
        await self.plays(script)
        return await provider.open(intent(provider, code))

    async def plays(self, script: str) -> None:
        """``script`` is what happens to the next payment."""
        reply = await self.control.post("/script", json={"script": script})
        assert 200 == reply.status_code, reply.text

    async def book(self) -> dict[str, Any]:
        book: dict[str, Any] = (await self.control.get("/book")).json()
        return book

    async def is_quiet(self) -> None:
        """Every payment has run its course."""

        async def quiet() -> bool:
            return not (await self.book())["underWay"]

        await eventually(quiet)

    def notices(self) -> list[tuple[bool, Notice | None]]:
        """Each notification in order: whether it is authentic, and what it says, if anything."""
        source = self.provider().notifications
        return [
            (
                source.is_authentic(
                    {name.lower(): value for name, value in one.headers.items()}, one.body
                ),
                notice_of(one.body),
            )
            for one in self.inbox.deliveries
        ]


def notice_of(body: bytes) -> Notice | None:
    try:
        return NowPaymentsNotifications(()).read(None, body)
    except Unreadable:
        return None


def intent(
    provider: NowPayments, code: str | None = "ETH", checkout: Checkout = Checkout.ADDRESS
) -> Intent:
    coin = provider.known_coin(code) if code else None
    return Intent(order_id(new_id(), 1), PRICE, coin, checkout)


def bare(arrival: Arrival) -> Arrival:
    """Without what only one of the two sources says."""
    return replace(arrival, fee_coin=None, fee_amount=None, chain_hash=None)


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    inbox = Inbox()
    async with (
        inbox.listening(),
        running(SETTINGS) as sandbox,
        HttpClient(timeout_seconds=5) as http,
        httpx.AsyncClient(base_url=f"{sandbox.control_url}/nowpayments") as control,
    ):
        yield Shop(inbox, sandbox, http, control)


async def test_every_coin_of_the_sandbox_is_offered(shop: Shop) -> None:
    """Networks, contracts and decimals were written down twice and agree."""
    provider = shop.provider()
    coins = await provider.coins()

    assert not isinstance(coins, NoAnswer)
    assert {} == provider.catalogue.differing
    assert {"BTC", "ETH", "USDC", "DAI", "USDTTRC20", "XRP"} <= set(coins)
    assert [coin for coin in coins.values() if coin.has_memo] == [coins["XRP"], coins["XLM"]]


async def test_every_coin_can_be_opened_priced_and_read_back(shop: Shop) -> None:
    """The address fits the network, and read back all is as it was given."""
    provider = shop.provider()
    coins = await provider.coins()
    assert not isinstance(coins, NoAnswer)
    for coin in coins.values():
        asked = intent(provider, coin.code)
        opened = await provider.open(asked)
        assert isinstance(opened, Opened), coin
        read = await provider.read(opened.reference)
        assert isinstance(read, Snapshot)
        assert opened.address
        assert networks.validate(coin.network, opened.address).is_valid, coin
        assert coin.has_memo == bool(opened.memo)
        assert (coin.code, coin.network) == (opened.coin, opened.network)
        assert (PRICE, asked.order_id) == (opened.price, opened.order_id)
        assert opened.quote_expires_at
        for name in ("coin", "address", "memo", "pay_amount", "price", "order_id"):
            assert getattr(opened, name) == getattr(read, name), (coin, name)
        minimum = await provider.minimum(coin, Checkout.ADDRESS)
        assert isinstance(minimum, Money)
        assert 0 < minimum.minor < 2_000
        worth = await provider.usd_value(coin.code, opened.pay_amount or Decimal())
        assert isinstance(worth, Decimal)
        assert abs(worth - 50) < 1


OPENINGS: dict[str, type[OpenAnswer] | OpenAnswer] = {
    "straight": Opened,
    "told-first": Opened,
    "bad-address": Opened,
    "unreadable": AnswerLost("HTTP 200, not JSON"),
    "reply-lost": AnswerLost("RemoteProtocolError"),
    "request-lost": AnswerLost("RemoteProtocolError"),
    "error": AnswerLost("HTTP 500"),
    "error-after": AnswerLost("HTTP 500"),
    "rate-limited": AnswerLost("HTTP 429"),
    "unauthorized": CredentialRefused("HTTP 401"),
    "currency-unavailable": Refused(
        Reason.COIN_UNAVAILABLE, "CURRENCY_UNAVAILABLE", "Currency is unavailable"
    ),
    "amount-minimal": Refused(
        Reason.BELOW_MINIMUM, "AMOUNT_MINIMAL_ERROR", "Crypto amount is less than minimal"
    ),
}


@pytest.mark.parametrize(("script", "expected"), OPENINGS.items(), ids=OPENINGS)
async def test_each_script_gets_its_first_answer(
    shop: Shop, script: str, expected: type[OpenAnswer] | OpenAnswer
) -> None:
    """A refusal that was read, an address, or doubt."""
    answer = await shop.opens(script)

    assert isinstance(answer, expected) if isinstance(expected, type) else expected == answer


async def test_a_wrong_key_is_refused(shop: Shop) -> None:
    """It is our fault, not the payer's."""
    provider = shop.provider(api_key="np_test_other")

    assert CredentialRefused("HTTP 403") == await provider.open(intent(provider))
    assert isinstance(await provider.coins(), NoAnswer)


LIVES: dict[str, tuple[State | None, str]] = {
    "straight": (State.FINISHED, "1"),
    "out-of-order": (State.FINISHED, "1"),
    "duplicate": (State.FINISHED, "1"),
    "partial": (State.PARTIALLY_PAID, "0.6"),
    "over": (State.FINISHED, "1.5"),
    "late": (State.FINISHED, "1"),
    "pushed": (State.FINISHED, "1"),
    "at-once": (State.FINISHED, "1"),
    "without-fee": (State.FINISHED, "1"),
    "partial-finished": (State.FINISHED, "0.6"),
    "partial-cancelled": (State.PARTIALLY_PAID, "0.6"),
    "refunded": (State.REFUNDED, "1"),
    "below-minimum": (State.FAILED, "0.01"),
    "unknown-word": (None, "1"),
    "stuck": (State.CONFIRMING, "1"),
    "failed": (State.FAILED, "0"),
    "expired": (State.EXPIRED, "0"),
    "unpaid": (State.WAITING, "0"),
    "false-word": (State.WAITING, "0"),
}


@pytest.mark.parametrize(("script", "end"), LIVES.items(), ids=LIVES)
async def test_each_life_is_read_back_as_it_ended(
    shop: Shop, script: str, end: tuple[State | None, str]
) -> None:
    """State and arrival as the provider's own book has them; every notification is authentic."""
    opened = await shop.opens(script)
    assert isinstance(opened, Opened)
    await shop.is_quiet()
    read = await shop.provider().read(opened.reference)
    assert isinstance(read, Snapshot)
    [booked] = (await shop.book())["payments"]

    state, share = end
    settled = state in {State.FINISHED, State.PARTIALLY_PAID}
    arrived = [(one.amount, one.is_settled) for one in read.arrivals]
    assert state == read.state
    assert ([(Decimal(booked["received"]), settled)] if Decimal(share) else []) == arrived
    for is_authentic, notice in shop.notices():
        assert is_authentic
        assert notice
        assert opened.reference == notice.reference


async def test_the_last_notification_claims_what_is_read_back(shop: Shop) -> None:
    """But for the fee, which the answer to a question does not have, and what only it has: the
    chain's hash, and when the payment was made.
    """
    opened = await shop.opens("straight")
    assert isinstance(opened, Opened)
    await shop.is_quiet()
    read = await shop.provider().read(opened.reference)
    notice = shop.notices()[-1][1]
    assert isinstance(read, Snapshot)
    assert notice
    assert notice.claimed
    [claimed], [arrived] = notice.claimed.arrivals, read.arrivals

    assert claimed.fee_amount
    assert read.opened_at
    assert replace(notice.claimed, arrivals=()) == replace(read, arrivals=(), opened_at=None)
    assert bare(claimed) == bare(arrived)


@pytest.mark.parametrize("script", ["forged", "unsigned"])
async def test_forged_notifications_are_not_authentic(shop: Shop, script: str) -> None:
    """The first says finished before anything arrived."""
    await shop.opens(script)
    await eventually(shop.notices)

    is_authentic, notice = shop.notices()[0]
    assert not is_authentic
    assert notice
    assert notice.claimed
    assert State.FINISHED == notice.claimed.state


async def test_respelled_replays_are_authentic_and_unreadable(shop: Shop) -> None:
    """The same payment under another id would be credited twice."""
    await shop.opens("respelled")
    await shop.is_quiet()

    assert [(True, None)] * 2 == shop.notices()[-2:]
    assert None not in [notice for _, notice in shop.notices()[:-2]]


@pytest.mark.parametrize(("script", "is_known"), [("repeated", True), ("child-unknown", False)])
async def test_a_repeated_deposit_is_a_payment_of_its_own(
    shop: Shop, script: str, *, is_known: bool
) -> None:
    """It names its parent, and the parent names it, if the provider knows it at all."""
    opened = await shop.opens(script)
    assert isinstance(opened, Opened)
    await shop.is_quiet()
    provider = shop.provider()
    parent = await provider.read(opened.reference)
    last = shop.notices()[-1][1]
    assert isinstance(parent, Snapshot)
    assert last
    assert last.claimed
    child = await provider.read(last.reference)

    assert (opened.reference, opened.price) == (last.claimed.parent_reference, last.claimed.price)
    assert State.PARTIALLY_PAID == last.claimed.state
    assert (last.reference,) == parent.children
    assert is_known == isinstance(child, Snapshot)
    assert is_known or isinstance(child, NotKnown)


async def test_a_wrong_asset_names_the_other_coin_and_is_flagged(shop: Shop) -> None:
    """And is not settled."""
    opened = await shop.opens("wrong-asset")
    assert isinstance(opened, Opened)
    await shop.is_quiet()
    read = await shop.provider().read(opened.reference)
    assert isinstance(read, Snapshot)

    assert (State.CONFIRMED, frozenset({"wrong_asset"})) == (read.state, read.flags)
    assert opened.coin not in {one.coin for one in read.arrivals}
    assert [False] == [one.is_settled for one in read.arrivals]


@pytest.mark.parametrize(
    ("script", "answers"),
    [
        ("read-error", [NoAnswer, Snapshot]),
        ("read-unknown", [NotKnown, NotKnown, NotKnown, Snapshot]),
        ("read-error-always", [NoAnswer, NoAnswer]),
    ],
)
async def test_reading_back_fails_for_a_while(shop: Shop, script: str, answers: list[type]) -> None:
    """Errors are asked again at once, three times; not being known is an answer."""
    opened = await shop.opens(script)
    assert isinstance(opened, Opened)
    provider = shop.provider()

    assert answers == [type(await provider.read(opened.reference)) for _ in answers]


async def test_a_page_brings_payments_that_name_it(shop: Shop) -> None:
    """The payer picks a coin there; the payment has an id of its own."""
    provider = shop.provider()
    await provider.coins()
    opened = await provider.open(intent(provider, None, Checkout.HOSTED))
    assert isinstance(opened, Opened)
    assert opened.url
    assert opened.url.startswith(shop.sandbox.url)

    paid = await shop.control.post(f"/invoices/{opened.reference}/pay", json={"coin": "ltc"})
    assert 200 == paid.status_code, paid.text
    await shop.is_quiet()
    notice = shop.notices()[-1][1]
    assert notice
    read = await provider.read(notice.reference)

    assert isinstance(read, Snapshot)
    assert (opened.reference, opened.order_id) == (read.hosted_reference, read.order_id)
    assert (State.FINISHED, "LTC") == (read.state, read.coin)
