"""The figures of crypto deposits: counted in SQL, shown as gauges, as JSON and in a table."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from payops.deposits.store import figures as store
from payops.deposits.store.figures import Figures
from payops.infra.db import Database, Tx
from payops.infra.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Measured:
    """``figures`` at ``at``; ``settled`` is how many deposits settled in each past hour."""

    at: datetime
    figures: Figures
    settled: tuple[int, ...]
    window: timedelta


@dataclass(frozen=True, slots=True)
class Measures:
    """``window`` bounds what counts as ended, ``stuck_after`` what is too long."""

    db: Database
    metrics: Metrics
    window: timedelta
    stuck_after: timedelta

    async def measure(self) -> Measured:
        """Count now, and set the gauges of this process."""
        async with self.db.transaction(read_only=True) as tx:
            measured = await self._measured(tx)
        self._show(measured.figures)
        return measured

    async def set_figures(self) -> None:
        """Set the gauges of this process."""
        async with self.db.transaction(read_only=True) as tx:
            found = await self._figures(tx)
        self._show(found)

    def _show(self, found: Figures) -> None:
        self.metrics.set_deposits(
            {
                "pending": found.pending,
                "confirmed": found.confirmed,
                "review": found.review,
                "finished": found.finished,
                "partially_paid": found.partially_paid,
                "failed": found.failed,
                "stuck_waiting": found.waiting_long,
                "stuck_paid": found.stuck_paid,
            },
            {
                name: seconds
                for name, seconds in (
                    ("wait_to_pending", found.avg_waited),
                    ("pending_to_finished", found.avg_settling),
                )
                if seconds is not None
            },
        )

    async def _figures(self, tx: Tx) -> Figures:
        return await store.figures(tx, window=self.window, stuck_after=self.stuck_after)

    async def _measured(self, tx: Tx) -> Measured:
        now: datetime = await tx.fetchval("SELECT now()")
        found = await self._figures(tx)
        counts = {row["hour"]: row["count"] for row in await store.settled_by_hour(tx, self.window)}
        hours = self.window // timedelta(hours=1)
        this_hour = now.replace(minute=0, second=0, microsecond=0)
        settled = tuple(
            counts.get(this_hour - timedelta(hours=ago), 0) for ago in range(hours - 1, -1, -1)
        )
        return Measured(now, found, settled, self.window)
