"""NOWPayments' requests and answers as bytes.

The same field is a text in one answer and a number in the next; that is the provider's way, and
merchants must cope with it.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from starlette.responses import Response

from payops.sandbox.nowpayments.book import QUOTE, Invoice, Order, Payment
from payops.sandbox.nowpayments.coins import COINS, Coin
from payops.sandbox.nowpayments.javascript import Value, stringify
from payops.sandbox.prices import FIAT_USD
from payops.sandbox.replying import Refusal
from payops.sandbox.settings import Settings

WATCHED = timedelta(days=7)  #: how long coins are waited for
MINIMUM_USD = Decimal(1)

_TEXT_CHARACTERS_MAX = 1_000
_AMOUNT_MAX = Decimal(10) ** 12

INVALID_KEY = Refusal(403, "INVALID_API_KEY", "Invalid api key")
UNAVAILABLE = Refusal(400, "CURRENCY_UNAVAILABLE", "Currency is unavailable")
NOT_FOUND = Refusal(404, "NOT_FOUND", "Payment not found")
NOT_A_NUMBER = Refusal(400, "INVALID_REQUEST_PARAMS", "id must be a number")
ERRORS = {
    401: Refusal(401, "AUTH_REQUIRED", "Authorization header is empty"),
    403: INVALID_KEY,
    429: Refusal(429, "TOO_MANY_REQUESTS", "Too many requests"),
    500: Refusal(500, "INTERNAL_ERROR", "Internal error"),
}


class Invalid(Exception):
    """A request that is turned away, with the answer."""

    def __init__(self, refused: Refusal) -> None:
        super().__init__(refused.message)
        self.refused = refused


def invalid(message: str) -> Invalid:
    return Invalid(Refusal(400, "INVALID_REQUEST_PARAMS", message))


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in ``body``, numbers exact. Raises Invalid."""
    try:
        content = json.loads(body, parse_float=Decimal, parse_int=Decimal, parse_constant=_refused)
    except (ValueError, ArithmeticError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise invalid("the body must be a JSON object")
    return content


def read_order(content: Mapping[str, Any], settings: Settings) -> Order:
    """What is to be paid and where it is told. Raises Invalid."""
    amount = content.get("price_amount")
    if not isinstance(amount, Decimal) or not 0 < amount < _AMOUNT_MAX:
        raise invalid("price_amount must be a positive number")
    currency = content.get("price_currency")
    if not isinstance(currency, str):
        raise invalid("price_currency is required")
    urls = {
        name: _text(content, name)
        for name in ("ipn_callback_url", "success_url", "cancel_url", "partially_paid_url")
    }
    told = urls["ipn_callback_url"]
    if told is not None and not settings.may_call(told):
        raise invalid("ipn_callback_url must be a valid uri")
    return Order(
        price_amount=amount,
        price_currency=currency.lower(),
        price_usd=amount * worth_of(currency),
        order_id=_text(content, "order_id"),
        order_description=_text(content, "order_description"),
        ipn_callback_url=told,
        success_url=urls["success_url"],
        cancel_url=urls["cancel_url"],
        is_fixed_rate=content.get("is_fixed_rate") is True,
        is_fee_paid_by_user=content.get("is_fee_paid_by_user") is True,
    )


def worth_of(currency: str) -> Decimal:
    """What one unit of a currency or coin is worth in dollars. Raises Invalid."""
    code = currency.lower()
    if code in FIAT_USD:
        return FIAT_USD[code]
    if code in COINS:
        return COINS[code].usd
    raise Invalid(Refusal(400, "BAD_REQUEST", f"Currency {code[:20]} was not found"))


def read_coin(content: Mapping[str, Any], name: str = "pay_currency") -> Coin:
    """The coin named in a request. Raises Invalid."""
    code = content.get(name)
    if not isinstance(code, str) or not code:
        raise invalid(f"{name} is required")
    coin = COINS.get(code.lower())
    if coin is None:
        raise Invalid(UNAVAILABLE)
    return coin


def number_of(text: object) -> int | None:
    """An id in digits, from a path or a body; None for anything else."""
    written = f"{text:f}" if isinstance(text, Decimal) else text
    if not (isinstance(written, str) and written.isascii() and written.isdigit()):
        return None
    return int(written) if len(written) <= 19 else None


def opened(payment: Payment) -> dict[str, Value]:
    """The answer to the POST that made ``payment``: both ids are texts here."""
    order, coin = payment.order, payment.coin
    return {
        "payment_id": str(payment.id),
        "payment_status": payment.status,
        "pay_address": payment.address,
        "price_amount": order.price_amount,
        "price_currency": order.price_currency,
        "pay_amount": payment.pay_amount,
        "pay_currency": coin.code,
        "amount_received": None,
        "order_id": order.order_id,
        "order_description": order.order_description,
        "payin_extra_id": payment.memo,
        "ipn_callback_url": order.ipn_callback_url,
        "created_at": moment(payment.created_at),
        "updated_at": moment(payment.updated_at),
        "purchase_id": str(payment.purchase_id),
        "smart_contract": coin.contract,
        "network": coin.network,
        "network_precision": str(coin.decimals),
        "time_limit": None,
        "burning_percent": None,
        "expiration_estimate_date": moment(payment.quote_ends_at),
        "is_fixed_rate": order.is_fixed_rate,
        "is_fee_paid_by_user": order.is_fee_paid_by_user,
        "valid_until": moment(payment.created_at + (QUOTE if order.is_fixed_rate else WATCHED)),
        "type": "crypto2crypto",
    }


def shown(payment: Payment) -> dict[str, Value]:
    """The answer to a GET: ids are numbers, the purchase's as well."""
    settled = payment.settlement
    content: dict[str, Value] = {
        "payment_id": payment.id,
        "invoice_id": payment.invoice.id if payment.invoice else None,
        "payment_status": payment.status,
        "pay_address": payment.stated_address,
        "payin_extra_id": payment.stated_memo,
        "price_amount": payment.stated_price,
        "price_currency": payment.stated_currency,
        "pay_amount": payment.pay_amount,
        "actually_paid": payment.actually_paid,
        "pay_currency": payment.shown_coin.code,
        "order_id": payment.stated_order_id,
        "order_description": payment.order.order_description,
        "purchase_id": payment.purchase_id,
        "outcome_amount": settled.amount if settled else estimated(payment),
        "outcome_currency": (settled.coin if settled else payment.shown_coin).code,
        "payin_hash": payment.arrivals[0].hash if payment.arrivals else None,
        "payout_hash": None,
        "burning_percent": "null",
        "type": "crypto2crypto",
        "created_at": moment(payment.created_at),
        "updated_at": moment(payment.updated_at),
    }
    if payment.parent is not None:
        content |= {"parent_payment_id": payment.parent.id, "origin_type": "REPEATED"}
    if payment.children:
        content["payment_extra_ids"] = [child.id for child in payment.children]
    return content


def estimated(payment: Payment) -> Decimal:
    """What an outcome would be if all were paid that was asked for."""
    return payment.pay_amount


def page(invoice: Invoice, url: str) -> dict[str, Value]:
    """The answer to the POST that made ``invoice``: its id and its price are texts."""
    order = invoice.order
    return {
        "id": str(invoice.id),
        "token_id": str(invoice.id + 1),
        "order_id": order.order_id,
        "order_description": order.order_description,
        "price_amount": f"{order.price_amount:f}",
        "price_currency": order.price_currency.upper(),
        "pay_currency": invoice.pay_coin.code if invoice.pay_coin else None,
        "ipn_callback_url": order.ipn_callback_url,
        "invoice_url": url,
        "success_url": order.success_url,
        "cancel_url": order.cancel_url,
        "payout_currency": None,
        "created_at": moment(invoice.created_at),
        "updated_at": moment(invoice.created_at),
        "is_fixed_rate": order.is_fixed_rate,
        "is_fee_paid_by_user": order.is_fee_paid_by_user,
    }


def described(coin: Coin, *, number: int) -> dict[str, Value]:
    """A coin's record in the full list, number ``number`` of it."""
    return {
        "id": number,
        "code": coin.code.upper(),
        "name": coin.name,
        "enable": True,
        "wallet_regex": coin.wallet_regex,
        "priority": number,
        "extra_id_exists": coin.has_memo,
        "extra_id_regex": "^[0-9]{1,19}$" if coin.has_memo else None,
        "logo_url": f"/images/coins/{coin.code}.svg",
        "track": True,
        "cg_id": coin.name.lower(),
        "is_maxlimit": False,
        "network": coin.network,
        "smart_contract": coin.contract,
        "network_precision": str(coin.decimals),
        "precision": coin.amount_decimals,
        "ticker": coin.ticker,
        "is_popular": coin.code == "btc",
        "is_stable": coin.usd == 1,
        "available_for_payment": True,
        "available_for_payout": True,
        "available_for_to_conversion": True,
        "extra_id_optional": False,
    }


def answer(status: int, content: Value) -> Response:
    """JSON as JavaScript writes it."""
    body = stringify(content).encode()
    return Response(body, status, media_type="application/json; charset=utf-8")


def refusal(refused: Refusal) -> Response:
    """The error envelope."""
    content: dict[str, Value] = {
        "status": False,
        "statusCode": refused.status,
        "code": refused.code,
        "message": refused.message,
    }
    response = answer(refused.status, content)
    if refused.retry_after_seconds is not None:
        response.headers["retry-after"] = str(refused.retry_after_seconds)
    return response


def moment(when: datetime) -> str:
    """As JavaScript's ``toISOString`` writes it."""
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(content: Mapping[str, Any], name: str) -> str | None:
    value = content.get(name)
    if value is not None and not (isinstance(value, str) and len(value) <= _TEXT_CHARACTERS_MAX):
        raise invalid(f"{name} must be a string")
    return value


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no number")
