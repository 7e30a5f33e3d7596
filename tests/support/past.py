"""Withdrawals as if they had been accepted some time ago."""

from datetime import datetime, timedelta

from payops.infra.db import Database
from payops.withdrawals.domain import read


async def was_accepted(db: Database, txid: str, at: datetime, *, seconds: int) -> None:
    """As if it had been accepted then, and settled ``seconds`` later."""
    old = read(txid)
    moved = (at - datetime.fromtimestamp(0, at.tzinfo)) // timedelta(milliseconds=1)
    new = f"{moved:012x}{old.hex[12:]}"
    async with db.transaction() as tx:
        await tx.execute("SET LOCAL session_replication_role = replica")
        await tx.execute(
            "UPDATE journals SET posted_at = $2::timestamptz + $3::interval"
            " WHERE closes = (SELECT hold_id FROM withdrawals WHERE id = $1)",
            old,
            at,
            timedelta(seconds=seconds),
        )
        await tx.execute(
            "UPDATE payout_attempts SET withdrawal_id = $2::uuid WHERE withdrawal_id = $1", old, new
        )
        await tx.execute(
            "UPDATE withdrawals SET id = $2::uuid, created_at = $3 WHERE id = $1", old, new, at
        )
