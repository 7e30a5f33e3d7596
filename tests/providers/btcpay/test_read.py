"""What an invoice, read back, says of its payments; and the other questions."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpcore
import httpx
import pytest
import respx

from payops.deposits.domain.invoices import Checkout
from payops.deposits.domain.states import State
from payops.deposits.ports import Arrival, Coin, NoAnswer, NotKnown, ReadAnswer, Snapshot
from payops.infra.http import HttpClient
from payops.kernel.money import USD, Money
from payops.providers.btcpay.adapter import BtcPay
from payops.providers.btcpay.client import BtcPayClient
from payops.providers.btcpay.notifications import BtcPayNotifications
from tests.providers.btcpay.conftest import BASE_URL, STORE
from tests.providers.btcpay.examples import (
    ADDRESS,
    CHAIN_HASH,
    CREATED,
    EXPIRES,
    EXPIRES_AT,
    INVOICE_ID,
    NOT_FOUND,
    ORDER_ID,
    PAYMENT_ID,
    invoice,
    method,
    ok,
    payment,
)

ARRIVAL = Arrival(
    reference=PAYMENT_ID,
    coin="BTC",
    amount=Decimal("0.00040459"),
    is_settled=True,
    arrived_at=datetime.fromtimestamp(CREATED + 60, UTC),
    outcome_coin="BTC",
    outcome_amount=Decimal("0.00040459"),
    chain_hash=CHAIN_HASH,
)
SNAPSHOT = Snapshot(
    reference=INVOICE_ID,
    state=State.FINISHED,
    provider_status="Settled",
    order_id=ORDER_ID,
    price=Money(2500, USD),
    coin="BTC",
    pay_amount=Decimal("0.00040459"),
    address=ADDRESS,
    network="bitcoin",
    quote_expires_at=EXPIRES_AT,
    arrivals=(ARRIVAL,),
)

NOTHING: tuple[dict[str, Any], ...] = ()
SEEN = (payment("Processing"),)
SETTLED = (payment("Settled"),)
BOTH = (payment("Settled"), payment("Processing", id="b-1"))

_S = State

# Every status with every addition: nothing paid, paid and seen, paid and settled, one of each.
STATES: dict[tuple[str, str], tuple[State | None, State | None, State | None, State | None]] = {
    **{
        ("New", addition): (_S.WAITING, _S.CONFIRMING, _S.CONFIRMING, _S.CONFIRMING)
        for addition in ("None", "PaidPartial", "PaidOver", "PaidLate", "Marked", "Invalid")
    },
    **{
        ("Processing", addition): (_S.CONFIRMING,) * 4
        for addition in ("None", "PaidPartial", "PaidOver", "PaidLate", "Marked", "Invalid")
    },
    **{
        ("Settled", addition): (_S.FINISHED,) * 4
        for addition in ("None", "PaidPartial", "PaidOver", "PaidLate", "Marked", "Invalid")
    },
    **{
        ("Expired", addition): (_S.EXPIRED, _S.CONFIRMING, _S.PARTIALLY_PAID, _S.CONFIRMING)
        for addition in ("None", "PaidPartial", "PaidOver", "Marked", "Invalid")
    },
    ("Expired", "PaidLate"): (_S.EXPIRED, _S.CONFIRMING, _S.FINISHED, _S.CONFIRMING),
    **{
        ("Invalid", addition): (_S.FAILED,) * 4
        for addition in ("None", "PaidPartial", "PaidOver", "PaidLate", "Marked", "Invalid")
    },
    **{(status, "Surprised"): (None,) * 4 for status in ("New", "Settled", "Expired")},
    ("Refunded", "None"): (None,) * 4,
}


def plays(
    network: respx.Router,
    invoice_says: httpx.Response | Exception,
    methods_say: httpx.Response | Exception,
) -> None:
    network.get(f"/invoices/{INVOICE_ID}").mock(side_effect=[invoice_says])
    network.get(f"/invoices/{INVOICE_ID}/payment-methods").mock(side_effect=[methods_say])


async def read(
    network: respx.Router, provider: BtcPay, invoice_is: dict[str, Any], *methods: dict[str, Any]
) -> Snapshot:
    plays(network, ok(invoice_is), ok(list(methods)))
    answer = await provider.read(INVOICE_ID)
    assert isinstance(answer, Snapshot), answer
    return answer


async def test_a_settled_invoice_is_told_whole(network: respx.Router, provider: BtcPay) -> None:
    """Price, order, address and quote, to compare; and the payment, to credit."""
    assert SNAPSHOT == await read(network, provider, invoice("Settled"), method(payment()))


@pytest.mark.parametrize(("words", "states"), STATES.items())
async def test_every_status_with_every_addition_is_one_state(
    network: respx.Router,
    provider: BtcPay,
    words: tuple[str, str],
    states: tuple[State | None, ...],
) -> None:
    """Money decides where the words leave it open; words that are new are no state of ours."""
    found = [
        await read(network, provider, invoice(*words), method(*payments))
        for payments in (NOTHING, SEEN, SETTLED, BOTH)
    ]

    assert states == tuple(snapshot.state for snapshot in found)
    assert {"/".join(words).removesuffix("/None")} == {one.provider_status for one in found}
    assert {words[1] == "Marked"} == {"marked_by_hand" in one.flags for one in found}


async def test_no_addition_is_as_none(network: respx.Router, provider: BtcPay) -> None:
    """Whether it is left out, null or the word ``None``."""
    for content in (invoice("Settled", None), invoice("Settled")):
        assert "Settled" == (await read(network, provider, content)).provider_status


async def test_each_payment_is_an_arrival_of_its_own(
    network: respx.Router, provider: BtcPay
) -> None:
    """Two payments are credited by two ids, never as one sum."""
    second = payment(id=f"{CHAIN_HASH}-7", value="0.1", receivedDate=EXPIRES - 1)

    found = await read(network, provider, invoice("Settled", "PaidOver"), method(payment(), second))

    assert [(PAYMENT_ID, Decimal("0.00040459")), (f"{CHAIN_HASH}-7", Decimal("0.1"))] == [
        (arrival.reference, arrival.amount) for arrival in found.arrivals
    ]
    assert [False, False] == [arrival.is_late for arrival in found.arrivals]


@pytest.mark.parametrize(
    ("received", "expires", "addition", "is_late"),
    [
        (EXPIRES, EXPIRES, "PaidLate", True),
        (EXPIRES + 1, EXPIRES, "PaidLate", True),
        (EXPIRES + 1, EXPIRES, "None", True),
        (EXPIRES - 1, EXPIRES, "None", False),
        (None, EXPIRES, "PaidLate", True),
        (None, EXPIRES, "PaidPartial", False),
        (CREATED, None, "PaidLate", True),
    ],
)
async def test_a_payment_after_the_window_is_late(
    network: respx.Router,
    provider: BtcPay,
    *,
    received: int | None,
    expires: int | None,
    addition: str,
    is_late: bool,
) -> None:
    """By its own time if it has one, so that those in time keep their quote."""
    content = invoice("Expired", addition, expirationTime=expires)

    found = await read(network, provider, content, method(payment(receivedDate=received)))

    assert [is_late] == [arrival.is_late for arrival in found.arrivals]


@pytest.mark.parametrize("status", ["Processing", "Unconfirmed"])
async def test_only_a_settled_payment_is_settled(
    network: respx.Router, provider: BtcPay, status: str
) -> None:
    """Also on an invoice that is settled, and by a word that is new."""
    found = await read(network, provider, invoice("Settled", "Marked"), method(payment(status)))

    assert [False] == [arrival.is_settled for arrival in found.arrivals]


@pytest.mark.parametrize("content", [payment("Invalid"), payment(value="0"), payment(value="0.0")])
async def test_what_was_replaced_or_is_nothing_is_no_arrival(
    network: respx.Router, provider: BtcPay, content: dict[str, Any]
) -> None:
    """A payment sent again with a higher fee shows the first one as invalid."""
    found = await read(network, provider, invoice("New", "PaidPartial"), method(content))

    assert () == found.arrivals
    assert State.WAITING is found.state


async def test_lightning_is_another_coin_than_was_invoiced(
    network: respx.Router, provider: BtcPay
) -> None:
    """We never offer it, so a person looks at what came by it."""
    lightning = method(payment(id="b8f7"), paymentMethodId="BTC-LN", destination="lnbc1")

    found = await read(network, provider, invoice("Settled"), method(), lightning)

    assert [("BTC-LN", None)] == [(one.coin, one.chain_hash) for one in found.arrivals]


async def test_a_page_with_several_coins_has_no_single_quote(
    network: respx.Router, provider: BtcPay
) -> None:
    """One coin's amount for the price says nothing of a payment in another."""
    litecoin = method(
        payment(id="c-0", value="0.2"), paymentMethodId="LTC-CHAIN", amount="0.25", destination="L"
    )

    found = await read(network, provider, invoice("Settled"), method(payment()), litecoin)

    assert (None, None, None, None) == (found.coin, found.pay_amount, found.address, found.network)
    assert ["BTC", "LTC"] == [arrival.coin for arrival in found.arrivals]


async def test_amounts_are_exact(network: respx.Router, provider: BtcPay) -> None:
    """Texts or numbers, with an exponent or without: eighteen decimals come through."""
    for value in ('"0.000000000000000001"', "0.000000000000000001", "1E-18", '"1e-18"'):
        text = '[{"paymentMethodId": "BTC-CHAIN", "payments": [{"id": "a", "status": "Settled", '
        plays(
            network,
            ok(invoice("Settled")),
            httpx.Response(200, text=f'{text}"receivedDate": 1, "value": {value}}}]}}]'),
        )

        answer = await provider.read(INVOICE_ID)

        assert isinstance(answer, Snapshot), answer
        assert [Decimal("1e-18")] == [arrival.amount for arrival in answer.arrivals]


UNREADABLE: dict[str, tuple[dict[str, Any], list[Any] | dict[str, Any], str]] = {
    "about another invoice": (invoice(id="other"), [], "about another invoice"),
    "no status": (invoice(status=None), [], "unreadable: status"),  # type: ignore[arg-type]
    "a status with a space": (invoice("New "), [], "unreadable: status"),
    "a price that is none": (invoice(amount="ten"), [], "unreadable: amount"),
    "no price": (invoice(amount=None), [], "unreadable: amount"),
    "a price below nothing": (invoice(amount="-25"), [], "unreadable: amount"),
    "a price as a flag": (invoice(amount=True), [], "unreadable: amount"),
    "a time in milliseconds": (
        invoice(expirationTime=EXPIRES * 1000),
        [],
        "unreadable: expiration time",
    ),
    "a time as a text": (invoice(expirationTime="soon"), [], "unreadable: expiration time"),
    "methods as an object": (invoice(), {}, "unreadable: methods"),
    "methods as texts": (invoice(), ["BTC"], "unreadable: methods"),
    "a method without a name": (invoice(), [method(paymentMethodId=None)], "unreadable: method"),
    "an amount as a flag": (invoice(), [method(amount=True)], "unreadable: amount"),
    "payments as null": (invoice(), [method(payments=None)], "unreadable: payments"),
    "a payment without a value": (
        invoice(),
        [method(payment(value=None))],
        "unreadable: payment value",
    ),
    "a payment below nothing": (
        invoice(),
        [method(payment(value="-0.1"))],
        "unreadable: payment value",
    ),
    "more than there is": (
        invoice(),
        [method(payment(value="9" * 21))],
        "unreadable: payment value",
    ),
    "finer than there is": (
        invoice(),
        [method(payment(value=f"0.{'0' * 18}1"))],
        "unreadable: payment value",
    ),
    "a huge exponent": (invoice(), [method(payment(value="1e99"))], "unreadable: payment value"),
    "digits of another script": (
        invoice(),
        [method(payment(value="٠.١"))],
        "unreadable: payment value",
    ),
    "a payment without an id": (invoice(), [method(payment(id=None))], "unreadable: payment id"),
    "a payment without a status": (
        invoice(),
        [method(payment(status=None))],  # type: ignore[arg-type]
        "unreadable: payment status",
    ),
    "a time that is none": (
        invoice(),
        [method(payment(receivedDate=True))],
        "unreadable: received date",
    ),
}


@pytest.mark.parametrize(("content", "methods", "why"), UNREADABLE.values(), ids=UNREADABLE)
async def test_half_an_understanding_is_none(
    network: respx.Router,
    provider: BtcPay,
    content: dict[str, Any],
    methods: object,
    why: str,
) -> None:
    """A value that is there and cannot be makes the whole unreadable; it is asked again later."""
    plays(network, ok(content), ok(methods))

    assert NoAnswer(why) == await provider.read(INVOICE_ID)


FAILURES: dict[str, tuple[httpx.Response | Exception, ReadAnswer]] = {
    "not known": (NOT_FOUND, NotKnown()),
    "404 of a proxy": (httpx.Response(404, text="nothing here"), NoAnswer("HTTP 404")),
    "404 with another code": (
        httpx.Response(404, json={"code": "store-not-found", "message": "no"}),
        NoAnswer("HTTP 404"),
    ),
    "403": (httpx.Response(403, json={"code": "missing-permission"}), NoAnswer("HTTP 403")),
    "429": (httpx.Response(429), NoAnswer("HTTP 429")),
    "500": (httpx.Response(500), NoAnswer("HTTP 500", is_outage=True)),
    "503": (httpx.Response(503), NoAnswer("HTTP 503", is_outage=True)),
    "a redirect": (httpx.Response(302), NoAnswer("HTTP 302")),
    "no content": (httpx.Response(204), NoAnswer("HTTP 204")),
    "html": (httpx.Response(200, html="<p>wait</p>"), NoAnswer("unreadable: not JSON")),
    "no connection": (httpcore.ConnectError(""), NoAnswer("ConnectError", is_outage=True)),
    "no answer": (httpcore.ReadTimeout(""), NoAnswer("ReadTimeout", is_outage=True)),
}


@pytest.mark.parametrize(("reply", "expected"), FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("is_first", [True, False])
async def test_either_question_may_fail(
    network: respx.Router,
    provider: BtcPay,
    reply: httpx.Response | Exception,
    expected: ReadAnswer,
    *,
    is_first: bool,
) -> None:
    """An invoice without its payments, or payments without their invoice, is no answer."""
    plays(network, reply if is_first else ok(invoice()), ok([method()]) if is_first else reply)

    assert expected == await provider.read(INVOICE_ID)


async def test_a_reference_cannot_lead_elsewhere(network: respx.Router, provider: BtcPay) -> None:
    """It comes from notifications; in a path it is one segment."""
    route = network.get(url__regex=".*").mock(return_value=NOT_FOUND)

    await provider.read("../../users/me?x=#")

    raw = route.calls.last.request.url.raw_path
    assert raw.endswith(f"/stores/{STORE}/invoices/..%2F..%2Fusers%2Fme%3Fx%3D%23".encode())


RATE = {"currencyPair": "BTC_USD", "errors": [], "rate": "64392.23"}
RATES: dict[str, tuple[httpx.Response | Exception, Decimal | NoAnswer]] = {
    "told": (ok([{"currencyPair": "LTC_USD", "rate": "70"}, RATE]), Decimal("128784.46")),
    "no errors at all": (ok([RATE | {"errors": None}]), Decimal("128784.46")),
    "another pair": (ok([RATE | {"currencyPair": "BTC_EUR"}]), NoAnswer("unreadable: no rate")),
    "with errors": (ok([RATE | {"errors": ["stale"]}]), NoAnswer("unreadable: no rate")),
    "nothing": (ok([RATE | {"rate": "0"}]), NoAnswer("unreadable: no rate")),
    "below nothing": (ok([RATE | {"rate": "-1"}]), NoAnswer("unreadable: no rate")),
    "no number": (ok([RATE | {"rate": None}]), NoAnswer("unreadable: rate")),
    "an object": (ok(RATE), NoAnswer("unreadable: rates")),
    "not found": (NOT_FOUND, NoAnswer("HTTP 404")),
    "not allowed": (httpx.Response(403), NoAnswer("HTTP 403")),
    "broken": (httpx.Response(502), NoAnswer("HTTP 502", is_outage=True)),
    "no answer": (httpcore.ReadTimeout(""), NoAnswer("ReadTimeout", is_outage=True)),
}


@pytest.mark.parametrize(("reply", "expected"), RATES.values(), ids=RATES)
async def test_a_coin_is_worth_what_the_store_says(
    network: respx.Router,
    provider: BtcPay,
    reply: httpx.Response | Exception,
    expected: Decimal | NoAnswer,
) -> None:
    """A rate that has a fault, or is none, is never used."""
    network.get("/rates", params={"currencyPair": "BTC_USD"}).mock(side_effect=[reply])

    assert expected == await provider.usd_value("BTC", Decimal(2))


async def test_a_coin_of_another_store_has_no_value_here(
    network: respx.Router, provider: BtcPay
) -> None:
    """Nothing is asked for it."""
    assert NoAnswer("not a coin of this store") == await provider.usd_value("BTC-LN", Decimal(1))
    assert not network.calls


async def test_the_store_takes_what_is_configured(provider: BtcPay) -> None:
    """Its coins, its least amount, and what it can do."""
    bitcoin = Coin("BTC", "bitcoin", 8)

    assert {"BTC": bitcoin, "LTC": Coin("LTC", "litecoin", 8)} == await provider.coins()
    assert Money(100, USD) == await provider.minimum(bitcoin, Checkout.ADDRESS)
    assert set(Checkout) == provider.checkouts
    assert {} == provider.withheld


@pytest.mark.parametrize("coins", [(), ("BTC", "XMR"), ("",)])
def test_a_coin_whose_addresses_we_cannot_check_stops_the_start(
    client: BtcPayClient, coins: tuple[str, ...]
) -> None:
    """Found when the program starts, not by the first payer."""
    with pytest.raises(ValueError, match="coins must be some of"):
        BtcPay(client, BtcPayNotifications(()), public_url="https://p.test", coins=coins)


@pytest.mark.parametrize(
    ("base_url", "store", "key"),
    [
        ("btcpay.test", STORE, "k"),
        ("https://user:secret@btcpay.test", STORE, "k"),
        (BASE_URL, "../x", "k"),
        (BASE_URL, "", "k"),
        (BASE_URL, STORE, "key\r\nx: y"),
    ],
)
async def test_a_setting_that_cannot_be_used_is_refused_without_repeating_it(
    base_url: str, store: str, key: str
) -> None:
    """Of an address, a store and a key, each could be a secret."""
    async with HttpClient(timeout_seconds=1) as http:
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is what is looked at
            BtcPayClient(http, base_url=base_url, store_id=store, api_key=key)

    assert not any(part in str(caught.value) for part in (base_url, "secret", "x: y", "../x"))
