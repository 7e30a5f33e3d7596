"""SQL of the recorded exchange rates."""

from uuid import UUID

from payops.deposits.domain.rates import Rate
from payops.infra.db import Record, Tx

_COLUMNS = "id, pair, rate, spread_bps, set_by, reason, set_at"

_LATEST = f"SELECT {_COLUMNS} FROM fx_rates WHERE pair = $1 ORDER BY set_at DESC, id DESC LIMIT 1"  # noqa: S608 - constants only

_PAGE = f"""
SELECT {_COLUMNS} FROM fx_rates WHERE pair = $1 AND ($2::uuid IS NULL OR id < $2)
ORDER BY id DESC LIMIT $3
"""  # noqa: S608 - constants only

_INSERT = f"""
INSERT INTO fx_rates (id, pair, rate, spread_bps, set_by, reason)
VALUES ($1, $2, $3, $4, $5, $6) RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only


async def latest(tx: Tx, pair: str) -> Rate | None:
    row = await tx.fetchrow(_LATEST, pair)
    return _rate(row) if row else None


async def page(tx: Tx, pair: str, *, before: UUID | None, limit: int) -> list[Rate]:
    return [_rate(row) for row in await tx.fetch(_PAGE, pair, before, limit)]


async def insert(tx: Tx, rate_id: UUID, rate: Rate) -> Rate:
    return _rate(
        await tx.fetchrow(
            _INSERT, rate_id, rate.pair, rate.rate, rate.spread_bps, rate.set_by, rate.reason
        )
    )


def _rate(row: Record) -> Rate:
    return Rate(
        pair=row["pair"],
        rate=row["rate"],
        spread_bps=row["spread_bps"],
        set_at=row["set_at"],
        set_by=row["set_by"],
        id=row["id"],
        reason=row["reason"],
    )
