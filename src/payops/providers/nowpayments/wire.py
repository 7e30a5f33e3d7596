"""NOWPayments' JSON, read tolerantly as to types and strictly as to values.

The same field is a number in one answer and a text in the next, and the text may be ``null``.
Absent is not zero. A value that is there but cannot be what it should be makes the whole
unreadable: half an understanding of a payment is worse than none. Unknown fields are left
alone. What is relied on: docs/providers/nowpayments.md.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from payops.deposits.domain.prices import StatedPrice, stated
from payops.providers.nowpayments.canonical import Number, parse
from payops.providers.reading import NotUnderstood, Object, shortened

T = TypeVar("T")

WORD_CHARACTERS_MAX: Final = 255
URL_CHARACTERS_MAX: Final = 2048
CHILDREN_MAX: Final = 100

# A signature covers a number's value as a double. Above this, several ids are one double.
ID_NUMBER_MAX: Final = 2**53 - 1
# What arithmetic on doubles leaves of eighteen decimals, and more coins than there are of any.
DECIMALS_MAX: Final = 36
WHOLE_DIGITS_MAX: Final = 18

_ID = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_CODE = re.compile(r"[0-9A-Za-z_-]{1,32}", re.ASCII)
_VISIBLE = re.compile(r"[\x21-\x7e]+", re.ASCII)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_FLAGS: Final[Mapping[Any, bool]] = {True: True, False: False, "true": True, "false": False}
_FEES: Final = ("depositFee", "withdrawalFee", "serviceFee")


@dataclass(frozen=True, slots=True)
class Fee:
    """What the provider keeps, in a coin that may be neither the paid nor the settled one."""

    coin: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class CoinRecord:
    """One row of ``full-currencies``; ``None``: it does not say."""

    code: str  # upper case
    network: str | None  # the provider's word
    contract: str | None
    is_enabled: bool | None
    is_payable: bool | None
    needs_memo: bool | None
    precision: int | None
    network_precision: int | None


def id_in(content: Object, name: str) -> str | None:
    """A numeric id, as it is spelled: plain digits, and no other spelling of the same number.

    Raises:
        NotUnderstood: anything else. A replay must not look like another payment.
    """
    value = _given(content, name)
    return None if value is None else _id(value, name)


def required_id_in(content: Object, name: str) -> str:
    return _required(id_in(content, name), name)


def ids_in(content: Object, name: str) -> tuple[str, ...]:
    """The ids in a list; none when it is not given."""
    value = _given(content, name)
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > CHILDREN_MAX:
        raise NotUnderstood(name)
    return tuple(_id(one, name) for one in value)


def amount_in(content: Object, name: str) -> Decimal | None:
    """An exact amount of at most ``DECIMALS_MAX`` decimals, never negative.

    Raises:
        NotUnderstood: no such number.
    """
    value = _given(content, name)
    return None if value is None else _amount(value, name)


def required_amount_in(content: Object, name: str) -> Decimal:
    return _required(amount_in(content, name), name)


def price_in(content: Object) -> StatedPrice | None:
    """The price as stated, in whatever currency; ``None`` when one half of it is not given."""
    amount, code = amount_in(content, "price_amount"), code_in(content, "price_currency")
    return None if amount is None or code is None else stated(amount, code)


def code_in(content: Object, name: str) -> str | None:
    """A currency's or network's code, in upper case."""
    value = _given(content, name)
    return None if value is None else _code(value, name)


def required_code_in(content: Object, name: str) -> str:
    return _required(code_in(content, name), name)


def word_in(content: Object, name: str) -> str | None:
    """An address, a hash, a memo: visible ASCII without blanks; a number as it is spelled."""
    value = _given(content, name)
    if value is None:
        return None
    if (
        not isinstance(value, str)
        or len(value) > WORD_CHARACTERS_MAX
        or not _VISIBLE.fullmatch(value)
    ):
        raise NotUnderstood(name)
    return str(value)


def required_word_in(content: Object, name: str) -> str:
    return _required(word_in(content, name), name)


def line_in(content: Object, name: str) -> str | None:
    """One line of text in any script, such as another shop's order id."""
    value = _given(content, name)
    if value is None:
        return None
    # Neither half a character nor a NUL is printable, and neither can be stored.
    if not isinstance(value, str) or len(value) > WORD_CHARACTERS_MAX or not value.isprintable():
        raise NotUnderstood(name)
    return str(value)


def url_in(content: Object, name: str) -> str:
    """An address for a browser.

    Raises:
        NotUnderstood: not http(s), without a host, or with credentials in it.
    """
    value = _given(content, name)
    if type(value) is not str or len(value) > URL_CHARACTERS_MAX or not _VISIBLE.fullmatch(value):
        raise NotUnderstood(name)
    try:
        parts = urlsplit(value)
        is_good = parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc
    except ValueError:
        is_good = False
    if not is_good:
        raise NotUnderstood(name)
    return value


def moment_in(content: Object, *names: str) -> datetime | None:
    """The moment under the first of ``names`` that is given.

    Raises:
        NotUnderstood: it has no time zone, or is none. A quote without an end would be
            honoured for ever.
    """
    for name in names:
        value = _given(content, name)
        if value is None:
            continue
        try:
            moment = datetime.fromisoformat(value) if type(value) is str else None
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise NotUnderstood(name)
        return moment
    return None


def fee_in(content: Object) -> Fee | None:
    """The parts of the fee added up; ``None`` when there is none."""
    fee = _given(content, "fee")
    if fee is None:
        return None
    if not isinstance(fee, dict):
        raise NotUnderstood("fee")
    amount = sum((amount_in(fee, name) or Decimal(0) for name in _FEES), Decimal(0))
    return Fee(required_code_in(fee, "currency"), amount) if amount else None


def codes_in(content: Object, *names: str) -> frozenset[str]:
    """The coins listed under the first of ``names`` that is there: codes, or objects with one.

    Raises:
        NotUnderstood: there is no such list.
    """
    return frozenset(
        _code(row.get("currency", row.get("code")) if isinstance(row, dict) else row, "code")
        for row in _rows(content, names)
    )


def records_in(content: Object) -> Iterator[CoinRecord]:
    """The rows of ``full-currencies`` that can be read; one that cannot is not offered.

    Raises:
        NotUnderstood: there is no such list.
    """
    for row in _rows(content, ("currencies",)):
        try:
            yield _record(row)
        except NotUnderstood:
            continue


def refusal_in(body: bytes) -> tuple[str, str] | None:
    """Code and message of the error envelope; ``None`` if ``body`` is not plainly a refusal."""
    try:
        content = parse(body)
    except NotUnderstood:
        return None
    if content.get("payment_id") or content.get("invoice_url"):
        return None
    status = _FLAGS.get(content.get("status")) if _is_plain(content.get("status")) else None
    code, message = _words(content, "code"), _words(content, "message", "error")
    is_envelope = status is False or (content.get("status") is None and bool(code or message))
    return (code, message) if is_envelope else None


def number_text(amount: Decimal) -> str:
    """``amount`` without an exponent."""
    return f"{amount:f}"


def _record(row: Any) -> CoinRecord:
    if not isinstance(row, dict):
        raise NotUnderstood("currencies")
    has_memo, is_optional = _flag(row, "extra_id_exists"), _flag(row, "extra_id_optional")
    return CoinRecord(
        code=required_code_in(row, "code"),
        network=code_in(row, "network"),
        contract=word_in(row, "smart_contract"),
        is_enabled=_flag(row, "enable"),
        is_payable=_flag(row, "available_for_payment"),
        needs_memo=None if has_memo is None else has_memo and not is_optional,
        precision=_count(row, "precision"),
        network_precision=_count(row, "network_precision"),
    )


def _given(content: Object, name: str) -> Any:
    value = content.get(name)
    return None if value in ("", "null") else value


def _required(value: T | None, name: str) -> T:
    if value is None:
        raise NotUnderstood(name)
    return value


def _id(value: Any, name: str) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise NotUnderstood(name)
    if type(value) is Number and int(value) > ID_NUMBER_MAX:
        raise NotUnderstood(name)
    return str(value)


def _amount(value: Any, name: str) -> Decimal:
    if not isinstance(value, str) or len(value) > WORD_CHARACTERS_MAX:
        raise NotUnderstood(name)
    if not _NUMBER.fullmatch(value):
        raise NotUnderstood(name)
    amount = Decimal(value)
    exponent = amount.as_tuple().exponent
    if amount.is_zero():
        return Decimal(0)
    if amount < 0 or amount.adjusted() >= WHOLE_DIGITS_MAX:
        raise NotUnderstood(name)
    if not isinstance(exponent, int) or exponent < -DECIMALS_MAX:
        raise NotUnderstood(name)
    return amount


def _code(value: Any, name: str) -> str:
    if type(value) is not str or not _CODE.fullmatch(value):
        raise NotUnderstood(name)
    return value.upper()


def _flag(content: Object, name: str) -> bool | None:
    value = _given(content, name)
    if value is None:
        return None
    if not _is_plain(value) or value not in _FLAGS:
        raise NotUnderstood(name)
    return _FLAGS[value]


def _count(content: Object, name: str) -> int | None:
    amount = amount_in(content, name)
    if amount is None:
        return None
    if amount != int(amount) or amount > DECIMALS_MAX:
        raise NotUnderstood(name)
    return int(amount)


def _rows(content: Object, names: Sequence[str]) -> list[Any]:
    value = next((content[name] for name in names if content.get(name) is not None), None)
    if not isinstance(value, list):
        raise NotUnderstood(names[0])
    return value


def _words(content: Object, *names: str) -> str:
    """What is said under the first of ``names``, shortened; lists of texts are joined."""
    value = next((content[name] for name in names if content.get(name)), "")
    if isinstance(value, list):
        value = "; ".join(part for part in value if isinstance(part, str))
    if not isinstance(value, str):
        return ""
    return shortened(value)


def _is_plain(value: Any) -> bool:
    return isinstance(value, bool) or type(value) is str
