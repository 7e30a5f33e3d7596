"""Finding withdrawals, deposits and users by any name they go by."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from payops.access.domain import is_user_id
from payops.access.errors import ScopeMissing
from payops.deposits.domain import invoices
from payops.deposits.domain.invoices import Invoice
from payops.deposits.errors import InvoiceNotFound
from payops.deposits.service import keeping as deposits
from payops.idempotency import service as idempotency
from payops.idempotency.domain import Use
from payops.infra.db import Tx
from payops.kernel.money import KES, Money
from payops.ledger import domain as journals
from payops.ledger import service as ledger
from payops.ledger.errors import JournalNotFound
from payops.ops import service as ops
from payops.ops.service import Operations
from payops.pii.domain import parse_msisdn
from payops.pii.errors import InvalidPhoneNumber
from payops.webhooks import domain as notifications
from payops.webhooks import service as inbox
from payops.webhooks.errors import DeliveryNotFound
from payops.withdrawals import domain as withdrawals
from payops.withdrawals.domain import Withdrawal
from payops.withdrawals.errors import WithdrawalNotFound
from payops.withdrawals.service import keeping

LENGTH_MAX: Final = 128


class Kind(StrEnum):
    WITHDRAWAL = "withdrawal"
    INVOICE = "invoice"
    USER = "user"
    KEY = "key"  # an idempotency key that made nothing: a refusal
    JOURNAL = "journal"
    NOTIFICATION = "notification"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Something that answers to what was looked for; ``by`` says by which of its names."""

    kind: Kind
    id: str
    by: str
    user_id: str | None = None
    status: str | None = None
    amount: Money | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is looked for, and by whom. ``user_id`` narrows it: keys are then found at once."""

    text: str
    actor: str
    may_search_phones: bool
    user_id: str | None = None
    request_id: str | None = None
    limit: int = 20


async def search(operations: Operations, asked: Question) -> list[Hit]:
    """Everything that ``asked.text`` is a name of, newest first.

    A phone number is found in any spelling through its blind index and nothing is opened;
    that somebody looked for one is recorded.

    Raises:
        ScopeMissing: it reads as a phone number, and who asks may not look for those.
    """
    found: list[Hit] = []
    if _is_phone(asked.text):
        found += await _by_phone(operations, asked)
    async with operations.db.transaction(read_only=True) as tx:
        found += await _by_own_id(tx, asked.text)
        if not found:
            found += await _by_name(tx, asked)
            found += await _by_user(tx, asked)
            found += await _by_key(tx, asked)
    return _in_order(hit for hit in found if asked.user_id in (None, hit.user_id))[: asked.limit]


def _is_phone(text: str) -> bool:
    try:
        parse_msisdn(text)
    except InvalidPhoneNumber:
        return False
    return True


async def _by_phone(operations: Operations, asked: Question) -> list[Hit]:
    if not asked.may_search_phones:
        raise ScopeMissing("Looking for a phone number needs the scope pii:read")
    paid_to = await ops.find(
        operations,
        ops.Search(phone=asked.text, user_id=asked.user_id),
        before=None,
        limit=asked.limit,
        actor=asked.actor,
        request_id=asked.request_id,
    )
    return [_of_withdrawal(one, "phone") for one in paid_to]


async def _by_own_id(tx: Tx, text: str) -> list[Hit]:
    """By an id that we gave; there is one thing of that id, or none."""
    prefix = text.partition("_")[0]
    try:
        match prefix:
            case withdrawals.ID_PREFIX:
                one = await keeping.get(tx, withdrawals.read(text), user_id=None)
                return [_of_withdrawal(one, "id")]
            case invoices.ID_PREFIX:
                return [
                    _of_invoice(await deposits.get(tx, invoices.read(text), user_id=None), "id")
                ]
            case journals.ID_PREFIX:
                return await _journal(tx, text)
            case notifications.ID_PREFIX:
                return await _notification(tx, text)
    except (ValueError, WithdrawalNotFound, InvoiceNotFound, JournalNotFound, DeliveryNotFound):
        return []
    return []


async def _journal(tx: Tx, text: str) -> list[Hit]:
    posted = await ledger.found(tx, journals.parse_journal_id(text))
    amount = next((line.amount for line in posted.postings if line.amount.minor > 0), None)
    return [
        Hit(
            kind=Kind.JOURNAL,
            id=text,
            by="id",
            user_id=posted.user_id,
            status=posted.kind,
            amount=amount,
            at=posted.posted_at,
        )
    ]


async def _notification(tx: Tx, text: str) -> list[Hit]:
    """The notification, and what it was about."""
    one = await inbox.delivery(tx, notifications.read(text))
    hit = Hit(kind=Kind.NOTIFICATION, id=text, by="id", status=one.state.value, at=one.received_at)
    about = await _by_own_id(tx, one.subject) if one.subject else []
    return [hit, *about]


async def _by_name(tx: Tx, asked: Question) -> list[Hit]:
    """By what providers call it, the receipt, or the id of the request that asked for it."""
    text, limit = asked.text, asked.limit
    paid = await keeping.page(
        tx, keeping.Filters(user_id=asked.user_id, named=text), before=None, limit=limit
    )
    opened = await deposits.page(
        tx, deposits.Filters(user_id=asked.user_id, named=text), before=None, limit=limit
    )
    return [_of_withdrawal(one, _name_of(one, text)) for one in paid] + [
        _of_invoice(one, "request" if one.request_id == text else "reference") for one in opened
    ]


def _name_of(one: Withdrawal, text: str) -> str:
    if one.receipt == text.upper():
        return "receipt"
    return "request" if one.request_id == text else "reference"


async def _by_user(tx: Tx, asked: Question) -> list[Hit]:
    user, limit = asked.text, asked.limit
    if not is_user_id(user):
        return []
    paid = await keeping.page(tx, keeping.Filters(user_id=user), before=None, limit=limit)
    opened = await deposits.page(tx, deposits.Filters(user_id=user), before=None, limit=limit)
    known = bool(paid or opened or await ledger.wallets(tx, user))
    hits = [Hit(kind=Kind.USER, id=user, by="id", user_id=user)] if known else []
    hits += [_of_withdrawal(one, "user") for one in paid]
    return hits + [_of_invoice(one, "user") for one in opened]


async def _by_key(tx: Tx, asked: Question) -> list[Hit]:
    hits: list[Hit] = []
    for use in await idempotency.used(tx, asked.text, user_id=asked.user_id, limit=asked.limit):
        made = await _by_own_id(tx, use.resource) if use.resource else []
        hits += [_renamed(hit) for hit in made] or [_of_key(use)]
    return hits


def _renamed(hit: Hit) -> Hit:
    return Hit(
        kind=hit.kind,
        id=hit.id,
        by="idempotency_key",
        user_id=hit.user_id,
        status=hit.status,
        amount=hit.amount,
        at=hit.at,
    )


def _of_key(use: Use) -> Hit:
    status = f"{use.operation} {use.status or 'not answered yet'}"
    return Hit(
        kind=Kind.KEY,
        id=use.resource or use.key,
        by="idempotency_key",
        user_id=use.user_id,
        status=status,
        at=use.created_at,
    )


def _of_withdrawal(one: Withdrawal, by: str) -> Hit:
    return Hit(
        kind=Kind.WITHDRAWAL,
        id=one.txid,
        by=by,
        user_id=one.user_id,
        status=one.state.value,
        amount=Money(one.amount_minor, KES),
        at=one.created_at,
    )


def _of_invoice(one: Invoice, by: str) -> Hit:
    return Hit(
        kind=Kind.INVOICE,
        id=one.shown_id,
        by=by,
        user_id=one.user_id,
        status=one.state.value,
        amount=one.price,
        at=one.created_at,
    )


def _in_order(hits: Iterable[Hit]) -> list[Hit]:
    """Each thing once, users first and then newest first."""
    once: dict[tuple[Kind, str, str | None], Hit] = {}
    for hit in hits:
        once.setdefault((hit.kind, hit.id, hit.user_id), hit)
    timed = sorted((h for h in once.values() if h.at), key=lambda hit: str(hit.at), reverse=True)
    return [hit for hit in once.values() if hit.at is None] + timed
