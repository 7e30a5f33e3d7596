"""Comparing deposits with what their providers say: everything open, and what was credited
lately. Reading back repairs what it can; what then still differs becomes a break.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog

from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from payops.deposits.domain.invoices import Payment
from payops.deposits.service import keeping
from payops.deposits.service.keeping import Story
from payops.deposits.service.reading import Checked, Finding, Reader
from payops.infra.db import Database, Tx
from payops.infra.metrics import Metrics
from payops.reconciliation import store
from payops.reconciliation.domain import DepositTally, Difference
from payops.reconciliation.service.comparing import differences

log = structlog.get_logger(__name__)

ACTOR: Final = "system:reconciliation"
_PAGE: Final = 200
_START: Final = UUID(int=0)
_ALERT: Final = "reconciliation_break"

Progress = Callable[[DepositTally], None]


@dataclass(frozen=True, slots=True)
class DepositReconciliation:
    """Reconciles every provider, in pages: memory stays flat. Twice changes nothing more."""

    db: Database
    reader: Reader
    metrics: Metrics
    concurrency: int
    settled_within: timedelta

    async def everything(self, *, progress: Progress = lambda _: None) -> DepositTally:
        """Read back all that is not at rest or was settled lately, provider by provider."""
        tally = DepositTally()
        for provider in self.reader.providers:
            after = _START
            while page := await self.reader.to_reconcile(
                provider, settled_within=self.settled_within, after=after, limit=_PAGE
            ):
                await self._check(page, tally, progress)
                after = page[-1].id
        async with self.db.transaction(read_only=True) as tx:
            self.metrics.set_breaks(await store.counts(tx))
        return tally

    async def _check(
        self, page: Sequence[Payment], tally: DepositTally, progress: Progress
    ) -> None:
        room = asyncio.Semaphore(self.concurrency)

        async def check(payment: Payment) -> None:
            async with room:
                checked = await self.reader.read(payment, actor=ACTOR)
                found = await self._keep(payment, checked)
            tally.checked += 1
            tally.credited += checked.finding is Finding.CREDITED
            tally.review += checked.finding is Finding.REVIEW
            tally.unchanged += checked.finding in {Finding.UNCHANGED, Finding.MOVED}
            tally.errors += checked.finding is Finding.ERROR
            tally.breaks += len(found)
            progress(tally)

        await asyncio.gather(*(check(payment) for payment in page))

    async def _keep(self, payment: Payment, checked: Checked) -> list[Difference]:
        """What still differs is open as a break; what no longer does is closed."""

        async def work(tx: Tx) -> list[Difference]:
            story = await keeping.story(tx, payment.invoice_id)
            found = differences(story, payment.reference, checked.answer)
            await store.close_gone(
                tx,
                payment.provider,
                payment.reference,
                [difference.kind for difference in found],
                by=ACTOR,
            )
            news = [difference for difference in found if await store.put(tx, difference)]
            for difference in news:
                await alerts.raise_alert(tx, _alert(difference, story))
            if not found:
                await alerts.resolve_alert(tx, _key(payment.provider, payment.reference))
            return found

        return await self.db.run(work)


def _key(provider: str, reference: str) -> str:
    return f"{_ALERT}:{provider}:{reference}"


def _alert(difference: Difference, story: Story) -> Alert:
    return Alert(
        key=_key(difference.provider, difference.subject),
        kind=_ALERT,
        severity=Severity.WARNING,
        summary="A provider's books and ours differ about a deposit.",
        detail={
            "provider": difference.provider,
            "payment": difference.subject,
            "invoice": story.invoice.shown_id,
            "difference": difference.kind.value,
        },
    )
