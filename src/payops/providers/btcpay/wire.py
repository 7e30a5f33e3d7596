"""Greenfield's JSON, as BTCPay Server writes it from version 2 on.

Amounts are decimal texts and times whole seconds since 1970. A value that is there but cannot
be what it should be makes the whole unreadable; a word that is new is kept as it is. What is
relied on: docs/providers/btcpay.md.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from payops.deposits.domain.prices import StatedPrice, stated
from payops.providers.reading import (
    TEXT_CHARACTERS_MAX,
    NotUnderstood,
    Object,
    read_json,
    read_object,
    shortened,
)

ADDRESS_CHARACTERS_MAX: Final = 128
LINK_CHARACTERS_MAX: Final = 500
_LIST_MAX: Final = 1000
_SECONDS_MAX: Final = 2**33

_ID = re.compile(r"[0-9A-Za-z_-]{1,128}", re.ASCII)
_VISIBLE = re.compile(r"[\x21-\x7e]+", re.ASCII)
_LINK = re.compile(r"https?://[\x21-\x7e]+", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,18})?(?:[eE][+-]?[0-9]{1,2})?", re.ASCII)
_DIGITS_BEFORE_MAX: Final = 20
_DIGITS_AFTER_MAX: Final = 18

# The method of paying on the coin's own chain. `BTC-LN`, say, is another way to pay with it.
ON_CHAIN: Final = "-CHAIN"

_REPLACED: Final = "Invalid"  # of a payment: spent otherwise, or paid again with a higher fee
_SETTLED: Final = "Settled"


@dataclass(frozen=True, slots=True)
class Invoice:
    """``price`` is ``None`` when it names no currency."""

    id: str
    status: str
    additional_status: str  # "None" when there is nothing to add
    price: StatedPrice | None
    order_id: str | None
    link: str | None  # of the page
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Payment:
    id: str
    amount: Decimal
    is_settled: bool
    received_at: datetime | None


@dataclass(frozen=True, slots=True)
class Method:
    """One way to pay an invoice, and what was paid in that way.

    ``coin`` is the coin only if it is paid on its own chain, and otherwise the method's name:
    a coin that nobody invoiced.
    """

    id: str
    coin: str
    address: str | None
    pay_amount: Decimal | None
    payments: tuple[Payment, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """``code`` is the server's, or which fields of the request it is about."""

    code: str
    message: str


def read_invoice(body: bytes) -> Invoice:
    """Raises ``NotUnderstood`` if ``body`` is no invoice, or one that cannot be."""
    content = read_object(body)
    return Invoice(
        id=id_of(content.get("id"), "id"),
        status=_word(content.get("status"), "status"),
        additional_status=_word(content.get("additionalStatus") or "None", "additional status"),
        price=_price(content),
        order_id=order_id_in(content),
        link=_link(content.get("checkoutLink")),
        expires_at=_moment(content.get("expirationTime"), "expiration time"),
    )


def order_id_in(content: Object) -> str | None:
    """What we named the order, of an invoice or of an event about one."""
    metadata = content.get("metadata")
    if not isinstance(metadata, dict):
        return None
    return _text(metadata.get("orderId"), TEXT_CHARACTERS_MAX)


def read_methods(body: bytes) -> tuple[Method, ...]:
    """Raises ``NotUnderstood`` if ``body`` is no list of ways to pay."""
    return tuple(_method(entry) for entry in _objects(read_json(body), "methods"))


def read_rate(body: bytes, pair: str) -> Decimal:
    """Raises ``NotUnderstood`` if there is no positive rate for ``pair``."""
    for entry in _objects(read_json(body), "rates"):
        if entry.get("currencyPair") == pair and not entry.get("errors"):
            rate = decimal_of(entry.get("rate"), "rate")
            if rate > 0:
                return rate
    raise NotUnderstood("no rate")


def refusal_in(body: bytes) -> Refusal | None:
    """What an error says: an object with a code, or a list of fields; ``None`` for neither."""
    try:
        content = read_json(body)
        entries = _objects(content if isinstance(content, list) else [content], "errors")
    except NotUnderstood:
        return None
    message = _joined(entry.get("message") for entry in entries)
    # An invoice is no refusal, whatever the status it came with.
    if not message or any("id" in entry for entry in entries):
        return None
    return Refusal(_joined(entry.get("code") or entry.get("path") for entry in entries), message)


def id_of(value: object, what: str) -> str:
    """Raises ``NotUnderstood`` unless ``value`` could be an id, which goes into paths."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise NotUnderstood(what)
    return value


def decimal_of(value: object, what: str) -> Decimal:
    """``value``, a text or a number, exactly.

    Raises:
        NotUnderstood: no number, or one longer than any amount.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise NotUnderstood(what)
    if isinstance(value, Decimal) and not value.is_finite():
        raise NotUnderstood(what)
    text = str(value)
    if not _NUMBER.fullmatch(text):
        raise NotUnderstood(what)
    number = Decimal(text)
    exponent = number.as_tuple().exponent
    if number.adjusted() >= _DIGITS_BEFORE_MAX or int(exponent) < -_DIGITS_AFTER_MAX:
        raise NotUnderstood(what)
    return number


def _method(entry: Object) -> Method:
    method = id_of(entry.get("paymentMethodId"), "method")
    is_on_chain = method.endswith(ON_CHAIN)
    amount = entry.get("amount")
    pay_amount = None if amount is None else decimal_of(amount, "amount")
    payments = _objects(entry.get("payments", []), "payments")
    return Method(
        id=method,
        coin=(method.removesuffix(ON_CHAIN) if is_on_chain else method).upper(),
        address=_text(entry.get("destination"), ADDRESS_CHARACTERS_MAX) if is_on_chain else None,
        pay_amount=pay_amount if pay_amount and pay_amount > 0 else None,
        payments=tuple(
            payment for content in payments if (payment := _payment(content)) is not None
        ),
    )


def _payment(content: Object) -> Payment | None:
    """``None`` for what is no money: a payment that was replaced, or one of nothing."""
    status = _word(content.get("status"), "payment status")
    amount = decimal_of(content.get("value"), "payment value")
    if amount < 0:
        raise NotUnderstood("payment value")
    if status == _REPLACED or amount == 0:
        return None
    payment_id = _text(content.get("id"), TEXT_CHARACTERS_MAX)
    if payment_id is None:
        raise NotUnderstood("payment id")
    return Payment(
        id=payment_id,
        amount=amount,
        is_settled=status == _SETTLED,
        received_at=_moment(content.get("receivedDate"), "received date"),
    )


def _price(content: Object) -> StatedPrice | None:
    """As stated, in whatever currency: what it says of another is not silence."""
    amount = decimal_of(content.get("amount"), "amount")
    if amount < 0:
        raise NotUnderstood("amount")
    currency = content.get("currency")
    return None if currency is None else stated(amount, _word(currency, "currency"))


def _moment(value: object, what: str) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < _SECONDS_MAX:
        raise NotUnderstood(what)
    return datetime.fromtimestamp(value, UTC)


def _word(value: object, what: str) -> str:
    if not isinstance(value, str) or not value.isascii() or not value.isalnum():
        raise NotUnderstood(what)
    return value[:100]


def _text(value: object, characters_max: int) -> str | None:
    """``value`` if it is visible ASCII of bounded length; anything else is as if not given."""
    fits = isinstance(value, str) and len(value) <= characters_max and _VISIBLE.fullmatch(value)
    return str(value) if fits else None


def _link(value: object) -> str | None:
    text = _text(value, LINK_CHARACTERS_MAX)
    return text if text and _LINK.fullmatch(text) else None


def _objects(value: object, what: str) -> list[Object]:
    if not isinstance(value, list) or len(value) > _LIST_MAX:
        raise NotUnderstood(what)
    if not all(isinstance(entry, dict) for entry in value):
        raise NotUnderstood(what)
    return value


def _joined(values: Iterable[object]) -> str:
    return shortened("; ".join(value for value in values if isinstance(value, str) and value))
