"""The shilling's rate to the dollar: set by operations, dated, never silently old."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.deposits.domain.rates import ID_PREFIX, USD_KES, Rate
from payops.deposits.domain.valuation import usd_cents_for
from payops.deposits.errors import RateUnavailable
from payops.deposits.store import rates as store
from payops.infra.db import Tx
from payops.infra.logging.redaction import clean_text
from payops.kernel.ids import new_id, show_id
from payops.kernel.money import KES, USD, Money


@dataclass(frozen=True, slots=True)
class Charge:
    """What a provider is asked for, and the rate that made it so if there was one."""

    money: Money
    rate: Rate | None = None


@dataclass(frozen=True, slots=True)
class Rates:
    """``configured`` stands in until operations have set a rate; it has no date."""

    configured: Decimal | None
    age_max: timedelta

    async def current(self, tx: Tx) -> Rate:
        """Raises ``RateUnavailable``: there is none, or the last one is too old."""
        latest = await store.latest(tx, USD_KES)
        if latest is None:
            if self.configured is None:
                raise RateUnavailable
            return Rate(USD_KES, self.configured, 0, None, "configuration")
        now: datetime = await tx.fetchval("SELECT now()")
        if latest.set_at is not None and now - latest.set_at > self.age_max:
            raise RateUnavailable("The recorded exchange rate is too old.")
        return latest

    async def charge(self, tx: Tx, price: Money) -> Charge:
        """``price`` in US dollars, rounded up. Raises ``RateUnavailable``."""
        if price.currency != KES:
            return Charge(price)
        rate = await self.current(tx)
        return Charge(Money(usd_cents_for(price.minor, rate.for_payer), USD), rate)


async def put(
    tx: Tx, *, rate: Decimal, spread_bps: int, actor: str, reason: str, request_id: str | None
) -> Rate:
    """Record a new rate; the ones before it stay."""
    kept = await store.insert(
        tx, new_id(), Rate(USD_KES, rate, spread_bps, None, actor, reason=clean_text(reason))
    )
    assert kept.id is not None  # noqa: S101 - it was just given one
    await audit.record(
        tx,
        [
            AuditEvent(
                kind="fx_rate_set",
                actor=actor,
                subject=show_id(ID_PREFIX, kept.id),
                request_id=request_id,
                detail={"pair": USD_KES, "rate": str(kept.rate), "spreadBps": spread_bps},
            )
        ],
    )
    return kept


async def history(tx: Tx, *, before: UUID | None, limit: int) -> list[Rate]:
    """Newest first."""
    return await store.page(tx, USD_KES, before=before, limit=limit)
