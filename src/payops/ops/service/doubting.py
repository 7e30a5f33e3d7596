"""Putting what is queued in doubt, before the service goes on after a failover or a restore."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from payops.infra.db import Tx
from payops.infra.reasons import kept_reason
from payops.kernel.moments import in_utc
from payops.ops.service.operations import Operations
from payops.ops.service.withdrawals import withdrawal_id_of
from payops.withdrawals.domain import Withdrawal
from payops.withdrawals.service import doubting
from payops.withdrawals.service.doubting import Meant, Queued

_BATCH: Final = 500


async def doubt(
    operations: Operations,
    txids: Sequence[str] | None,
    *,
    since: datetime | None,
    reason: str,
    dry_run: bool,
    actor: str,
    request_id: str | None = None,
) -> Queued:
    """Have queued withdrawals asked about instead of sent: those named, or all from ``since`` on.

    With ``dry_run`` only what it would come to. Otherwise some at a time, so a failure half-way
    leaves a part in doubt; a repeat takes up the rest.

    Raises:
        WithdrawalNotFound: one of ``txids`` is none of our ids.
        NotHalted: see ``doubting.doubt``; a dry run does not mind.
    """
    ids = None if txids is None else [withdrawal_id_of(txid) for txid in txids]
    meant = Meant(ids, None if since is None else in_utc(since, "/since"))
    if dry_run:
        async with operations.db.transaction(read_only=True) as tx:
            return await doubting.foreseen(tx, meant)

    why = kept_reason(reason)

    async def work(tx: Tx) -> Sequence[Withdrawal]:
        return await doubting.doubt(
            tx,
            meant,
            limit=_BATCH,
            reason=why,
            actor=actor,
            request_id=request_id,
            metrics=operations.metrics,
        )

    total = Queued(0, 0, None, None)
    while lot := await operations.db.run(work):
        total = _with(total, lot)
    return total


def _with(total: Queued, lot: Sequence[Withdrawal]) -> Queued:
    times = [w.created_at for w in lot] + [t for t in (total.oldest, total.newest) if t]
    return replace(
        total,
        count=total.count + len(lot),
        amount_minor=total.amount_minor + sum(w.amount_minor for w in lot),
        oldest=min(times),
        newest=max(times),
    )
