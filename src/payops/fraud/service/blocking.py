"""Blocking and unblocking users. What a block does to open withdrawals is not known here.

A block is imposed under the lock of the user's wallet, and looked for under it: what is
accepted was accepted before the block, or not at all. Not every user has a wallet, and one
has one block at a time, so each change of a block also takes a lock of the blocks' own.
Locks: wallets → blocks → alerts, each in the order of the users.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from payops.alerts import service as alerts
from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.fraud.domain.blocks import Block
from payops.fraud.errors import UserNotBlocked
from payops.fraud.store import blocks as store
from payops.fraud.store import standing
from payops.infra.db import Tx
from payops.infra.reasons import kept_reason
from payops.kernel.errors import Fault, Invalid
from payops.kernel.ids import new_id
from payops.kernel.moments import in_utc
from payops.kernel.money import KES
from payops.ledger import service as ledger
from payops.ledger.domain import Owner

BLOCKS: Final = "blocks"  # the topic that wakes whoever cancels what was not sent
HISTORY_MAX: Final = 100
_SWEPT_AT_ONCE: Final = 500
_BLOCK_LOCK: Final = b"block:"


async def block(
    tx: Tx,
    user_id: str,
    *,
    reason: str,
    by: str,
    until: datetime | None = None,
    request_id: str | None = None,
) -> Block:
    """Block a user from now on; a block that stands is replaced.

    Raises:
        Invalid: no reason, or ``until`` is not in the future, or beyond all calendars.
    """
    reason = kept_reason(reason)
    if until is not None:
        until = in_utc(until, "/until")
        if until <= await _now(tx):
            raise Invalid(faults=[Fault("/until", "is not in the future")])
    await hold(tx, [user_id])
    return await impose(tx, user_id, reason=reason, by=by, until=until, request_id=request_id)


async def hold(tx: Tx, users: Collection[str]) -> None:
    """Let nobody else change these users' blocks, or decide under one, until the end of ``tx``."""
    await ledger.lock(tx, [Owner(user_id, KES.code) for user_id in users])
    await standing.lock(tx, {_BLOCK_LOCK + user_id.encode() for user_id in users})


async def impose(
    tx: Tx,
    user_id: str,
    *,
    reason: str,
    by: str,
    until: datetime | None,
    request_id: str | None = None,
) -> Block:
    """As ``block``, for a caller who has taken ``hold`` of the user."""
    await store.lift(tx, user_id, by=by, reason="replaced by another block")
    made = await store.insert(tx, user_id, new_id(), reason=reason, by=by, until=until)
    await audit.record(
        tx,
        [
            AuditEvent(
                kind="user_blocked",
                actor=by,
                user_id=user_id,
                subject=user_id,
                request_id=request_id,
                detail={"reason": reason, "until": until.isoformat() if until else None},
            )
        ],
    )
    tx.wake(BLOCKS)
    return made


async def unblock(
    tx: Tx, user_id: str, *, reason: str, by: str, request_id: str | None = None
) -> Block:
    """Lift the block in force.

    Raises:
        Invalid: no reason.
        UserNotBlocked: there is none, or it is over.
    """
    reason = kept_reason(reason)
    await hold(tx, [user_id])
    if not await store.active(tx, [user_id]):
        raise UserNotBlocked
    lifted = await store.lift(tx, user_id, by=by, reason=reason)
    if lifted is None:
        raise UserNotBlocked
    event = AuditEvent(
        kind="user_unblocked",
        actor=by,
        user_id=user_id,
        subject=user_id,
        request_id=request_id,
        detail={"reason": reason},
    )
    await audit.record(tx, [event])
    await alerts.resolve_alert(tx, anomaly_key(user_id))
    return lifted


async def active(tx: Tx, users: Collection[str]) -> dict[str, Block]:
    """The block in force of each of ``users`` who has one."""
    return await store.active(tx, users)


async def history(tx: Tx, user_id: str) -> list[Block]:
    """The user's blocks, newest first."""
    return await store.history(tx, user_id, HISTORY_MAX)


async def blocked_after(tx: Tx, user_id: str) -> list[str]:
    """The next few hundred users with a block in force, in order, from ``user_id`` on."""
    return await store.all_active(tx, user_id, _SWEPT_AT_ONCE)


def anomaly_key(user_id: str) -> str:
    """The key of the alert that a user meets limits unusually often."""
    return f"velocity_anomaly:{user_id}"


async def _now(tx: Tx) -> datetime:
    now: datetime = await tx.fetchval("SELECT now()")
    return now
