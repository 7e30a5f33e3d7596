"""Putting what is queued in doubt: after a failover or a restore it may have been paid.

"Nothing was sent" is then what the database remembers, not what happened. Doubt holds the
money until the rail, or two people, have settled each one; nothing is sent again.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from payops.infra.db import Tx
from payops.infra.metrics import Metrics
from payops.switches import service as switches
from payops.switches.domain import WITHDRAWALS
from payops.withdrawals.domain import Withdrawal
from payops.withdrawals.errors import NotHalted
from payops.withdrawals.service import deciding
from payops.withdrawals.service.moving import Moves
from payops.withdrawals.service.requesting import QUESTIONS
from payops.withdrawals.store import reading, writing


@dataclass(frozen=True, slots=True)
class Meant:
    """Which of the queued withdrawals: with these ids, accepted from ``since`` on; or all."""

    ids: Collection[UUID] | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Queued:
    """Queued withdrawals together, in KES cents; when the first and the last were accepted."""

    count: int
    amount_minor: int
    oldest: datetime | None
    newest: datetime | None


async def foreseen(tx: Tx, meant: Meant) -> Queued:
    """What ``doubt`` would put in doubt now."""
    row = await reading.queued(tx, meant.ids, meant.since)
    return Queued(row["count"], row["amount"], row["oldest"], row["newest"])


async def doubt(
    tx: Tx,
    meant: Meant,
    *,
    limit: int,
    reason: str,
    actor: str,
    request_id: str | None,
    metrics: Metrics,
) -> Sequence[Withdrawal]:
    """Move up to ``limit`` queued withdrawals to ``unresolved``, each with its record.

    Raises:
        NotHalted: the service may be sending them at this moment, and knows what it does.
    """
    (switch,) = await switches.every(tx, (WITHDRAWALS,))
    if not switch.is_halted:
        raise NotHalted
    locked = await writing.lock_queued(tx, ids=meant.ids, since=meant.since, limit=limit)
    moves = Moves(locked, await tx.fetchval("SELECT now()"), metrics)
    for withdrawal in locked:
        seen = deciding.of_doubt(actor, {"reason": reason})
        moves.observe(withdrawal.id, seen, request_id=request_id)
    await moves.write(tx)
    if locked:
        tx.wake(QUESTIONS)
    return locked
