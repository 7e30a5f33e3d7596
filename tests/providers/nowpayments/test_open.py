"""What is asked when an invoice is made, and what each answer means."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpcore
import httpx
import pytest
import respx

from payops.deposits.domain.invoices import Checkout
from payops.deposits.domain.prices import OtherPrice
from payops.deposits.ports import (
    AnswerLost,
    Coin,
    CredentialRefused,
    Intent,
    NotDelivered,
    OpenAnswer,
    Opened,
    Reason,
    Refused,
)
from payops.kernel.money import USD, Money
from payops.providers.nowpayments.adapter import NowPayments
from payops.providers.nowpayments.canonical import Number
from tests.providers.nowpayments.bodies import ADDRESS, CREATED, ORDER_ID, body_of, without

ETH = Coin("ETH", "ethereum", 8)
XRP = Coin("XRP", "xrp", 6, has_memo=True)
PRICE = Money(10_050, USD)
ENVELOPE = {"status": False, "statusCode": 400, "code": "BAD_REQUEST", "message": "No"}
QUOTE_END = datetime(2026, 11, 22, 9, 20, 0, 742_000, tzinfo=UTC)
VALID_UNTIL = datetime(2026, 11, 29, 9, 0, 0, 742_000, tzinfo=UTC)

OPENED: dict[str, Any] = {
    "reference": "5745459419",
    "coin": "ETH",
    "pay_amount": Decimal("0.04763643"),
    "address": ADDRESS,
    "network": "ethereum",
    "quote_expires_at": QUOTE_END,
    "price": Money(10_000, USD),
    "order_id": ORDER_ID,
}

# In the answer about a page the price is a text, and no coin need be chosen.
PAGE: dict[str, Any] = {
    "id": "4522625843",
    "token_id": "1",
    "order_id": ORDER_ID,
    "order_description": "BETRIX deposit",
    "price_amount": "100.5",
    "price_currency": "usd",
    "pay_currency": None,
    "invoice_url": "https://nowpayments.io/payment/?iid=4522625843",
    "success_url": "https://payops.test/crypto/success",
    "payout_currency": "usdttrc20",
    "created_at": "2026-11-22T09:00:00.742Z",
    "is_fixed_rate": False,
    "is_fee_paid_by_user": False,
}


def intent(coin: Coin | None = ETH, checkout: Checkout = Checkout.ADDRESS) -> Intent:
    return Intent(ORDER_ID, PRICE, coin, checkout)


def created(**change: Any) -> httpx.Response:
    return httpx.Response(201, content=body_of(CREATED | change))


def refused(status: int, **change: Any) -> httpx.Response:
    return httpx.Response(status, json=ENVELOPE | {"statusCode": status} | change)


def opened(**change: Any) -> Opened:
    return Opened(**OPENED | change)


async def test_an_address_is_asked_for_with_the_price_and_nothing_personal(
    network: respx.Router, provider: NowPayments
) -> None:
    """An opaque order id in ASCII, the price as a JSON number with its own digits."""
    route = network.post("/payment").mock(return_value=created())

    await provider.open(intent())

    request = route.calls.last.request
    assert {
        "price_amount": Decimal("100.50"),
        "price_currency": "usd",
        "pay_currency": "eth",
        "order_id": ORDER_ID,
        "order_description": "BETRIX deposit",
        "ipn_callback_url": "https://payops.test/webhooks/nowpayments",
    } == json.loads(request.content, parse_float=Decimal)
    assert b'"price_amount": 100.50,' in request.content
    assert "np_test_key" == request.headers["x-api-key"]
    assert "application/json" == request.headers["content-type"]


async def test_a_page_is_asked_for_with_the_way_back(
    network: respx.Router, provider: NowPayments
) -> None:
    """Without a coin the payer picks one there."""
    route = network.post("/invoice").mock(return_value=httpx.Response(201, json=PAGE))

    await provider.open(intent(None, Checkout.HOSTED))

    assert {
        "price_amount": 100.5,
        "price_currency": "usd",
        "order_id": ORDER_ID,
        "order_description": "BETRIX deposit",
        "ipn_callback_url": "https://payops.test/webhooks/nowpayments",
        "success_url": "https://payops.test/crypto/success",
        "cancel_url": "https://payops.test/crypto/cancel",
    } == json.loads(route.calls.last.request.content)


async def test_a_page_may_be_for_one_coin(network: respx.Router, provider: NowPayments) -> None:
    """Then the provider is told which."""
    route = network.post("/invoice").mock(
        return_value=httpx.Response(201, json=PAGE | {"pay_currency": "eth"})
    )

    answer = await provider.open(intent(checkout=Checkout.HOSTED))

    assert "eth" == json.loads(route.calls.last.request.content)["pay_currency"]
    assert isinstance(answer, Opened)
    assert "ETH" == answer.coin


async def test_an_address_without_a_coin_is_a_mistake_of_ours(provider: NowPayments) -> None:
    """Nothing is asked."""
    with pytest.raises(ValueError, match="coin"):
        await provider.open(intent(None))


ANSWERS: dict[str, tuple[httpx.Response, OpenAnswer]] = {
    "opened": (created(), opened()),
    "a 200": (httpx.Response(200, content=body_of(CREATED)), opened()),
    "ids as numbers": (created(payment_id=5745459419), opened()),
    "amounts as texts": (created(pay_amount="0.04763643", price_amount="100"), opened()),
    "a tiny amount": (created(pay_amount=Number("1e-8")), opened(pay_amount=Decimal("1E-8"))),
    "no end of the quote": (
        created(expiration_estimate_date=None),
        opened(quote_expires_at=VALID_UNTIL),
    ),
    "no end at all": (
        created(expiration_estimate_date=None, valid_until=None),
        opened(quote_expires_at=None),
    ),
    "another price": (created(price_amount=99), opened(price=Money(9_900, USD))),
    "a price in another currency": (
        created(price_currency="jpy"),
        opened(price=OtherPrice(Decimal(100), "JPY")),
    ),
    "a price finer than a cent": (
        created(price_amount=Number("99.999")),
        opened(price=OtherPrice(Decimal("99.999"), "USD")),
    ),
    "no currency of the price": (
        created(price_currency=None),
        opened(price=None, left_out=frozenset({"price"})),
    ),
    "another order": (created(order_id="x"), opened(order_id="x")),
    "another coin": (created(pay_currency="trx"), opened(coin="TRX")),
    "another network": (created(network="bsc"), opened(network="bsc")),
    "a network we do not know": (created(network="New"), opened(network="new")),
    "little": (
        httpx.Response(
            201,
            content=body_of(
                without(
                    CREATED,
                    *("network", "order_id", "price_amount", "valid_until"),
                    "expiration_estimate_date",
                )
            ),
        ),
        opened(
            network=None,
            order_id=None,
            price=None,
            quote_expires_at=None,
            left_out=frozenset({"order", "price"}),
        ),
    ),
    "no id": (created(payment_id=None), AnswerLost("2xx, payment_id unreadable")),
    "an id that is none": (created(payment_id="5e9"), AnswerLost("2xx, payment_id unreadable")),
    "no address": (created(pay_address=None), AnswerLost("2xx, pay_address unreadable")),
    "an empty address": (created(pay_address=""), AnswerLost("2xx, pay_address unreadable")),
    "no amount": (created(pay_amount=None), AnswerLost("2xx, pay_amount unreadable")),
    "nothing to pay": (created(pay_amount=0), AnswerLost("2xx, pay_amount unreadable")),
    "no coin": (created(pay_currency=None), AnswerLost("2xx, pay_currency unreadable")),
    "an end that is none": (
        created(expiration_estimate_date="soon"),
        AnswerLost("2xx, expiration_estimate_date unreadable"),
    ),
    "an envelope with 200": (
        httpx.Response(200, json=ENVELOPE),
        AnswerLost("2xx, pay_amount unreadable"),
    ),
    "html": (httpx.Response(201, html="<p>wait</p>"), AnswerLost("HTTP 201, not JSON")),
    "nothing": (httpx.Response(204), AnswerLost("HTTP 204, not JSON")),
    "cut off": (
        httpx.Response(201, content=body_of(CREATED)[:-9]),
        AnswerLost("HTTP 201, not JSON"),
    ),
    "a list": (httpx.Response(201, json=[CREATED]), AnswerLost("HTTP 201, not a JSON object")),
    "a redirect": (httpx.Response(307, headers={"location": "/"}), AnswerLost("HTTP 307")),
    "below the minimum": (
        refused(400, code="AMOUNT_MINIMAL_ERROR", message="Too small"),
        Refused(Reason.BELOW_MINIMUM, "AMOUNT_MINIMAL_ERROR", "Too small"),
    ),
    "no such coin now": (
        refused(400, code="CURRENCY_UNAVAILABLE", message=["a", "b"]),
        Refused(Reason.COIN_UNAVAILABLE, "CURRENCY_UNAVAILABLE", "a; b"),
    ),
    "bad parameters": (
        refused(400, code="INVALID_REQUEST_PARAMS"),
        Refused(Reason.OTHER, "INVALID_REQUEST_PARAMS", "No"),
    ),
    "an envelope without status": (
        httpx.Response(422, json={"code": "X", "message": "No"}),
        Refused(Reason.OTHER, "X", "No"),
    ),
    "an envelope with error": (
        httpx.Response(400, json={"status": False, "error": "No\0"}),
        Refused(Reason.OTHER, "", "No"),
    ),
    "404": (refused(404, code="NOT_FOUND"), Refused(Reason.OTHER, "NOT_FOUND", "No")),
    "4xx in html": (httpx.Response(400, html="<p>no</p>"), AnswerLost("HTTP 400")),
    "4xx in plain text": (httpx.Response(400, text="no"), AnswerLost("HTTP 400")),
    "4xx that is empty": (httpx.Response(400, json={}), AnswerLost("HTTP 400")),
    "4xx that says true": (
        httpx.Response(400, json=ENVELOPE | {"status": True}),
        AnswerLost("HTTP 400"),
    ),
    "4xx with a payment": (
        httpx.Response(400, json=ENVELOPE | {"payment_id": "5"}),
        AnswerLost("HTTP 400"),
    ),
    "401": (refused(401, code="INVALID_API_KEY"), CredentialRefused("HTTP 401")),
    "403": (refused(403, code="INVALID_API_KEY"), CredentialRefused("HTTP 403")),
    "403 in html": (httpx.Response(403, html="no"), CredentialRefused("HTTP 403")),
    "408": (refused(408), AnswerLost("HTTP 408")),
    "409": (refused(409), AnswerLost("HTTP 409")),
    "425": (refused(425), AnswerLost("HTTP 425")),
    "429": (refused(429), AnswerLost("HTTP 429")),
    "500": (refused(500), AnswerLost("HTTP 500")),
    "503": (httpx.Response(503, html="no"), AnswerLost("HTTP 503")),
}


@pytest.mark.parametrize(("reply", "expected"), ANSWERS.values(), ids=ANSWERS)
async def test_asking_for_an_address_gets_one_of_the_closed_union(
    network: respx.Router, provider: NowPayments, reply: httpx.Response, expected: OpenAnswer
) -> None:
    """A readable address, a readable refusal, or doubt; and one request, whatever the answer."""
    route = network.post("/payment").mock(return_value=reply)

    assert expected == await provider.open(intent())
    assert 1 == route.call_count


PAGES: dict[str, tuple[httpx.Response, OpenAnswer]] = {
    "opened": (
        httpx.Response(201, json=PAGE),
        Opened("4522625843", url=PAGE["invoice_url"], price=PRICE, order_id=ORDER_ID),
    ),
    "a number for an id": (
        httpx.Response(201, json=PAGE | {"id": 4522625843, "price_amount": 100.5}),
        Opened("4522625843", url=PAGE["invoice_url"], price=PRICE, order_id=ORDER_ID),
    ),
    "no id": (httpx.Response(201, json=without(PAGE, "id")), AnswerLost("2xx, id unreadable")),
    "no page": (
        httpx.Response(201, json=without(PAGE, "invoice_url")),
        AnswerLost("2xx, invoice_url unreadable"),
    ),
    "below the minimum": (
        refused(400, code="AMOUNT_MINIMAL_ERROR"),
        Refused(Reason.BELOW_MINIMUM, "AMOUNT_MINIMAL_ERROR", "No"),
    ),
    "4xx with a page": (
        httpx.Response(400, json=ENVELOPE | {"invoice_url": "https://x.test"}),
        AnswerLost("HTTP 400"),
    ),
    "401": (refused(401), CredentialRefused("HTTP 401")),
    "502": (httpx.Response(502, html="no"), AnswerLost("HTTP 502")),
}


@pytest.mark.parametrize(("reply", "expected"), PAGES.values(), ids=PAGES)
async def test_asking_for_a_page_gets_one_of_the_closed_union(
    network: respx.Router, provider: NowPayments, reply: httpx.Response, expected: OpenAnswer
) -> None:
    """There is no payment yet, hence neither coin nor amount nor address."""
    route = network.post("/invoice").mock(return_value=reply)

    assert expected == await provider.open(intent(None, Checkout.HOSTED))
    assert 1 == route.call_count


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "ftp://nowpayments.io/x",
        "https://",
        "https://user:secret@nowpayments.io/",
        "https://nowpayments.io/ x",
        "//nowpayments.io",
        "https://[nowpayments",
        "https://nowpayments.io/" + "x" * 2048,
        5,
    ],
    ids=lambda url: str(url)[:40],
)
async def test_a_browser_is_sent_to_a_web_page_only(
    network: respx.Router, provider: NowPayments, url: object
) -> None:
    """Whatever else the provider may write there."""
    network.post("/invoice").mock(
        return_value=httpx.Response(201, json=PAGE | {"invoice_url": url})
    )

    expected = AnswerLost("2xx, invoice_url unreadable")
    assert expected == await provider.open(intent(None, Checkout.HOSTED))


@pytest.mark.parametrize(
    "failure", [httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout], ids=str
)
async def test_what_was_never_written_was_not_delivered(
    network: respx.Router, provider: NowPayments, failure: type[Exception]
) -> None:
    """No connection, no payment."""
    route = network.post("/payment").mock(side_effect=failure(""))

    assert NotDelivered(failure.__name__) == await provider.open(intent())
    assert 1 == route.call_count


@pytest.mark.parametrize(
    "failure",
    [httpcore.ReadTimeout, httpcore.WriteError, httpcore.RemoteProtocolError, OSError],
    ids=str,
)
async def test_what_was_written_may_have_opened_something(
    network: respx.Router, provider: NowPayments, failure: type[Exception]
) -> None:
    """There is no idempotency key: a second request would be a second payment."""
    route = network.post("/payment").mock(side_effect=failure(""))

    assert AnswerLost(failure.__name__) == await provider.open(intent())
    assert 1 == route.call_count


async def test_coins_with_a_memo_need_one(network: respx.Router, provider: NowPayments) -> None:
    """An address without its memo is shared by all: what is sent there is lost."""
    route = network.post("/payment").mock(return_value=created(pay_currency="xrp", network="xrp"))
    assert AnswerLost("2xx, payin_extra_id unreadable") == await provider.open(intent(XRP))

    route.mock(return_value=created(pay_currency="xrp", network="xrp", payin_extra_id=2041))
    assert opened(coin="XRP", network="xrp", memo="2041") == await provider.open(intent(XRP))


async def test_a_memo_that_was_not_expected_is_not_dropped(
    network: respx.Router, provider: NowPayments
) -> None:
    """Some networks have optional ones."""
    network.post("/payment").mock(return_value=created(payin_extra_id="abc"))

    assert opened(memo="abc") == await provider.open(intent())
