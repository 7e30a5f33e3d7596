"""What the provider tells the merchant, and how it signs it.

The signature is the HMAC-SHA512, in hexadecimal, of the same JSON with its keys in order. The bytes
that are sent have them in the provider's own order.
"""

import hashlib
import hmac

from payops.sandbox.nowpayments.book import Payment
from payops.sandbox.nowpayments.javascript import Value, sorted_keys, stringify
from payops.sandbox.nowpayments.outcomes import Spelling, Tell
from payops.sandbox.nowpayments.wire import estimated
from payops.sandbox.replying import Signature

SIGNATURE_HEADER = "x-nowpayments-sig"


def content_of(payment: Payment, tell: Tell) -> dict[str, Value]:
    """The members of the notification: the payment's id is a number, the purchase's a text."""
    settled = payment.settlement
    coin = settled.coin if settled else payment.shown_coin
    content: dict[str, Value] = {
        "payment_id": payment.id,
        "parent_payment_id": payment.parent.id if payment.parent else None,
        "invoice_id": payment.invoice.id if payment.invoice else None,
        "payment_status": tell.says or payment.status,
        "pay_address": payment.stated_address,
        "payin_extra_id": payment.stated_memo,
        "price_amount": payment.stated_price,
        "price_currency": payment.stated_currency,
        "pay_amount": payment.pay_amount,
        "actually_paid": payment.actually_paid,
        "pay_currency": payment.shown_coin.code,
        "order_id": payment.stated_order_id,
        "order_description": payment.order.order_description,
        "purchase_id": str(payment.purchase_id),
        "outcome_amount": settled.amount if settled else estimated(payment),
        "outcome_currency": coin.code,
        "payment_extra_ids": [child.id for child in payment.children] or None,
        "updated_at": int(payment.updated_at.timestamp() * 1_000),
    }
    if tell.has_fee:
        content["actually_paid_at_fiat"] = 0
        content["fee"] = {
            "currency": coin.code,
            "depositFee": settled.deposit_fee if settled else 0,
            "withdrawalFee": 0,
            "serviceFee": settled.service_fee if settled else 0,
        }
    return content


def body_of(content: dict[str, Value], spelling: Spelling) -> bytes:
    """The bytes that are sent."""
    digits = str(content["payment_id"])
    spelled = {
        Spelling.DIGITS: digits,
        Spelling.FRACTION: f"{digits}.0",
        Spelling.EXPONENT: f"{digits[0]}.{digits[1:]}e{len(digits) - 1}",
    }[spelling]
    body = stringify(content)
    return body.replace(f'"payment_id":{digits}', f'"payment_id":{spelled}', 1).encode()


def headers_of(content: dict[str, Value], signature: Signature, secret: str) -> dict[str, str]:
    headers = {"content-type": "application/json", "user-agent": "NOWPayments v1.0"}
    match signature:
        case Signature.GENUINE:
            headers[SIGNATURE_HEADER] = sign(content, secret)
        case Signature.WRONG:
            headers[SIGNATURE_HEADER] = sign(content, secret + "?")
        case Signature.MISSING:
            pass
    return headers


def sign(content: Value, secret: str) -> str:
    """The signature of a notification with these members."""
    canonical = stringify(sorted_keys(content)).encode()
    return hmac.digest(secret.strip().encode(), canonical, hashlib.sha512).hex()
