"""The timed jobs of crypto deposits; each does what is due now and may run twice."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from payops.deposits.service import cataloguing, keeping
from payops.deposits.service.parts import Deposits
from payops.infra.db import Database
from payops.infra.scheduling import Job
from payops.infra.settings import Settings
from payops.reconciliation.service import DepositReconciliation

# A provider answers within seconds or never; a page is good for a week (its provider's rule).
_UNBORN_AFTER: Final = timedelta(hours=24)
_DESERTED_AFTER: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class DepositJobs:
    settings: Settings
    db: Database
    deposits: Deposits
    reconciliation: DepositReconciliation

    def all(self) -> list[Job]:
        return [
            Job(
                name="reconcile-crypto",
                cron=self.settings.reconciliation.crypto_cron,
                timeout=timedelta(hours=1),
                run=self.reconcile,
                catch_up=True,
                alone=True,
            ),
            Job(
                name="crypto-metrics",
                cron=self.settings.crypto.metrics_cron,
                timeout=timedelta(minutes=5),
                run=self.measure,
            ),
            Job(
                name="crypto-stuck",
                every=timedelta(minutes=1),
                timeout=timedelta(minutes=5),
                run=self.look_for_stuck,
            ),
            Job(
                name="crypto-coins",
                every=timedelta(minutes=5),
                timeout=timedelta(minutes=5),
                run=self.look_at_coins,
                alone=True,
            ),
        ]

    async def reconcile(self) -> dict[str, int]:
        return (await self.reconciliation.everything()).as_json()

    async def measure(self) -> dict[str, int | None]:
        found = (await self.deposits.measures.measure()).figures
        return {
            "pending": found.pending,
            "confirmed": found.confirmed,
            "finished": found.finished,
            "failed": found.failed,
            "avgWaitToPending": found.avg_waited,
            "avgPendingToFinished": found.avg_settling,
            "stuckFor30Min": found.waiting_long,
        }

    async def look_at_coins(self) -> dict[str, list[str]]:
        """Alert on coins that are withheld because a provider's record of them is odd."""
        return await cataloguing.alert_withheld(self.db, self.deposits.registry)

    async def look_for_stuck(self) -> dict[str, int]:
        """Alert on what does not move, and close what never came to be."""
        measures = self.deposits.measures
        found = (await measures.measure()).figures
        return {
            "stuck": await keeping.alert_stuck(
                self.db, stuck_after=measures.stuck_after, waiting_long=found.waiting_long
            ),
            "closed": await keeping.end_unborn(
                self.db, older_than=_UNBORN_AFTER, deserted_after=_DESERTED_AFTER
            ),
        }
