"""The server's requests and answers as bytes. Amounts are texts, moments are Unix seconds."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from starlette.responses import Response

from payops.sandbox.btcpay.book import COINS, Invoice, Method, Order, Payment
from payops.sandbox.prices import FIAT_USD
from payops.sandbox.replies import answer
from payops.sandbox.replying import Refusal

_MINUTES = {"expirationMinutes": 15, "monitoringMinutes": 1_440}
_MINUTES_MAX = 10_000_000
_AMOUNT_MAX = Decimal(10) ** 12
_METHOD = "-CHAIN"

UNAUTHENTICATED = Refusal(401, "unauthenticated", "Authentication is required")
FORBIDDEN = Refusal(403, "missing-permission", "Insufficient API permissions")
STORE_NOT_FOUND = Refusal(404, "store-not-found", "The store was not found")
NOT_FOUND = Refusal(404, "invoice-not-found", "The invoice was not found")
ERRORS = {
    401: UNAUTHENTICATED,
    403: FORBIDDEN,
    429: Refusal(429, "throttled", "Too many requests"),
    500: Refusal(500, "generic-error", "Something went wrong"),
}


class Invalid(Exception):
    """A request that is turned away: the field, and what is wrong with it."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.refused = Refusal(422, path, message)


def read_order(body: bytes) -> Order:
    """What is to be paid. Raises Invalid."""
    content = _object(body)
    price, currency = _price(content.get("amount")), content.get("currency")
    if not isinstance(currency, str) or currency.lower() not in FIAT_USD:
        raise Invalid("currency", "Invalid currency")
    checkout, metadata = content.get("checkout") or {}, content.get("metadata") or {}
    if not isinstance(checkout, dict) or not isinstance(metadata, dict):
        raise Invalid("checkout", "Must be an object, as must metadata")
    lasts, watched = (_minutes(checkout, name) for name in _MINUTES)
    return Order(
        price=price,
        currency=currency.upper(),
        price_usd=(price or Decimal(0)) * FIAT_USD[currency.lower()],
        coins=_coins(checkout.get("paymentMethods")),
        metadata=metadata,
        checkout=checkout,
        lasts=lasts,
        is_watched_for=watched,
    )


def shown(invoice: Invoice, origin: str) -> dict[str, Any]:
    """An invoice; ``origin`` is where its page is."""
    order = invoice.order
    covered = invoice.covered
    return {
        "id": invoice.id,
        "storeId": None,
        "amount": f"{order.price or Decimal(0):f}",
        "paidAmount": f"{(order.price or Decimal(0)) * covered:f}",
        "currency": invoice.script.currency or order.currency,
        "type": "Standard" if order.price is not None else "TopUp",
        "checkoutLink": f"{origin}/btcpay/i/{invoice.id}",
        "createdTime": seconds(invoice.created_at),
        "expirationTime": seconds(invoice.expires_at),
        "monitoringExpiration": seconds(invoice.expires_at + order.is_watched_for),
        "status": invoice.status.value,
        "additionalStatus": invoice.addition.value,
        "availableStatusesForManualMarking": ["Settled", "Invalid"],
        "archived": False,
        "metadata": dict(order.metadata),
        "checkout": dict(order.checkout),
    }


def methods(invoice: Invoice) -> list[dict[str, Any]]:
    """The ways to pay an invoice, each with what was paid in that way."""
    return [_method(invoice, method) for method in invoice.methods.values()]


def refusal(refused: Refusal) -> Response:
    """An error: a list of fields with 422, otherwise one object."""
    if refused.status == 422:
        return answer(422, [{"path": refused.code, "message": refused.message}])
    return answer(refused.status, {"code": refused.code, "message": refused.message})


def seconds(when: datetime) -> int:
    return int(when.timestamp())


def payment(paid: Payment, address: str) -> dict[str, Any]:
    """One payment, in the list of its method and in events."""
    return {
        "id": paid.id,
        "receivedDate": seconds(paid.received_at),
        "value": f"{paid.value:f}",
        "fee": "0.0",
        "status": paid.status.value,
        "destination": address,
    }


def method_id(coin: str) -> str:
    return f"{coin}{_METHOD}"


def _method(invoice: Invoice, method: Method) -> dict[str, Any]:
    received = invoice.received(method.coin)
    due = method.amount * (1 - invoice.covered)
    return {
        "paymentMethodId": method_id(method.coin),
        "currency": method.coin,
        "destination": method.address,
        "paymentLink": f"{method.coin.lower()}:{method.address}?amount={method.amount:f}",
        "rate": f"{method.rate:f}",
        "paymentMethodPaid": f"{received:f}",
        "totalPaid": f"{method.amount * invoice.covered:f}",
        "due": f"{due:f}",
        "amount": f"{method.amount:f}",
        "networkFee": "0.0",
        "paymentMethodFee": "0.0",
        "activated": True,
        "payments": [
            payment(paid, method.address) for paid in invoice.payments if paid.coin == method.coin
        ],
    }


def _object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise Invalid("", "The body must be a JSON object")
    return content


def _price(value: object) -> Decimal | None:
    if value is None:
        return None
    try:
        price = Decimal(str(value)) if isinstance(value, str | int | Decimal) else Decimal("NaN")
    except InvalidOperation:
        price = Decimal("NaN")
    if not (price.is_finite() and 0 < price < _AMOUNT_MAX):
        raise Invalid("amount", "The amount should be positive")
    return price


def _coins(wanted: object) -> tuple[str, ...]:
    """The chains asked for, Bitcoin alone where none is; as ``BTC-CHAIN`` or ``BTC``."""
    if wanted is None:
        return ("BTC",)
    if not isinstance(wanted, list) or not wanted:
        raise Invalid("checkout.paymentMethods", "Must be a list of payment methods")
    coins = [str(method).upper().removesuffix(_METHOD) for method in wanted]
    if not set(coins) <= set(COINS):
        raise Invalid("checkout.paymentMethods", "Invalid payment method")
    return tuple(dict.fromkeys(coins))


def _minutes(checkout: Mapping[str, Any], name: str) -> timedelta:
    value = checkout.get(name)
    if value is None:
        return timedelta(minutes=_MINUTES[name])
    if type(value) is not int or not 0 < value <= _MINUTES_MAX:
        raise Invalid(f"checkout.{name}", "Must be a whole number of minutes")
    return timedelta(minutes=value)
