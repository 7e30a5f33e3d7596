"""What is asked for, and what each answer to it means."""

import json
from dataclasses import replace
from decimal import Decimal

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
from payops.kernel.money import KES, USD, Money
from payops.providers.btcpay.adapter import BtcPay
from tests.providers.btcpay.examples import (
    ADDRESS,
    EXPIRES_AT,
    INVOICE_ID,
    LINK,
    NOT_FOUND,
    ORDER_ID,
    invoice,
    method,
    ok,
)

BTC = Coin("BTC", "bitcoin", 8)
LTC = Coin("LTC", "litecoin", 8)
PRICE = Money(2500, USD)
INTENT = Intent(ORDER_ID, PRICE, BTC, Checkout.ADDRESS)
PAGE = Intent(ORDER_ID, PRICE, None, Checkout.HOSTED)

OPENED = Opened(
    reference=INVOICE_ID,
    coin="BTC",
    pay_amount=Decimal("0.00040459"),
    address=ADDRESS,
    network="bitcoin",
    quote_expires_at=EXPIRES_AT,
    price=PRICE,
    order_id=ORDER_ID,
)
OPENED_PAGE = Opened(
    reference=INVOICE_ID,
    url=LINK,
    quote_expires_at=EXPIRES_AT,
    price=PRICE,
    order_id=ORDER_ID,
)

MESSAGE = {"code": "generic-error", "message": "No wallet has been linked"}
NO_SUCH_METHOD = [
    {"path": "checkout.paymentMethods[0]", "message": "Invalid PaymentMethodId"},
]

# To the request for an invoice, which is sent once.
ANSWERS: dict[str, tuple[httpx.Response, OpenAnswer]] = {
    "a price in another currency": (
        ok(invoice(currency="jpy")),
        replace(OPENED_PAGE, price=OtherPrice(Decimal(25), "JPY")),
    ),
    "no currency": (
        ok(invoice(currency=None)),
        replace(OPENED_PAGE, price=None, left_out=frozenset({"price"})),
    ),
    "a currency that is none": (
        ok(invoice(currency="U S D")),
        AnswerLost("HTTP 200, unreadable: currency"),
    ),
    "another price": (
        ok(invoice(amount="25.01", currency="KES")),
        Opened(
            INVOICE_ID,
            url=LINK,
            quote_expires_at=EXPIRES_AT,
            price=Money(2501, KES),
            order_id=ORDER_ID,
        ),
    ),
    "numbers in place of texts": (ok(invoice(amount=25)), OPENED_PAGE),
    "no metadata, no end": (
        ok(invoice(metadata=None, expirationTime=None)),
        Opened(INVOICE_ID, url=LINK, price=PRICE, left_out=frozenset({"order"})),
    ),
    "no page": (ok(invoice(checkoutLink=None)), AnswerLost("opened, page not told")),
    "a page that is a script": (
        ok(invoice(checkoutLink="javascript:alert(1)")),
        AnswerLost("opened, page not told"),
    ),
    "no id": (ok(invoice(id=None)), AnswerLost("HTTP 200, unreadable: id")),
    "an id that climbs": (ok(invoice(id="../x")), AnswerLost("HTTP 200, unreadable: id")),
    "a fraction of a cent": (
        ok(invoice(amount="25.001")),
        replace(OPENED_PAGE, price=OtherPrice(Decimal("25.001"), "USD")),
    ),
    "html": (httpx.Response(200, html="<p>wait</p>"), AnswerLost("HTTP 200, unreadable: not JSON")),
    "a list": (ok([]), AnswerLost("HTTP 200, unreadable: not a JSON object")),
    "a name twice": (
        httpx.Response(200, text='{"id":"a","id":"b"}'),
        AnswerLost("HTTP 200, unreadable: not JSON"),
    ),
    "too deep": (
        httpx.Response(200, text="[" * 99999),
        AnswerLost("HTTP 200, unreadable: not JSON"),
    ),
    "nothing": (httpx.Response(204), AnswerLost("HTTP 204, unreadable: not JSON")),
    "a redirect": (httpx.Response(302, headers={"location": "/"}), AnswerLost("HTTP 302")),
    "a coin it does not have": (
        httpx.Response(422, json=NO_SUCH_METHOD),
        Refused(Reason.COIN_UNAVAILABLE, "checkout.paymentMethods[0]", "Invalid PaymentMethodId"),
    ),
    "two faults": (
        httpx.Response(422, json=[{"path": "amount", "message": "a"}, {"message": "b"}]),
        Refused(Reason.OTHER, "amount", "a; b"),
    ),
    "no wallet": (
        httpx.Response(400, json=MESSAGE),
        Refused(Reason.OTHER, "generic-error", "No wallet has been linked"),
    ),
    "400 in html": (httpx.Response(400, html="<p>no</p>"), AnswerLost("HTTP 400")),
    "400 that is empty": (httpx.Response(400, json={}), AnswerLost("HTTP 400")),
    "400 with an empty list": (httpx.Response(400, json=[]), AnswerLost("HTTP 400")),
    "400 with a list of texts": (httpx.Response(400, json=["no"]), AnswerLost("HTTP 400")),
    "400 with an invoice": (
        httpx.Response(400, json=invoice() | MESSAGE),
        AnswerLost("HTTP 400"),
    ),
    "404 of a proxy": (httpx.Response(404, text="not found"), AnswerLost("HTTP 404")),
    "401": (httpx.Response(401, json=MESSAGE), CredentialRefused("HTTP 401")),
    "403 in html": (httpx.Response(403, html="no"), CredentialRefused("HTTP 403")),
    "408": (httpx.Response(408, json=MESSAGE), AnswerLost("HTTP 408")),
    "409": (httpx.Response(409, json=MESSAGE), AnswerLost("HTTP 409")),
    "425": (httpx.Response(425, json=MESSAGE), AnswerLost("HTTP 425")),
    "429": (httpx.Response(429, json=MESSAGE), AnswerLost("HTTP 429")),
    "500": (httpx.Response(500, json=MESSAGE), AnswerLost("HTTP 500")),
    "503": (httpx.Response(503, html="no"), AnswerLost("HTTP 503")),
}

FAILURES: dict[str, tuple[Exception, OpenAnswer]] = {
    "refused": (httpcore.ConnectError(""), NotDelivered("ConnectError")),
    "not reached": (httpcore.ConnectTimeout(""), NotDelivered("ConnectTimeout")),
    "no connection free": (httpcore.PoolTimeout(""), NotDelivered("PoolTimeout")),
    "no answer in time": (httpcore.ReadTimeout(""), AnswerLost("ReadTimeout")),
    "reset": (httpcore.ReadError(""), AnswerLost("ReadError")),
    "gone": (httpcore.RemoteProtocolError(""), AnswerLost("RemoteProtocolError")),
    "the system's": (OSError(""), AnswerLost("OSError")),
}

# To the question for the address of an invoice that there is by then.
ADDRESSES: dict[str, tuple[httpx.Response | Exception, OpenAnswer]] = {
    "one way to pay": (ok([method()]), OPENED),
    "several": (
        ok(
            [method(paymentMethodId="BTC-LN", destination="lnbc1"), method(), method(currency=None)]
        ),
        OPENED,
    ),
    "an amount as a number": (
        httpx.Response(200, text=json.dumps([method()]).replace('"0.00040459"', "4.0459E-4")),
        OPENED,
    ),
    "no way to pay": (ok([]), AnswerLost("opened, address not told")),
    "another coin's": (
        ok([method(paymentMethodId="LTC-CHAIN")]),
        AnswerLost("opened, address not told"),
    ),
    "lightning only": (
        ok([method(paymentMethodId="BTC-LN")]),
        AnswerLost("opened, address not told"),
    ),
    "not yet activated": (
        ok([method(destination=None, activated=False)]),
        AnswerLost("opened, address not told"),
    ),
    "an address with a space in it": (
        ok([method(destination=f"{ADDRESS} ")]),
        AnswerLost("opened, address not told"),
    ),
    "nothing to pay": (ok([method(amount="0")]), AnswerLost("opened, address not told")),
    "less than nothing": (ok([method(amount="-1")]), AnswerLost("opened, address not told")),
    "an amount that is none": (
        ok([method(amount="0x1")]),
        AnswerLost("opened, address not read: unreadable: amount"),
    ),
    "an object": (ok({}), AnswerLost("opened, address not read: unreadable: methods")),
    "not found": (NOT_FOUND, AnswerLost("opened, address not read: HTTP 404")),
    "403": (httpx.Response(403), AnswerLost("opened, address not read: HTTP 403")),
    "500": (httpx.Response(500), AnswerLost("opened, address not read: HTTP 500")),
    "no connection": (
        httpcore.ConnectError(""),
        AnswerLost("opened, address not read: ConnectError"),
    ),
    "no answer": (httpcore.ReadTimeout(""), AnswerLost("opened, address not read: ReadTimeout")),
}


@pytest.mark.parametrize(("reply", "expected"), ANSWERS.values(), ids=ANSWERS)
async def test_each_reply_means_one_thing(
    network: respx.Router, provider: BtcPay, reply: httpx.Response, expected: OpenAnswer
) -> None:
    """Whatever the server replies is one of the closed union, and nothing escapes."""
    route = network.post("/invoices").mock(return_value=reply)

    assert expected == await provider.open(PAGE)
    assert 1 == route.call_count


@pytest.mark.parametrize(("failure", "expected"), FAILURES.values(), ids=FAILURES)
async def test_only_what_comes_before_the_first_byte_is_harmless(
    network: respx.Router, provider: BtcPay, failure: Exception, expected: OpenAnswer
) -> None:
    """A failure to connect is proof; any other failure is doubt. Neither is repeated."""
    route = network.post("/invoices").mock(side_effect=failure)

    assert expected == await provider.open(INTENT)
    assert 1 == route.call_count


@pytest.mark.parametrize(("reply", "expected"), ADDRESSES.values(), ids=ADDRESSES)
async def test_the_address_comes_with_a_second_answer(
    network: respx.Router,
    provider: BtcPay,
    reply: httpx.Response | Exception,
    expected: OpenAnswer,
) -> None:
    """Without it there is an invoice that nobody has seen; it is never handed out half."""
    network.post("/invoices").mock(return_value=ok(invoice()))
    network.get(f"/invoices/{INVOICE_ID}/payment-methods").mock(side_effect=[reply])

    assert expected == await provider.open(INTENT)


async def test_the_request_says_all_that_money_depends_on(
    network: respx.Router, provider: BtcPay
) -> None:
    """Tolerance, confirmations and windows are ours to say, not the store's defaults."""
    route = network.post("/invoices").mock(return_value=ok(invoice()))
    network.get(f"/invoices/{INVOICE_ID}/payment-methods").mock(return_value=ok([method()]))

    await provider.open(INTENT)

    request = route.calls.last.request
    assert "token test-key" == request.headers["authorization"]
    assert "application/json" == request.headers["content-type"]
    assert {
        "amount": "25.00",
        "currency": "USD",
        "metadata": {"orderId": ORDER_ID},
        "checkout": {
            "paymentMethods": ["BTC-CHAIN"],
            "lazyPaymentMethods": False,
            "speedPolicy": "LowMediumSpeed",
            "expirationMinutes": 30,
            "monitoringMinutes": 43_200,
            "paymentTolerance": 0,
            "redirectURL": "https://payops.test/crypto/success",
        },
    } == json.loads(request.content)


@pytest.mark.parametrize(
    ("coin", "methods"), [(None, ["BTC-CHAIN", "LTC-CHAIN"]), (LTC, ["LTC-CHAIN"])]
)
async def test_a_page_offers_the_coins_of_the_store_or_the_one_asked_for(
    network: respx.Router, provider: BtcPay, coin: Coin | None, methods: list[str]
) -> None:
    """And never lightning, which is another way for money to come."""
    route = network.post("/invoices").mock(return_value=ok(invoice()))

    answer = await provider.open(Intent(ORDER_ID, PRICE, coin, Checkout.HOSTED))

    assert isinstance(answer, Opened)
    assert (coin and coin.code) == answer.coin
    assert LINK == answer.url
    assert not answer.is_page
    assert methods == json.loads(route.calls.last.request.content)["checkout"]["paymentMethods"]


@pytest.mark.parametrize(
    ("coin", "checkout"),
    [
        (Coin("DOGE", "dogecoin", 8), Checkout.ADDRESS),
        (Coin("XMR", "monero", 12), Checkout.HOSTED),
        (None, Checkout.ADDRESS),
    ],
)
async def test_what_the_store_does_not_take_is_not_asked_for(
    network: respx.Router, provider: BtcPay, coin: Coin | None, checkout: Checkout
) -> None:
    """Nothing is sent: the answer is known."""
    route = network.post("/invoices")

    answer = await provider.open(Intent(ORDER_ID, PRICE, coin, checkout))

    assert Refused(Reason.COIN_UNAVAILABLE, "", "not offered") == answer
    assert not route.called


@pytest.mark.parametrize("secret", ["test-key", ADDRESS])
async def test_neither_the_key_nor_a_body_is_in_the_words_of_a_failure(
    network: respx.Router, provider: BtcPay, secret: str
) -> None:
    """What is said of a failure goes to logs."""
    network.post("/invoices").mock(side_effect=httpcore.ReadError(f"while sending {secret}"))

    assert secret not in repr(await provider.open(INTENT))


async def test_a_long_message_is_shortened_and_can_be_stored(
    network: respx.Router, provider: BtcPay
) -> None:
    """Half characters and NULs, which no database takes, do not come through."""
    body = b'{"code": "c", "message": "a\\ud800\\u0000%s"}' % (b"b" * 5000)
    network.post("/invoices").mock(return_value=httpx.Response(400, content=body))

    answer = await provider.open(INTENT)

    assert isinstance(answer, Refused)
    assert "a?b" == answer.message[:3]
    assert len(answer.message) <= 1000


async def test_many_messages_are_shortened_too(network: respx.Router, provider: BtcPay) -> None:
    """A list of faults is as bounded as one."""
    entry = {"message": "m" * 900, "path": "p" * 900}
    network.post("/invoices").mock(return_value=httpx.Response(422, json=[entry] * 100))

    answer = await provider.open(INTENT)

    assert isinstance(answer, Refused)
    assert len(answer.message) <= 1000
    assert len(answer.code) <= 1000
