"""Minimums and values in dollars, and where the client may be pointed at."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpcore
import httpx
import pytest
import respx

from payops.deposits.domain.invoices import Checkout
from payops.deposits.ports import Coin, CryptoProvider, NoAnswer
from payops.infra.http import HttpClient
from payops.kernel.money import USD, Money
from payops.providers.nowpayments.adapter import NowPayments
from payops.providers.nowpayments.canonical import Number
from payops.providers.nowpayments.client import NowPaymentsClient
from payops.providers.nowpayments.notifications import NowPaymentsNotifications
from payops.webhooks.ports import WebhookSource
from tests.providers.nowpayments.bodies import body_of
from tests.providers.nowpayments.conftest import AT_ONCE, BASE_URL

BTC = Coin("BTC", "bitcoin", 8)
LEAST: dict[str, Any] = {
    "currency_from": "btc",
    "currency_to": "usdttrc20",
    "min_amount": 0.0001,
    "fiat_equivalent": 9.5,
}
WORTH: dict[str, Any] = {
    "currency_from": "btc",
    "amount_from": 0.5,
    "currency_to": "usd",
    "estimated_amount": 47_500.25,
}


def reply(content: dict[str, Any]) -> httpx.Response:
    return httpx.Response(200, content=body_of(content))


async def minimum(provider: NowPayments) -> Money | NoAnswer:
    return await provider.minimum(BTC, Checkout.ADDRESS)


async def test_a_minimum_is_asked_for_with_the_coin_we_are_settled_in(
    network: respx.Router, provider: NowPayments
) -> None:
    """Without it, floors come out wrong in both directions."""
    route = network.get("/min-amount").mock(return_value=reply(LEAST))

    await minimum(provider)

    assert {
        "currency_from": "btc",
        "currency_to": "usdttrc20",
        "fiat_equivalent": "usd",
    } == dict(route.calls.last.request.url.params)


async def test_without_a_known_outcome_the_account_decides(
    network: respx.Router, client: NowPaymentsClient
) -> None:
    """Then the provider picks the coin."""
    provider = NowPayments(client, NowPaymentsNotifications(()), public_url="https://x.test")
    route = network.get("/min-amount").mock(return_value=reply(LEAST))

    await minimum(provider)

    assert "currency_to" not in route.calls.last.request.url.params


MINIMUMS: dict[str, tuple[dict[str, Any], Money | NoAnswer]] = {
    "five percent on top": (LEAST, Money(998, USD)),
    "rounded up": (LEAST | {"fiat_equivalent": Number("0.0001")}, Money(1, USD)),
    "as a text": (LEAST | {"fiat_equivalent": "9.5"}, Money(998, USD)),
    "none": (LEAST | {"fiat_equivalent": 0}, Money(0, USD)),
    "about another coin": (
        LEAST | {"currency_from": "eth"},
        NoAnswer("unreadable: currency_from"),
    ),
    "negative": (LEAST | {"fiat_equivalent": -1}, NoAnswer("unreadable: fiat_equivalent")),
    "nothing": ({}, NoAnswer("unreadable: min_amount")),
}


@pytest.mark.parametrize(("content", "expected"), MINIMUMS.values(), ids=MINIMUMS)
async def test_a_minimum_is_in_dollars_with_a_margin(
    network: respx.Router,
    provider: NowPayments,
    content: dict[str, Any],
    expected: Money | NoAnswer,
) -> None:
    """Rounded up: what we let through must be enough when it is paid."""
    network.get("/min-amount").mock(return_value=reply(content))

    assert expected == await minimum(provider)


async def test_where_no_worth_is_given_it_is_estimated(
    network: respx.Router, provider: NowPayments
) -> None:
    """From the least amount in coins."""
    content = {"currency_from": "btc", "min_amount": Number("1.5e-7")}
    network.get("/min-amount").mock(return_value=reply(content))
    route = network.get("/estimate").mock(return_value=reply(WORTH | {"estimated_amount": "2"}))

    assert Money(210, USD) == await minimum(provider)
    assert "0.00000015" == route.calls.last.request.url.params["amount"]


async def test_a_minimum_is_asked_for_once_a_minute(
    network: respx.Router, provider: NowPayments
) -> None:
    """For each coin of its own; both checkouts have the same."""
    route = network.get("/min-amount").mock(return_value=reply(LEAST))

    assert await minimum(provider) == await provider.minimum(BTC, Checkout.HOSTED)
    assert 1 == route.call_count

    await provider.minimum(Coin("ETH", "ethereum", 8), Checkout.ADDRESS)
    assert 2 == route.call_count


async def test_a_value_is_asked_for_in_dollars(
    network: respx.Router, provider: NowPayments
) -> None:
    """The amount without an exponent, which not every reader knows."""
    route = network.get("/estimate").mock(return_value=reply(WORTH))

    assert Decimal("47500.25") == await provider.usd_value("BTC", Decimal("5E-9"))
    assert {"amount": "0.000000005", "currency_from": "btc", "currency_to": "usd"} == dict(
        route.calls.last.request.url.params
    )


VALUES: dict[str, tuple[httpx.Response, Decimal | NoAnswer]] = {
    "a number": (reply(WORTH), Decimal("47500.25")),
    "a text": (reply(WORTH | {"estimated_amount": "0.1"}), Decimal("0.1")),
    "exact": (
        reply(WORTH | {"estimated_amount": Number("0.12345678901234567890")}),
        Decimal("0.12345678901234567890"),
    ),
    "little said": (reply({"estimated_amount": 1}), Decimal(1)),
    "of another coin": (
        reply(WORTH | {"currency_from": "eth"}),
        NoAnswer("unreadable: currency_from"),
    ),
    "in another currency": (
        reply(WORTH | {"currency_to": "eur"}),
        NoAnswer("unreadable: currency_to"),
    ),
    "nothing": (reply({}), NoAnswer("unreadable: estimated_amount")),
    "html": (httpx.Response(200, html="<p>"), NoAnswer("unreadable: not JSON")),
    "400": (httpx.Response(400, json={"status": False, "message": "no"}), NoAnswer("HTTP 400")),
    "500": (httpx.Response(500), NoAnswer("HTTP 500", is_outage=True)),
}


@pytest.mark.parametrize(("answer", "expected"), VALUES.values(), ids=VALUES)
async def test_a_value_is_a_number_or_no_answer(
    network: respx.Router,
    provider: NowPayments,
    answer: httpx.Response,
    expected: Decimal | NoAnswer,
) -> None:
    """Never a guess, because somebody is credited by it."""
    network.get("/estimate").mock(return_value=answer)

    assert expected == await provider.usd_value("BTC", Decimal("0.5"))


async def test_a_minimum_that_cannot_be_had_is_no_answer(
    network: respx.Router, provider: NowPayments
) -> None:
    """An outage is told apart from an answer that cannot be read."""
    network.get("/min-amount").mock(side_effect=httpcore.ConnectError(""))

    assert NoAnswer("ConnectError", is_outage=True) == await minimum(provider)


async def test_patience_ends_before_the_number_of_tries(network: respx.Router) -> None:
    """A caller who waited for one time-out does not wait for two more."""
    async with HttpClient(timeout_seconds=5) as http:
        client = NowPaymentsClient(
            http,
            base_url=BASE_URL,
            api_key="k",
            questions=AT_ONCE,
            patience=timedelta(),
        )
        provider = NowPayments(client, NowPaymentsNotifications(()), public_url="https://x.test")
        route = network.get("/estimate").mock(return_value=httpx.Response(503))

        await provider.usd_value("BTC", Decimal(1))

    assert 1 == route.call_count


@pytest.mark.parametrize(
    "base_url",
    [
        "https://api.nowpayments.io",
        "https://api.nowpayments.io/v1/payment",
        "https://user:secret@api.nowpayments.io/v1",
        "ftp://api.nowpayments.io/v1",
        "api.nowpayments.io/v1",
    ],
)
async def test_an_address_that_cannot_be_is_refused_at_start(base_url: str) -> None:
    """Without the version every call would be a 404; the text repeats nothing."""
    async with HttpClient(timeout_seconds=5) as http:
        with pytest.raises(ValueError, match="URL") as caught:
            NowPaymentsClient(http, base_url=base_url, api_key="k")

    assert "secret" not in str(caught.value)


async def test_a_key_that_cannot_be_sent_is_refused_at_start() -> None:
    """A line break in it, most likely from a file; the text does not repeat it."""
    async with HttpClient(timeout_seconds=5) as http:
        with pytest.raises(ValueError, match="header") as caught:
            NowPaymentsClient(http, base_url=BASE_URL, api_key="np_key\n")

    assert "np_key" not in str(caught.value)


def test_it_is_a_provider_of_deposits(provider: NowPayments) -> None:
    """As deposits want one, and with a source of notifications of the same name."""
    deposits: CryptoProvider = provider
    source: WebhookSource = deposits.notifications

    assert ("nowpayments", "nowpayments") == (deposits.name, source.name)
    assert frozenset(Checkout) == deposits.checkouts
