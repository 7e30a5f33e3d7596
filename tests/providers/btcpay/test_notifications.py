"""Which invoice a notification is about; whether it is the store's: test_raw_signatures.py."""

import json
from typing import Any

import pytest

from payops.deposits.ports import Notice, Snapshot
from payops.providers.btcpay.notifications import BtcPayNotifications
from payops.webhooks.ports import Unreadable
from tests.providers.btcpay.examples import INVOICE_ID

EXAMPLE = b'{"type":"InvoiceSettled","invoiceId":"7s9oXkFqzRkW1vTAJpG4Ge"}'

EVENTS: dict[str, dict[str, Any]] = {
    "InvoiceCreated": {},
    "InvoiceReceivedPayment": {
        "afterExpiration": True,
        "paymentMethodId": "BTC-CHAIN",
        "payment": {"id": "a-0", "value": "0.1", "status": "Processing"},
    },
    "InvoicePaymentSettled": {"afterExpiration": False, "payment": {"value": 1e-8}},
    "InvoiceProcessing": {"overPaid": True},
    "InvoiceSettled": {"manuallyMarked": True, "overPaid": False},
    "InvoiceExpired": {"partiallyPaid": True},
    "InvoiceInvalid": {"manuallyMarked": False},
    "InvoiceSomethingNew": {"unheardOf": [1, {"deep": None}]},
}


@pytest.fixture
def source() -> BtcPayNotifications:
    return BtcPayNotifications((b"current-secret",))


def event(name: str, **more: Any) -> bytes:
    content = {
        "deliveryId": "Sw5bFZqyWmyBCcYcY9eR4R",
        "webhookId": "Gkbc3xSAL4oYKqAVHHZLqX",
        "originalDeliveryId": "Sw5bFZqyWmyBCcYcY9eR4R",
        "isRedelivery": False,
        "type": name,
        "timestamp": 1_795_000_100,
        "storeId": "5vUSQHpS8jnWKTG5XHnY",
        "invoiceId": INVOICE_ID,
        "metadata": {"orderId": "inv_1"},
    }
    return json.dumps(content | more).encode()


def test_the_signature_is_what_others_compute_too(source: BtcPayNotifications) -> None:
    """Written down once, made by ``openssl dgst -sha256 -hmac``; without its prefix it is none."""
    known = "78fafe8ad67ca1e3ad55581f6bcdae311d8ab886251b3b0f20c4ea05b1fe5f17"

    assert source.is_authentic({"btcpay-sig": f"sha256={known}"}, EXAMPLE)
    assert not source.is_authentic({"btcpay-sig": known}, EXAMPLE)


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_about_an_invoice_is_a_hint_to_read_it(
    source: BtcPayNotifications, name: str
) -> None:
    """Of any type; besides the order it is for, nothing that it says is taken."""
    body = event(name, **EVENTS[name])
    expected = Notice(INVOICE_ID, Snapshot(INVOICE_ID, None, "", order_id="inv_1"))

    assert expected == source.read(None, body)
    assert expected == source.read(INVOICE_ID, body)


@pytest.mark.parametrize("metadata", [None, {}, [], "inv_1", {"orderId": 1}, {"orderId": "a\nb"}])
def test_an_event_that_names_no_order_is_a_hint_all_the_same(
    source: BtcPayNotifications, metadata: object
) -> None:
    """The order is for invoices whose making was never answered; others are known by their id."""
    assert Notice(INVOICE_ID) == source.read(None, event("InvoiceSettled", metadata=metadata))


def test_a_second_delivery_is_another_body_and_the_same_hint(source: BtcPayNotifications) -> None:
    """It has an id and a time of its own, so only reading back is safe to do twice."""
    first = event("InvoiceSettled")
    second = event("InvoiceSettled", deliveryId="other", isRedelivery=True, timestamp=1)

    assert first != second
    assert source.read(None, first) == source.read(None, second)


def test_the_server_may_test_its_webhook(source: BtcPayNotifications) -> None:
    """The id it uses for that is readable; no such invoice will be found."""
    body = event("InvoiceSettled", invoiceId="__test__7b2f0c1e-2f__test__")

    assert "__test__7b2f0c1e-2f__test__" == source.read(None, body).reference


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{}", id="no invoice"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"null", id="null"),
        pytest.param(b"{", id="cut off"),
        pytest.param(b"\xff{}", id="not UTF-8"),
        pytest.param(b"[" * 99_999, id="too deep"),
        pytest.param(b'{"invoiceId":NaN}', id="not a number"),
        pytest.param(b'{"invoiceId":"a","invoiceId":"b"}', id="two invoices"),
        pytest.param(event("PayoutCreated", invoiceId=None), id="about a payout"),
        pytest.param(event("InvoiceSettled", invoiceId=17), id="an id that is a number"),
        pytest.param(event("InvoiceSettled", invoiceId=""), id="an empty id"),
        pytest.param(event("InvoiceSettled", invoiceId="../x"), id="an id that climbs"),
        pytest.param(event("InvoiceSettled", invoiceId="a" * 129), id="a long id"),
        pytest.param(event("InvoiceSettled", invoiceId="a\n"), id="an id with a line break"),
    ],
)
def test_anything_else_is_unreadable(source: BtcPayNotifications, body: bytes) -> None:
    """It is parked with its bytes, and its words repeat none of them."""
    with pytest.raises(Unreadable) as caught:
        source.read(None, body)

    assert str(caught.value) in {"invoice id", "not JSON", "not a JSON object"}


def test_a_path_about_another_invoice_is_a_contradiction(source: BtcPayNotifications) -> None:
    """The signature covers the body, not the path."""
    with pytest.raises(Unreadable, match="path and invoice id differ"):
        source.read("another", event("InvoiceSettled"))
