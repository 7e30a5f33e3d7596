"""Lipana's JSON, read tolerantly as to names and strictly as to values.

The same fact goes by several names, so each is looked for under all names that were seen.
A value that is there but cannot be what it should be makes the whole unreadable: half an
understanding of a payment is worse than none. What is relied on: docs/providers/lipana.md.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from payops.kernel.money import KES, Money
from payops.pii.domain import Msisdn, parse_msisdn
from payops.pii.errors import InvalidPhoneNumber
from payops.providers.reading import NotUnderstood, Object, read_object, shortened
from payops.withdrawals.domain import read as read_txid
from payops.withdrawals.ports import Outcome

ID_CHARACTERS_MAX: Final = 128
_VISIBLE = re.compile(r"[\x21-\x7e]+", re.ASCII)
_MASKS = frozenset("*•xX#")

OUTCOMES: Mapping[str, Outcome] = MappingProxyType(
    {
        "success": Outcome.PAID,
        "completed": Outcome.PAID,
        "failed": Outcome.FAILED,
        "cancelled": Outcome.FAILED,
        "pending": Outcome.PENDING,
        "processing": Outcome.PENDING,
        "initiated": Outcome.PENDING,
    }
)

# In answers `id` is the payout; in callbacks it may also be the notification's own.
_ID_NAMES_IN_ANSWERS = ("id", "transactionId", "transaction_id", "payoutId")
_ID_NAMES_IN_CALLBACKS = ("transactionId", "transaction_id", "payoutId", "id")
_AMOUNT_NAMES = ("amountKES", "amount")
_PHONE_NAMES = ("recipientPhone", "phone", "phoneNumber")
_RECEIPT_NAMES = ("receipt", "mpesaReceiptNumber")
_MESSAGE_NAMES = ("errorMessage", "message", "error")
_CODE_NAMES = ("code", "errorCode")
_ENVELOPE_NAMES = ("message", "error", "code", "errors")


@dataclass(frozen=True, slots=True)
class Ids:
    """Who a payout is: ``txid`` is our id, ``reference`` the rail's."""

    txid: str | None
    reference: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the list of payouts. ``is_last`` is None when the answer does not tell."""

    payouts: tuple[Object, ...]
    is_last: bool | None


def payout_in(content: Object) -> Object:
    """The payout in an answer: under ``payout``, ``data`` or ``data.payout``, or at the top."""
    inner = _inner(content)
    return content if inner is None else _inner(inner) or inner


def page_in(content: Object, number: int) -> Page:
    """Page ``number`` of the list.

    Raises:
        NotUnderstood: no list of objects, or another page than was asked for.
    """
    inner = content.get("data")
    holder = inner if isinstance(inner, dict) else content
    rows = inner if isinstance(inner, list) else holder.get("payouts")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise NotUnderstood("no list of payouts")
    pagination = holder.get("pagination", content.get("pagination"))
    if not isinstance(pagination, dict):
        return Page(tuple(rows), None if rows else True)
    if _count(pagination.get("page")) not in {None, number}:
        raise NotUnderstood("another page than asked for")
    pages = _count(pagination.get("pages"))
    if pages is None:
        return Page(tuple(rows), None if rows else True)
    return Page(tuple(rows), number >= pages)


def succeeded(content: Object) -> bool:
    """Whether ``success`` is true or not mentioned; any other value is no success."""
    return content.get("success") is None or content.get("success") is True


def refusal_in(body: bytes) -> tuple[str, str] | None:
    """Code and message of an error envelope, or None when ``body`` is none.

    An object that claims success, or carries a payout, is no refusal whatever its status.
    """
    try:
        content = read_object(body)
        if _inner(content) and ids_of_answer(payout_in(content)).reference:
            return None
    except NotUnderstood:
        return None
    success = content.get("success")
    says_so = success is None and any(content.get(name) for name in _ENVELOPE_NAMES)
    return (code_of(content), message_of(content)) if says_so or success is False else None


def ids_of_answer(payout: Object) -> Ids:
    return _ids(payout, _ID_NAMES_IN_ANSWERS)


def ids_of_callback(content: Object) -> Ids:
    """Raises ``NotUnderstood`` when two of our ids are named, or no id at all."""
    ids = _ids(content, _ID_NAMES_IN_CALLBACKS)
    # Its meaning is not known, except when it is plainly ours.
    also = _as_id(content.get("reference"))
    if also and _is_ours(also):
        if ids.txid not in {None, also}:
            raise NotUnderstood("two transaction ids")
        ids = Ids(also, ids.reference)
    if ids.txid is None and ids.reference is None:
        raise NotUnderstood("no id")
    return ids


def outcome_of(status: object) -> Outcome:
    """Raises ``NotUnderstood`` for a status that is not on the list."""
    outcome = OUTCOMES.get(status.strip().lower()) if isinstance(status, str) else None
    if outcome is None:
        raise NotUnderstood("status")
    return outcome


def amount_minor_of(content: Object) -> int | None:
    """KES cents, exactly; None when no amount is given.

    Raises:
        NotUnderstood: no exact number of cents, amounts that differ, or another currency.
    """
    if content.get("currency") not in (None, KES.code):
        raise NotUnderstood("currency")
    amounts = {_minor(content[name]) for name in _AMOUNT_NAMES if content.get(name) is not None}
    if len(amounts) > 1:
        raise NotUnderstood("two amounts")
    return next(iter(amounts), None)


def phone_of(content: Object) -> Msisdn | None:
    """The recipient; None when not given, or given with digits masked.

    Raises:
        NotUnderstood: given, and no Kenyan mobile number.
    """
    value = _first(content, _PHONE_NAMES)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise NotUnderstood("phone")
    try:
        return parse_msisdn(str(value).strip())
    except InvalidPhoneNumber:
        if _MASKS.intersection(str(value)):
            return None
        raise NotUnderstood("phone") from None


def receipt_of(content: Object) -> str | None:
    """M-Pesa's receipt, at the top or under ``metadata``; in capitals, as it is claimed."""
    metadata = content.get("metadata")
    for holder in (content, metadata if isinstance(metadata, dict) else {}):
        value = _first(holder, _RECEIPT_NAMES)
        if value is None or value == "":
            continue
        if not isinstance(value, str) or not is_short_text(value):
            raise NotUnderstood("receipt")
        return value.upper()
    return None


def user_id_of(content: Object) -> str | None:
    value = _first(content, ("userId", "user_id"))
    if value is None:
        return None
    if not isinstance(value, str) or not is_short_text(value):
        raise NotUnderstood("user id")
    return value


def created_at_of(payout: Object) -> datetime | None:
    """When the rail made the payout; None when not given or without a time zone."""
    value = _first(payout, ("createdAt", "created_at"))
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None


def message_of(content: Object) -> str:
    return text_of(content, _MESSAGE_NAMES)


def code_of(content: Object) -> str:
    return text_of(content, _CODE_NAMES)


def text_of(content: Object, names: Sequence[str]) -> str:
    """What is said under the first of ``names``, shortened; lists of texts are joined."""
    value = _first(content, names)
    if isinstance(value, dict):
        value = _first(value, ("message", "code"))
    if isinstance(value, list):
        value = "; ".join(part for part in value if isinstance(part, str))
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    return shortened(str(value))


def is_short_text(text: str) -> bool:
    """Whether ``text`` could be an id: visible ASCII, not empty, of bounded length."""
    return 0 < len(text) <= ID_CHARACTERS_MAX and bool(_VISIBLE.fullmatch(text))


def _ids(content: Object, names: Sequence[str]) -> Ids:
    seen = [found for name in names if (found := _as_id(content.get(name)))]
    ours = {name for name in seen if _is_ours(name)}
    if len(ours) > 1:
        raise NotUnderstood("two transaction ids")
    theirs = (name for name in seen if name not in ours)
    return Ids(next(iter(ours), None), next(theirs, None))


def _as_id(value: object) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise NotUnderstood("id")
    text = str(value)
    # Dots alone would climb in the path of the next question.
    if not is_short_text(text) or not text.strip("."):
        raise NotUnderstood("id")
    return text


def _is_ours(text: str) -> bool:
    try:
        read_txid(text)
    except ValueError:
        return False
    return True


def _minor(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise NotUnderstood("amount")
    # Written out only once it is known to be short: 1e999999999 is a small text of a huge number.
    if isinstance(value, Decimal) and not -10 < value.adjusted() < 19:
        raise NotUnderstood("amount")
    try:
        return Money.parse(f"{value:f}" if isinstance(value, Decimal) else str(value), KES).minor
    except ValueError:
        raise NotUnderstood("amount") from None


def _first(content: Object, names: Sequence[str]) -> Any:
    return next((content[name] for name in names if content.get(name) is not None), None)


def _inner(content: Object) -> Object | None:
    named = (content.get(name) for name in ("payout", "data"))
    return next((value for value in named if isinstance(value, dict)), None)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
