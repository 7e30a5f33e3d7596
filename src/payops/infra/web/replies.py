"""Shapes that many answers share: money, pages, and the bytes of a JSON answer."""

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, Final, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel
from starlette.responses import Response

from payops.infra.web.wire import WireReply
from payops.kernel.errors import Fault, Invalid
from payops.kernel.money import Money

PAGE_MAX: Final = 100
JSON: Final = "application/json"

Item = TypeVar("Item")

Limit = Annotated[int, Query(ge=1, le=PAGE_MAX, description="How many at most")]
Cursor = Annotated[str | None, Query(max_length=64, description="`nextCursor` of the page before")]


class MoneyReply(WireReply):
    """An exact amount with all its decimals: ``{"amount": "1500.00", "currency": "KES"}``."""

    amount: str
    currency: str

    @classmethod
    def of(cls, money: Money) -> "MoneyReply":
        return cls(amount=money.text, currency=money.currency.code)


class PageReply(WireReply, Generic[Item]):
    """A page of a list, newest first; there are no totals."""

    data: list[Item]
    has_more: bool
    next_cursor: str | None = None


def page_of(items: Sequence[Item], ids: Sequence[UUID], limit: int) -> PageReply[Item]:
    """The page of ``items``, of which one more than ``limit`` was read to see if there is more."""
    has_more = len(items) > limit
    return PageReply(
        data=list(items[:limit]),
        has_more=has_more,
        next_cursor=_written(ids[limit - 1]) if has_more else None,
    )


def read_cursor(cursor: str | None) -> UUID | None:
    """The id after which a page begins.

    Raises:
        Invalid: not a cursor we gave.
    """
    if cursor is None:
        return None
    try:
        return UUID(bytes=base64.urlsafe_b64decode(cursor + "=="))
    except (ValueError, binascii.Error):
        raise Invalid(faults=[Fault("/query/cursor", "is not a cursor")]) from None


def body_of(reply: BaseModel, *, keep_nulls: bool = False) -> bytes:
    return reply.model_dump_json(exclude_none=not keep_nulls, by_alias=True).encode()


def answer(reply: BaseModel, status: int = 200, *, keep_nulls: bool = False) -> Response:
    return Response(body_of(reply, keep_nulls=keep_nulls), status, media_type=JSON)


def _written(last: UUID) -> str:
    return base64.urlsafe_b64encode(last.bytes).rstrip(b"=").decode()
