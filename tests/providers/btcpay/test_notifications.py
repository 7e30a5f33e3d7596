"""Whether a notification is the store's, and which invoice it is about."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from payops.deposits.ports import Notice, Snapshot
from payops.providers.btcpay.notifications import BtcPayNotifications
from payops.webhooks.ports import Unreadable
from tests.providers.btcpay.examples import INVOICE_ID

SECRET = b"current-secret"
PREVIOUS = b"previous-secret"

EXAMPLE = b'{"type":"InvoiceSettled","invoiceId":"7s9oXkFqzRkW1vTAJpG4Ge"}'

BODIES = {
    "compact": b'{"a":1,"b":2}',
    "spaced": b'{ "a" : 1,\r\n  "b":2 }\n',
    "another order of names": b'{"b":2,"a":1}',
    "unicode": '{"name": "Njĩ 🙂 \\u0041"}'.encode(),
    "not JSON": b"\x00\xff",
    "empty": b"",
}

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
    return BtcPayNotifications((SECRET, PREVIOUS))


def signed(body: bytes, secret: bytes = SECRET, algorithm: str = "sha256") -> str:
    return f"sha256={hmac.new(secret, body, algorithm).hexdigest()}"


def headers(signature: str) -> dict[str, str]:
    return {"btcpay-sig": signature, "content-type": "text/plain"}


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


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_signature_over_the_raw_bytes_is_authentic(
    source: BtcPayNotifications, body: bytes
) -> None:
    """The bytes count as they came, whatever they mean."""
    assert source.is_authentic(headers(signed(body)), body)


def test_the_signature_is_what_others_compute_too(source: BtcPayNotifications) -> None:
    """Written down once, made by ``openssl dgst -sha256 -hmac``."""
    known = "sha256=78fafe8ad67ca1e3ad55581f6bcdae311d8ab886251b3b0f20c4ea05b1fe5f17"

    assert source.is_authentic(headers(known), EXAMPLE)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_one_changed_byte_is_not_authentic(source: BtcPayNotifications, body: bytes) -> None:
    """Every byte is covered, the last as well as the first, and so is the length."""
    signature = headers(signed(body))
    for position in range(len(body)):
        changed = bytearray(body)
        changed[position] ^= 1
        assert not source.is_authentic(signature, bytes(changed))
    assert not source.is_authentic(signature, body + b" ")


def test_the_same_json_in_other_bytes_is_not_authentic(source: BtcPayNotifications) -> None:
    """Nothing is normalised before it is verified."""
    signature = headers(signed(BODIES["compact"]))

    assert not source.is_authentic(signature, BODIES["spaced"])
    assert not source.is_authentic(signature, BODIES["another order of names"])


def test_case_and_previous_secret_are_tolerated(source: BtcPayNotifications) -> None:
    """Hexadecimal in either case, and the secret that is being replaced."""
    digits = signed(b"{}").removeprefix("sha256=")

    assert source.is_authentic(headers(f"sha256={digits.upper()}"), b"{}")
    assert source.is_authentic(headers(signed(b"{}", PREVIOUS)), b"{}")


GOOD = signed(b"{}")
DIGITS = GOOD.removeprefix("sha256=")


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param("", id="empty"),
        pytest.param("sha256=", id="only the prefix"),
        pytest.param(DIGITS, id="no prefix"),
        pytest.param(GOOD[:-1], id="one digit short"),
        pytest.param(GOOD + "0", id="one digit long"),
        pytest.param(GOOD + "\n", id="line break after"),
        pytest.param(f" {GOOD}", id="space before"),
        pytest.param(f"{GOOD}, {GOOD}", id="two headers joined"),
        pytest.param(f"{signed(b'?')},{GOOD}", id="a wrong and a right one joined"),
        pytest.param(f"sha512={DIGITS}", id="another prefix"),
        pytest.param(f"SHA256={DIGITS}", id="prefix in capitals"),
        pytest.param(f"sha256={'g' * 64}", id="not hexadecimal"),
        pytest.param(f"sha256={'٠' * 64}", id="digits of another script"),
        pytest.param(f"sha256={'0' * 64}", id="zeros"),
        pytest.param(signed(b"{}", algorithm="sha512"), id="sha-512"),
        pytest.param(signed(b"{}", algorithm="sha512")[:71], id="sha-512 cut to fit"),
        pytest.param(f"sha256={hashlib.sha256(b'{}').hexdigest()}", id="no key"),
        pytest.param(signed(b"{}", b""), id="empty key"),
        pytest.param(signed(b"{}", b"another"), id="another key"),
    ],
)
def test_any_other_signature_is_not_authentic(source: BtcPayNotifications, signature: str) -> None:
    """One well-formed HMAC-SHA256 under a secret of ours, or nothing."""
    assert not source.is_authentic(headers(signature), b"{}")


def test_a_missing_signature_is_not_authentic(source: BtcPayNotifications) -> None:
    """An unsigned notification is nobody's, and another provider's header does not count."""
    assert not source.is_authentic({}, b"{}")
    assert not source.is_authentic({"x-lipana-signature": GOOD}, b"{}")


@pytest.mark.parametrize("secrets", [(), (b"",), (b"", b"")])
def test_without_a_secret_nothing_is_authentic(secrets: tuple[bytes, ...]) -> None:
    """An empty secret is no secret: everybody could sign with it."""
    source = BtcPayNotifications(secrets)

    assert not source.is_authentic(headers(signed(b"{}", b"")), b"{}")


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
