"""What happened in the books: to one thing, and in a period."""

from collections.abc import AsyncGenerator, Collection
from datetime import datetime
from uuid import UUID

from payops.infra.db import Tx
from payops.ledger import store
from payops.ledger.domain import Posted
from payops.ledger.store import Balance, Moved

__all__ = ["Balance", "Moved", "about", "balances_between", "journals_between", "moved"]


async def about(tx: Tx, user_id: str, reference: str, ids: Collection[UUID] = ()) -> list[Posted]:
    """The journals of one thing, oldest first: under its reference, with ``ids``, and whatever
    closes one of them, such as the refund of a payout that was paid.
    """
    found = await store.related(tx, user_id, reference, ids)
    known = {posted.id for posted in found}
    return await store.related(tx, user_id, reference, known | set(ids)) if known else found


async def journals_between(
    tx: Tx, since: datetime, until: datetime
) -> AsyncGenerator[list[Posted], None]:
    """Every journal posted from ``since`` on and before ``until``; some at a time."""
    async for journals in store.between(tx, since, until):
        yield journals


async def balances_between(tx: Tx, since: datetime, until: datetime) -> list[Balance]:
    """What each account held when the period began and when it ended.

    Wallets are added up over all users. The whole ledger is read: minutes, on a large one.
    """
    return await store.balances_between(tx, since, until)


async def moved(tx: Tx, since: datetime, until: datetime) -> list[Moved]:
    """What the period did to each account of the house."""
    return await store.moved(tx, since, until)
