"""Finding withdrawals by whatever a person has in hand, and moving them on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.infra.db import Tx
from payops.ops.service.operations import Operations
from payops.pii.domain import parse_msisdn
from payops.withdrawals.domain import State, Withdrawal, read
from payops.withdrawals.errors import WithdrawalNotFound
from payops.withdrawals.service import keeping
from payops.withdrawals.service.keeping import Filters, Story

_TRAIL_MAX: Final = audit.PAGE_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to look for; all that is given must fit. ``phone`` is spelled in any way."""

    user_id: str | None = None
    state: State | None = None
    phone: str | None = None
    receipt: str | None = None
    reference: str | None = None
    named: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """All that is known of one withdrawal; ``trail`` begins with the oldest record."""

    story: Story
    trail: Sequence[audit.Entry]


async def find(
    operations: Operations,
    search: Search,
    *,
    before: UUID | None,
    limit: int,
    actor: str,
    request_id: str | None = None,
) -> list[Withdrawal]:
    """Withdrawals newest first.

    A number is found through its blind index and nothing is opened; but who looks for one
    learns whether it is a customer's, so that is recorded.

    Raises:
        InvalidPhoneNumber: the number is not a Kenyan mobile number.
    """
    indexes: tuple[bytes, ...] = ()
    if search.phone is not None:
        indexes = operations.personal_data.phone_indexes(parse_msisdn(search.phone))
    filters = Filters(
        user_id=search.user_id,
        state=search.state,
        phone_indexes=indexes,
        receipt=search.receipt,
        reference=search.reference,
        named=search.named,
    )
    async with operations.db.transaction(read_only=not indexes) as tx:
        found = await keeping.page(tx, filters, before=before, limit=limit)
        if indexes:
            await audit.record(tx, [_phone_searched(actor, request_id, len(found))])
    return found


async def account_of(operations: Operations, txid: str) -> Account:
    """Raises ``WithdrawalNotFound``."""
    async with operations.db.transaction(read_only=True) as tx:
        story = await keeping.story(tx, withdrawal_id_of(txid))
        trail = await audit.history(tx, subject=story.withdrawal.txid, limit=_TRAIL_MAX)
    return Account(story, trail[::-1])


async def retry(
    operations: Operations, txid: str, *, actor: str, request_id: str | None = None
) -> Withdrawal:
    """Have it sent or asked about now. Raises as ``keeping.retry``."""
    withdrawal_id = withdrawal_id_of(txid)

    async def work(tx: Tx) -> Withdrawal:
        return await keeping.retry(tx, withdrawal_id, actor=actor, request_id=request_id)

    return await operations.db.run(work)


async def cancel(operations: Operations, txid: str, *, actor: str) -> Withdrawal:
    """Give the money back while nothing was sent. Raises as ``keeping.cancel``."""
    withdrawal_id = withdrawal_id_of(txid)

    async def work(tx: Tx) -> Withdrawal:
        return await keeping.cancel(
            tx, withdrawal_id, user_id=None, actor=actor, metrics=operations.metrics
        )

    return await operations.db.run(work)


def withdrawal_id_of(txid: str) -> UUID:
    """Raises ``WithdrawalNotFound`` for whatever is not one of our ids."""
    try:
        return read(txid)
    except ValueError:
        raise WithdrawalNotFound from None


def _phone_searched(actor: str, request_id: str | None, count: int) -> AuditEvent:
    return AuditEvent(
        kind="withdrawals_searched",
        actor=actor,
        request_id=request_id,
        detail={"by": "phone", "found": count},
    )
