"""Lipana's requests and answers as bytes: what it accepts, and what it says."""

import json
import re
from typing import Any

from starlette.responses import Response

from payops.sandbox.lipana.book import Order, Payout, Status
from payops.sandbox.lipana.outcomes import Lookup, Refusal
from payops.sandbox.replies import answer
from payops.sandbox.settings import Envelope, Settings

AMOUNT_KES_MIN = 10
ID_CHARACTERS_MAX = 128
_PHONE = re.compile(r"254[71][0-9]{8}")

UNAUTHORIZED = Refusal(401, "AUTHENTICATION_FAILED", "Invalid API key")
FORBIDDEN = Refusal(403, "FORBIDDEN", "This key may not make payouts")
RATE_LIMITED = Refusal(429, "RATE_LIMIT_EXCEEDED", "Too many requests")
SERVER_ERROR = Refusal(500, "INTERNAL_ERROR", "Something went wrong")
NOT_FOUND = Refusal(404, "NOT_FOUND", "Payout not found")
OTHER_ORDER = Refusal(409, "DUPLICATE_TRANSACTION", "transactionId was used for another payout")

#: What a fault of the whole rail looks like.
ERRORS = {
    refused.status: refused for refused in (UNAUTHORIZED, FORBIDDEN, RATE_LIMITED, SERVER_ERROR)
}


class Invalid(Exception):
    """A request that the rail turns away; field names and what is wrong with them."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(", ".join(errors))
        self.errors = errors


def read_order(body: bytes, settings: Settings) -> Order:
    """The order in a POST's body.

    Raises:
        Invalid: it is not JSON, or a field is missing or out of range.
    """
    content = read_object(body)
    phone, amount = content.get("phone"), content.get("amount")
    errors = {}
    if not isinstance(phone, str) or not _PHONE.fullmatch(phone):
        errors["phone"] = "must be 2547 or 2541 and eight digits"
    # A JSON true is an int to Python, and a 10.0 is none: exactly int is meant.
    if type(amount) is not int or amount < AMOUNT_KES_MIN:
        errors["amount"] = f"must be a whole number of at least {AMOUNT_KES_MIN}"
    for name in ("transactionId", "userId"):
        value = content.get(name)
        if value is not None and not _is_id(value):
            errors[name] = f"must be a text of 1 to {ID_CHARACTERS_MAX} characters"
    url = content.get("callbackUrl")
    if url is not None and not (isinstance(url, str) and settings.may_call(url)):
        errors["callbackUrl"] = "is not a URL that can be called"
    if errors:
        raise Invalid(errors)
    return Order(
        phone=str(phone),
        amount_kes=int(str(amount)),
        transaction_id=content.get("transactionId"),
        user_id=content.get("userId"),
        callback_url=url,
    )


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in ``body``. Raises Invalid when there is none."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise Invalid({"body": "must be a JSON object"})
    return content


def shown(
    payout: Payout, lookup: Lookup = Lookup.TRUTH, *, says: str | None = None
) -> dict[str, Any]:
    """The payout as Lipana shows it, ``says`` in place of the true status."""
    status = says or payout.status.value
    if lookup is Lookup.COMPLETED and status == Status.SUCCESS:
        status = "completed"
    content: dict[str, Any] = {"id": payout.id}
    if payout.order.transaction_id is not None:
        content["transactionId"] = payout.order.transaction_id
    content |= {
        "status": status,
        "amount": payout.order.amount_kes,
        "recipientPhone": payout.order.phone,
        "phone": payout.order.phone,
        "payoutMethod": "phone",
        "createdAt": payout.created_at.isoformat(timespec="milliseconds"),
        "updatedAt": payout.updated_at.isoformat(timespec="milliseconds"),
    }
    if payout.status is Status.SUCCESS and says is None:
        content["metadata"] = {"mpesaReceiptNumber": payout.receipt}
    return content


def one(
    payout: dict[str, Any], envelope: Envelope, *, status: int = 200, success: bool = True
) -> Response:
    """The answer that carries one payout."""
    message = "Payout initiated" if success else "Payout could not be initiated"
    return answer(status, {"success": success, envelope: payout, "message": message})


def many(payouts: list[dict[str, Any]], *, page: int, limit: int, total: int) -> Response:
    """One page of the list."""
    pagination = {"page": page, "limit": limit, "total": total, "pages": -(-total // limit)}
    return answer(200, {"success": True, "data": payouts, "pagination": pagination})


def refusal(refused: Refusal, errors: dict[str, str] | None = None) -> Response:
    """The error envelope."""
    content: dict[str, Any] = {
        "success": False,
        "message": refused.message,
        "code": refused.code,
    }
    if errors is not None:
        content["errors"] = [{"field": name, "message": why} for name, why in errors.items()]
    response = answer(refused.status, content)
    if refused.retry_after_seconds is not None:
        response.headers["retry-after"] = str(refused.retry_after_seconds)
    return response


def invalid(error: Invalid) -> Response:
    """400 with what is wrong."""
    return refusal(Refusal(400, "VALIDATION_ERROR", "The request is not valid"), error.errors)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= ID_CHARACTERS_MAX and value.isprintable()
