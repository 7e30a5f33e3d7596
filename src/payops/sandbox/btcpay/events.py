"""What the webhook tells the merchant: little, signed over its raw bytes."""

import hashlib
import hmac
import json
import os
import time
from typing import Any

import base58

from payops.sandbox.btcpay import wire
from payops.sandbox.btcpay.book import Invoice, Payment
from payops.sandbox.btcpay.outcomes import Addition, Event
from payops.sandbox.replying import Signature

SIGNATURE_HEADER = "BTCPay-Sig"
WEBHOOK_ID = "SandboxWebhook"


def content_of(
    event: Event, invoice: Invoice, *, store_id: str, payment: Payment | None = None
) -> dict[str, Any]:
    """A first delivery of ``event``."""
    delivery_id = _delivery_id()
    return {
        "deliveryId": delivery_id,
        "webhookId": WEBHOOK_ID,
        "originalDeliveryId": delivery_id,
        "isRedelivery": False,
        "type": event.value,
        "timestamp": int(time.time()),
        "storeId": store_id,
        "invoiceId": invoice.id,
        "metadata": dict(invoice.order.metadata),
        **_details(event, invoice, payment),
    }


def delivered_again(content: dict[str, Any]) -> dict[str, Any]:
    """The same event in another delivery: it remembers the first, and is other bytes."""
    return content | {"deliveryId": _delivery_id(), "isRedelivery": True}


def body_of(content: dict[str, Any]) -> bytes:
    return json.dumps(content, indent=2, ensure_ascii=False).encode()


def headers_of(body: bytes, signature: Signature, secret: str) -> dict[str, str]:
    headers = {"content-type": "application/json; charset=utf-8"}
    match signature:
        case Signature.GENUINE:
            headers[SIGNATURE_HEADER] = sign(body, secret)
        case Signature.WRONG:
            headers[SIGNATURE_HEADER] = sign(body, secret + "?")
        case Signature.MISSING:
            pass
    return headers


def sign(body: bytes, secret: str) -> str:
    """HMAC-SHA256 of ``body`` in lower-case hexadecimal, after its name."""
    return f"sha256={hmac.digest(secret.encode(), body, hashlib.sha256).hex()}"


def _details(event: Event, invoice: Invoice, payment: Payment | None) -> dict[str, Any]:
    is_over = invoice.addition is Addition.OVER
    match event:
        case Event.RECEIVED_PAYMENT | Event.PAYMENT_SETTLED if payment is not None:
            return {
                "afterExpiration": payment.is_late,
                "paymentMethodId": wire.method_id(payment.coin),
                "payment": wire.payment(payment, invoice.methods[payment.coin].address),
            }
        case Event.PROCESSING:
            return {"overPaid": is_over}
        case Event.SETTLED:
            return {"manuallyMarked": invoice.is_marked, "overPaid": is_over}
        case Event.EXPIRED:
            return {"partiallyPaid": invoice.addition is Addition.PARTIAL}
        case Event.INVALID:
            return {"manuallyMarked": invoice.is_marked}
        case _:
            return {}


def _delivery_id() -> str:
    return base58.b58encode(os.urandom(16)).decode()
