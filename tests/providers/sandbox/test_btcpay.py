"""The BTCPay Server's store: its endpoints, its events, its controls."""

import hashlib
import hmac
from typing import Any

import pytest

from tests.providers.sandbox.crypto import STORE, TOKEN, WEBHOOK_SECRET, Shop
from tests.providers.sandbox.support import Delivery

HELD = "09"


async def held(shop: Shop, **more: Any) -> str:
    """The id of an invoice that waits."""
    invoice: str = (await shop.invoice(HELD, **more)).json()["id"]
    await shop.quiet_book("btcpay")
    return invoice


async def test_an_invoice_is_shown_with_texts_and_seconds(shop: Shop) -> None:
    """
    Amounts are decimal texts, moments Unix seconds; a quarter of an hour is the usual time.
    """
    response = await shop.invoice(
        price="64", checkout={"paymentMethods": ["BTC-CHAIN", "LTC"], "redirectURL": "http://x/"}
    )

    invoice = response.json()
    assert 200 == response.status_code
    assert ("64", "USD", "Standard", "New", "None", STORE) == tuple(
        invoice[name]
        for name in ("amount", "currency", "type", "status", "additionalStatus", "storeId")
    )
    assert 15 * 60 == invoice["expirationTime"] - invoice["createdTime"]
    assert 24 * 3_600 == invoice["monitoringExpiration"] - invoice["expirationTime"]
    assert {"orderId": "inv_1"} == invoice["metadata"]
    assert invoice["checkoutLink"].endswith(f"/btcpay/i/{invoice['id']}")


async def test_payment_methods_have_address_amount_and_payments(shop: Shop) -> None:
    """
    One for each coin; what was paid in one is due no more in the other.
    """
    invoice = await held(shop, checkout={"paymentMethods": ["BTC-CHAIN", "LTC-CHAIN"]})
    await shop.control(f"btcpay/invoices/{invoice}/pay", amount="0.618125", coin="ltc")

    bitcoin, litecoin = (await shop.store(f"invoices/{invoice}/payment-methods")).json()

    assert ("BTC-CHAIN", "64000", "0.00154829") == tuple(
        bitcoin[name] for name in ("paymentMethodId", "rate", "amount")
    )
    assert ("LTC-CHAIN", "80", "1.23862500") == tuple(
        litecoin[name] for name in ("paymentMethodId", "rate", "amount")
    )
    assert bitcoin["destination"].startswith("bc1q")
    assert litecoin["destination"].startswith("ltc1q")
    assert [] == bitcoin["payments"]
    (payment,) = litecoin["payments"]
    assert ("0.618125", "Settled", litecoin["destination"]) == tuple(
        payment[name] for name in ("value", "status", "destination")
    )
    assert payment["id"].endswith("-0")
    assert isinstance(payment["receivedDate"], int)
    assert 0 < float(bitcoin["due"]) < float(bitcoin["amount"])


async def test_a_top_up_has_no_price(shop: Shop) -> None:
    """
    Without an amount anything that arrives settles the invoice.
    """
    response = await shop.http.post(
        f"/btcpay/api/v1/stores/{STORE}/invoices",
        json={"currency": "USD"},
        headers={"authorization": f"token {TOKEN}"},
    )
    await shop.quiet_book("btcpay")

    shown = (await shop.store(f"invoices/{response.json()['id']}")).json()
    assert ("TopUp", "0", "Settled") == (shown["type"], shown["amount"], shown["status"])


async def test_an_overpaid_invoice_owes_something(shop: Shop) -> None:
    """
    What is due is negative then.
    """
    invoice = (await shop.invoice("03")).json()["id"]
    await shop.quiet_book("btcpay")

    (method,) = (await shop.store(f"invoices/{invoice}/payment-methods")).json()
    assert method["due"].startswith("-")


async def test_invoices_are_found_by_order_id(shop: Shop) -> None:
    """
    Newest first, all of them without an order id.
    """
    first = await held(shop, metadata={"orderId": "a"})
    second = await held(shop, metadata={"orderId": "b"})

    everything = (await shop.store("invoices")).json()
    found = (await shop.store("invoices", orderId="a")).json()

    assert [second, first] == [invoice["id"] for invoice in everything]
    assert [first] == [invoice["id"] for invoice in found]


async def test_rates_are_told_by_pair(shop: Shop) -> None:
    """
    A pair that is not known has errors and no rate.
    """
    known, unknown = (await shop.store("rates", currencyPair=["BTC_USD", "BTC_KES"])).json()

    assert {"currencyPair": "BTC_USD", "errors": [], "rate": "64000"} == known
    assert unknown["rate"] is None
    assert unknown["errors"]


@pytest.mark.parametrize("credential", ["", "token wrong", f"Bearer {TOKEN}", TOKEN])
async def test_without_the_token_nothing_is_answered(shop: Shop, credential: str) -> None:
    """
    Anything else than the token in its scheme is 401.
    """
    response = await shop.http.get(
        f"/btcpay/api/v1/stores/{STORE}/invoices", headers={"authorization": credential}
    )

    assert (401, "unauthenticated") == (response.status_code, response.json()["code"])


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"amount": "-1"}, "amount"),
        ({"amount": "x"}, "amount"),
        ({"amount": [1]}, "amount"),
        ({"currency": "KES"}, "currency"),
        ({"currency": None}, "currency"),
        ({"checkout": {"paymentMethods": ["XMR-CHAIN"]}}, "checkout.paymentMethods"),
        ({"checkout": {"paymentMethods": []}}, "checkout.paymentMethods"),
        ({"checkout": {"expirationMinutes": 0}}, "checkout.expirationMinutes"),
        ({"checkout": 7}, "checkout"),
    ],
)
async def test_an_invoice_that_makes_no_sense_is_refused(
    shop: Shop, more: dict[str, Any], path: str
) -> None:
    """
    422 with a list of fields, and nothing is made.
    """
    response = await shop.invoice(**more)

    assert 422 == response.status_code
    assert [path] == [fault["path"] for fault in response.json()]
    assert [] == (await shop.book("btcpay"))["invoices"]


async def test_what_is_not_there_is_404_with_its_code(shop: Shop) -> None:
    """
    Another store, an unknown invoice.
    """
    other = await shop.http.get(
        "/btcpay/api/v1/stores/Other/invoices", headers={"authorization": f"token {TOKEN}"}
    )
    invoice = await shop.store("invoices/none")
    methods = await shop.store("invoices/none/payment-methods")

    assert ["store-not-found", "invoice-not-found", "invoice-not-found"] == [
        response.json()["code"] for response in (other, invoice, methods)
    ]


async def test_events_are_signed_over_their_raw_bytes(shop: Shop) -> None:
    """
    BTCPay-Sig is sha256= and the HMAC of exactly the bytes that arrive.
    """
    await shop.invoice("05")
    await shop.quiet_book("btcpay")

    assert 7 == len(shop.inbox.deliveries)
    assert all(is_genuine(delivery) for delivery in shop.inbox.deliveries)
    assert {"/webhooks/btcpay"} == {delivery.path for delivery in shop.inbox.deliveries}


@pytest.mark.parametrize(("key", "signatures"), [("10", 1), ("24", 0)])
async def test_a_false_event_is_not_genuine_and_comes_once(
    shop: Shop, key: str, signatures: int
) -> None:
    """
    Scripts 10 and 24 say Settled before anything was paid.
    """
    shop.inbox.answers.extend([200, 401])

    await shop.invoice(key)
    await shop.quiet_book("btcpay")

    _, false, *rest = shop.inbox.deliveries
    assert "InvoiceSettled" == shop.notices[1]["type"]
    assert signatures == list(false.headers).count("BTCPay-Sig")
    assert not is_genuine(false)
    assert all(is_genuine(delivery) for delivery in rest)


async def test_an_event_says_what_it_is_about(shop: Shop) -> None:
    """
    Envelope, invoice and metadata; payments with their id, late ones marked.
    """
    invoice = (await shop.invoice("04")).json()["id"]
    await shop.quiet_book("btcpay")

    events = {event["type"]: event for event in shop.notices}
    received = events["InvoiceReceivedPayment"]
    assert (invoice, STORE, False, "inv_1") == (
        *(received["invoiceId"], received["storeId"], received["isRedelivery"]),
        received["metadata"]["orderId"],
    )
    assert received["deliveryId"] == received["originalDeliveryId"]
    assert received["afterExpiration"] is True
    assert "Processing" == received["payment"]["status"]
    assert events["InvoiceExpired"]["partiallyPaid"] is False


async def test_a_redelivery_remembers_the_first(shop: Shop) -> None:
    """
    Other bytes with a delivery id of their own, signed anew, until they are accepted.
    """
    shop.inbox.answers.extend([500, 503])

    await held(shop)

    first, second, third = shop.notices
    assert {first["deliveryId"]} == {e["originalDeliveryId"] for e in (first, second, third)}
    assert 3 == len({event["deliveryId"] for event in (first, second, third)})
    assert [False, True, True] == [e["isRedelivery"] for e in (first, second, third)]
    assert all(is_genuine(delivery) for delivery in shop.inbox.deliveries)


async def test_a_marked_invoice_says_so(shop: Shop) -> None:
    """
    The event has manuallyMarked, and the money is missing in the book.
    """
    await shop.invoice("07")
    book = await shop.quiet_book("btcpay")

    assert shop.notices[-1]["manuallyMarked"] is True
    assert {} == book["receivedByCoin"]


async def test_an_invoice_can_be_paid_and_turned_by_hand(shop: Shop) -> None:
    """
    Half of it, then time runs out, then the rest is seen but not confirmed.
    """
    invoice = await held(shop)
    path = f"btcpay/invoices/{invoice}"

    half = (await shop.control(f"{path}/pay", amount="0.00077415")).json()
    over = (await shop.control(f"{path}/turn", turn="expire")).json()
    rest = (await shop.control(f"{path}/pay", amount="0.00077414", confirm=False)).json()

    assert [("New", "PaidPartial"), ("Expired", "PaidPartial"), ("Expired", "PaidLate")] == [
        (shown["status"], shown["additionalStatus"]) for shown in (half, over, rest)
    ]
    assert ["Settled", "Processing"] == [payment["status"] for payment in rest["payments"]]
    assert {"BTC": "0.00154829"} == rest["received"]


async def test_an_event_can_be_sent_on_demand(shop: Shop) -> None:
    """
    It reports its answers and changes nothing.
    """
    invoice = await held(shop)

    response = await shop.control(
        f"btcpay/invoices/{invoice}/notify", type="InvoiceSettled", copies=2, signature="missing"
    )

    assert {"answers": [200, 200]} == response.json()
    assert "New" == (await shop.store(f"invoices/{invoice}")).json()["status"]


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        ("invoices/none/pay", {}, 404),
        ("invoices/{id}/pay", {"coin": "XMR"}, 400),
        ("invoices/{id}/pay", {"amount": "0"}, 400),
        ("invoices/{id}/turn", {"turn": "around"}, 400),
        ("invoices/{id}/turn", {"turn": "replace"}, 400),
        ("invoices/{id}/notify", {"type": "InvoiceEaten"}, 400),
        ("script", {"script": "no-such"}, 404),
    ],
)
async def test_what_makes_no_sense_is_refused(
    shop: Shop, path: str, content: dict[str, Any], status: int
) -> None:
    """
    Unknown invoices are 404, unknown words and amounts that cannot be are 400.
    """
    invoice = await held(shop)

    response = await shop.control(f"btcpay/{path.replace('{id}', invoice)}", **content)

    assert status == response.status_code


async def test_faults_and_scripts_are_the_stores_own(shop: Shop) -> None:
    """
    What is wrong with one provider is not wrong with the other.
    """
    await shop.control("btcpay/faults", kind="500")
    await shop.control("btcpay/script", script="over")
    broken, whole = await shop.invoice(), await shop.open()
    await shop.control("btcpay/reset")

    assert (500, "generic-error") == (broken.status_code, broken.json()["code"])
    assert 201 == whole.status_code
    assert "straight" == (await shop.quiet_book())["payments"][0]["script"]
    assert 200 == (await shop.invoice()).status_code


async def test_a_person_can_pay_on_the_page(shop: Shop) -> None:
    """
    The page has the address and a button, and later the end; an unknown one is 404.
    """
    invoice = await held(shop, checkout={"redirectURL": "http://127.0.0.1:1/crypto/success"})
    waiting = (await shop.http.get(f"/btcpay/i/{invoice}")).text

    back = await shop.http.post(f"/btcpay/i/{invoice}")
    await shop.quiet_book("btcpay")
    done = (await shop.http.get(f"/btcpay/i/{invoice}")).text

    assert "<button>" in waiting
    assert "/crypto/success" in waiting
    assert 303 == back.status_code
    assert "Settled" in done
    assert "<button>" not in done
    assert 404 == (await shop.http.get("/btcpay/i/none")).status_code
    assert 404 == (await shop.http.post("/btcpay/i/none")).status_code


def is_genuine(delivery: Delivery) -> bool:
    expected = hmac.new(WEBHOOK_SECRET.encode(), delivery.body, hashlib.sha256).hexdigest()
    return delivery.headers.get("BTCPay-Sig") == f"sha256={expected}"
