"""Asking a rail about its open payouts: all of them at night, the due ones all day.

Both ways ask the same question and record the answer the same way, so running them twice,
or on two replicas, changes nothing more. One payout's error never stops the others.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from payops.reconciliation.domain import Tally
from payops.withdrawals.domain import Withdrawal
from payops.withdrawals.service.asking import Finding, Inquiry

_PAGE: Final = 500
_SWEEP_MAX: Final = 1_000
_START: Final = UUID(int=0)

Progress = Callable[[Tally], None]


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Reconciles one rail, ``concurrency`` questions at a time, in pages: memory stays flat."""

    inquiry: Inquiry
    concurrency: int

    async def everything(
        self, *, min_age_seconds: int, progress: Progress = lambda _: None
    ) -> Tally:
        """Ask about every payout sent and not final, unchanged for ``min_age_seconds``."""
        tally, after = Tally(), _START
        while True:
            page = await self.inquiry.open_after(
                min_age_seconds=min_age_seconds, after=after, limit=_PAGE
            )
            if not page:
                return tally
            await self._ask(page, tally, progress, origin="reconcile")
            after = page[-1].id

    async def due(self) -> Tally:
        """Ask about those whose time has come: the sweep of every few moments."""
        tally = Tally()
        while tally.checked < _SWEEP_MAX:
            page = await self.inquiry.due(self.concurrency * 2)
            if not page:
                break
            await self._ask(page, tally, lambda _: None, origin="sweep")
        return tally

    async def _ask(
        self, page: Sequence[Withdrawal], tally: Tally, progress: Progress, *, origin: str
    ) -> None:
        room = asyncio.Semaphore(self.concurrency)
        questions = await self.inquiry.questions(page, origin=origin)

        async def ask(index: int) -> None:
            async with room:
                finding = await self.inquiry.finding(*questions[index], origin=origin)
            tally.checked += 1
            tally.completed += finding is Finding.COMPLETED
            tally.failed += finding is Finding.FAILED
            tally.unresolved += finding is Finding.UNRESOLVED
            tally.errors += finding is Finding.ERROR
            progress(tally)

        await asyncio.gather(*(ask(index) for index in range(len(questions))))
