"""What the rail tells the merchant: bodies in their several forms, signed over their raw bytes."""

import hashlib
import hmac
import json
from typing import Any, assert_never

from payops.sandbox.lipana.book import Payout, Status
from payops.sandbox.lipana.outcomes import Callback, Form, Naming, Signature

SIGNATURE_HEADER = "x-lipana-signature"


def body_of(payout: Payout, callback: Callback) -> bytes:
    """The body of ``callback`` about ``payout`` as it is now."""
    says = callback.says or payout.status.value
    content: dict[str, Any]
    match callback.form:
        case Form.PLAIN:
            content = _plain(payout, callback, says)
        case Form.NESTED:
            content = {"event": _event(callback, says), "data": _data(payout, callback, says)}
        case Form.FLAT:
            content = _flat(payout, callback, says)
        case _:
            assert_never(callback.form)
    return json.dumps(content, ensure_ascii=False).encode()


def headers_of(body: bytes, signature: Signature, secret: str, *, attempt: int) -> dict[str, str]:
    """The headers of delivery number ``attempt``, counted from zero."""
    headers = {"content-type": "application/json", "user-agent": "Lipana-Webhook/1.0"}
    digest = sign(body, secret)
    match signature:
        case Signature.HEX:
            headers[SIGNATURE_HEADER] = digest
        case Signature.PREFIXED:
            headers[SIGNATURE_HEADER] = f"sha256={digest}"
        case Signature.UPPER_CASE:
            headers[SIGNATURE_HEADER] = digest.upper()
        case Signature.WRONG:
            headers[SIGNATURE_HEADER] = sign(body, secret + "?")
        case Signature.WRONG_AT_FIRST:
            headers[SIGNATURE_HEADER] = digest if attempt else sign(body, secret + "?")
        case Signature.MISSING:
            pass
        case _:
            assert_never(signature)
    return headers


def sign(body: bytes, secret: str) -> str:
    """HMAC-SHA256 of ``body`` in lower-case hexadecimal."""
    return hmac.digest(secret.encode(), body, hashlib.sha256).hex()


def _plain(payout: Payout, callback: Callback, says: str) -> dict[str, Any]:
    content: dict[str, Any] = {"transactionId": _name(payout, callback)}
    user_id = callback.user_id or payout.order.user_id
    if user_id is not None:
        content["userId"] = user_id
    content |= {"amountKES": _amount(payout, callback), "status": says}
    return content | _end(payout, says)


def _data(payout: Payout, callback: Callback, says: str) -> dict[str, Any]:
    return {
        "transactionId": _name(payout, callback),
        "amount": _amount(payout, callback),
        "currency": "KES",
        "status": says,
        "phone": payout.order.phone,
        "timestamp": payout.updated_at.isoformat(timespec="milliseconds"),
    }


def _flat(payout: Payout, callback: Callback, says: str) -> dict[str, Any]:
    return {
        "event": _event(callback, says),
        "transaction_id": _name(payout, callback),
        "phone": payout.order.phone,
        "amount": _amount(payout, callback),
        "reference": payout.id,
    }


def _end(payout: Payout, says: str) -> dict[str, Any]:
    if says == Status.SUCCESS:
        return {"receipt": payout.receipt}
    if says == Status.FAILED:
        return {"errorMessage": payout.failure or payout.script.failure}
    return {}


def _event(callback: Callback, says: str) -> str:
    return callback.event or f"transaction.{says}"


def _amount(payout: Payout, callback: Callback) -> int:
    return payout.order.amount_kes + callback.amount_off_by_kes


def _name(payout: Payout, callback: Callback) -> str:
    match callback.naming:
        case Naming.MERCHANT:
            return payout.reference
        case Naming.RAIL:
            return payout.id
        case Naming.UNKNOWN:
            return f"{payout.id[:-6]}ffffff"
        case _:
            assert_never(callback.naming)
