"""Blocking a user: nothing more is accepted, what was not sent is given back.

The block commits first, under the lock that acceptance takes; from then on nothing new
comes, and what is pending is cancelled, each in a transaction of its own. What is on its way
is followed to its end. The worker sweeps behind, so that neither a crash in between nor a
payout that the rail turns away leaves anything to be sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

import structlog

from payops.approvals.domain import Action, Approval, Person, Wanted
from payops.audit import service as audit
from payops.fraud.domain.blocks import Block
from payops.fraud.domain.devices import Device
from payops.fraud.errors import BlockedForLonger
from payops.fraud.service import blocking, devices
from payops.infra.db import Database, Tx
from payops.infra.metrics import Metrics
from payops.ledger import service as ledger
from payops.ledger.domain import Wallet
from payops.ops.service import Operations
from payops.withdrawals.domain import State, Withdrawal
from payops.withdrawals.errors import NotCancellable, WithdrawalsHalted
from payops.withdrawals.service import keeping
from payops.withdrawals.service.keeping import Filters

SWEEPER: Final = "system:block-sweep"
_SHOWN_MAX: Final = 20
_PENDING_MAX: Final = 200

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Profile:
    """A user as operations see them; each list newest first."""

    user_id: str
    block: Block | None
    blocks: Sequence[Block]
    wallets: Sequence[Wallet]
    devices: Sequence[Device]
    withdrawals: Sequence[Withdrawal]
    trail: Sequence[audit.Entry]


@dataclass(frozen=True, slots=True)
class Blocked:
    """A block, and the withdrawals that were given back because of it."""

    block: Block
    cancelled: Sequence[str]


async def show_user(operations: Operations, user_id: str) -> Profile:
    """All that is known of a user; one nobody has heard of has empty lists."""
    async with operations.db.transaction(read_only=True) as tx:
        found = await keeping.page(tx, Filters(user_id=user_id), before=None, limit=_SHOWN_MAX)
        return Profile(
            user_id=user_id,
            block=(await blocking.active(tx, [user_id])).get(user_id),
            blocks=await blocking.history(tx, user_id),
            wallets=await ledger.wallets(tx, user_id),
            devices=await devices.devices_of(tx, user_id),
            withdrawals=found,
            trail=await audit.history(tx, user_id=user_id, limit=_SHOWN_MAX),
        )


async def block(
    operations: Operations,
    user_id: str,
    *,
    reason: str,
    until: datetime | None,
    actor: str,
    request_id: str | None = None,
) -> Blocked:
    """Block a user and give back what was not sent.

    Raises as ``blocking.block``, and
        BlockedForLonger: it would end the block of a user whom only two people unblock.
    """
    db = operations.db

    async def work(tx: Tx) -> Block:
        await blocking.hold(tx, [user_id])
        standing = (await blocking.active(tx, [user_id])).get(user_id)
        is_shorter = standing is not None and _ends_before(until, standing.until)
        if is_shorter and await operations.stakes.need_two(tx, user_id):
            raise BlockedForLonger
        return await blocking.block(
            tx, user_id, reason=reason, by=actor, until=until, request_id=request_id
        )

    made = await db.run(work)
    return Blocked(made, await _give_back(db, operations.metrics, user_id, actor))


async def unblock(
    operations: Operations,
    user_id: str,
    *,
    reason: str,
    by: Person,
    request_id: str | None = None,
) -> Block | Approval:
    """Let a user withdraw again; one with much at stake, when another person approves.

    Raises as ``blocking.unblock`` and ``Approvals.ask``.
    """

    async def work(tx: Tx) -> Block | Approval:
        block = (await blocking.active(tx, [user_id])).get(user_id)
        if block is None or not await operations.stakes.need_two(tx, user_id):
            return await blocking.unblock(
                tx, user_id, reason=reason, by=by.actor, request_id=request_id
            )
        wanted = Wanted(
            action=Action.USER_UNBLOCK,
            subject=user_id,
            user_id=user_id,
            reason=reason,
            payload={"block": str(block.id)},
        )
        return await operations.approvals.ask(tx, wanted, by, request_id=request_id)

    return await operations.db.run(work)


async def sweep(db: Database, metrics: Metrics) -> int:
    """Give back whatever blocked users have that was not sent; returns how many."""
    count, last = 0, ""
    while True:
        async with db.transaction(read_only=True) as tx:
            users = await blocking.blocked_after(tx, last)
            pending = await keeping.pending_of(tx, users) if users else []
        for user_id in pending:
            count += len(await _give_back(db, metrics, user_id, SWEEPER))
        if not users:
            return count
        last = users[-1]


def _ends_before(until: datetime | None, other: datetime | None) -> bool:
    """``None`` is never."""
    return until is not None and (other is None or until < other)


async def _give_back(db: Database, metrics: Metrics, user_id: str, actor: str) -> list[str]:
    """Cancel the user's pending withdrawals while the block is in force, one by one."""
    async with db.transaction(read_only=True) as tx:
        found = await keeping.page(
            tx, Filters(user_id=user_id, state=State.PENDING), before=None, limit=_PENDING_MAX
        )
    return [
        withdrawal.txid
        for withdrawal in found
        if await db.run(partial(_cancel, metrics, withdrawal, actor))
    ]


async def _cancel(metrics: Metrics, withdrawal: Withdrawal, actor: str, tx: Tx) -> bool:
    """False when it was taken up meanwhile, or the block was lifted, or all is halted."""
    user_id = withdrawal.user_id
    if not await blocking.active(tx, [user_id]):
        return False
    try:
        await keeping.cancel(tx, withdrawal.id, user_id=user_id, actor=actor, metrics=metrics)
    except (NotCancellable, WithdrawalsHalted):
        log.info("block.not_cancellable", withdrawal_id=withdrawal.txid, user_id=user_id)
        return False
    return True
