"""Reading payments back from their providers: what they are is what a read-back says.

Due ones are claimed by putting them off; a process that dies in between leaves them due
again. Nothing is open while a provider is asked.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID

import structlog

from payops.deposits.domain.invoices import Invoice, Kind, Payment
from payops.deposits.domain.states import UNBORN
from payops.deposits.domain.valuation import at_market
from payops.deposits.errors import RateUnavailable
from payops.deposits.ports import Arrival, NoAnswer, NotKnown, ReadAnswer, Snapshot
from payops.deposits.routing import Registered, Registry
from payops.deposits.service import deciding, recording
from payops.deposits.service.case import Market, Policy
from payops.deposits.service.invoicing import word
from payops.deposits.service.opening import Opening
from payops.deposits.service.rates import Rates
from payops.deposits.service.recording import ReferenceTaken
from payops.deposits.store import figures, writing
from payops.infra.db import Database, Tx
from payops.infra.metrics import Metrics
from payops.kernel.breaker import Circuit
from payops.kernel.money import KES

log = structlog.get_logger(__name__)

_LEASE: Final = timedelta(minutes=2)  # longer than a read-back takes, rates included
_AGAIN: Final = timedelta(seconds=2)  # while the answer that opened it is on its way


class Finding(StrEnum):
    """What one read-back came to."""

    CREDITED = "credited"
    MOVED = "moved"
    UNCHANGED = "unchanged"
    REVIEW = "review"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Checked:
    """What one read-back came to, and what was said; ``None`` when it could not be recorded."""

    finding: Finding
    answer: ReadAnswer | None


@dataclass(frozen=True, slots=True)
class _Read:
    answer: ReadAnswer
    markets: tuple[Market, ...] = ()


class Reader:
    """Reads payments back and records what they are. One per process."""

    def __init__(
        self,
        *,
        db: Database,
        registry: Registry,
        rates: Rates,
        opening: Opening,
        policy: Policy,
        concurrency: int,
        metrics: Metrics,
    ) -> None:
        self._db = db
        self._registry = registry
        self._rates = rates
        self._opening = opening
        self._policy = policy
        self._concurrency = concurrency
        self._metrics = metrics

    async def due(self) -> int:
        """Read back what is due now, provider by provider; returns how many were read."""
        counts = await asyncio.gather(*(self._due_of(name) for name in self._registry.names))
        return sum(counts)

    async def read(self, payment: Payment, *, actor: str) -> Checked:
        """Read back one payment and record it; an error is that payment's alone."""
        try:
            registered = self._registry.get(payment.provider)
            read = await self._ask(registered, payment)
            finding = await self._db.run(lambda tx: self._record(tx, payment, read, actor))
        except ReferenceTaken:
            await self._db.run(
                lambda tx: recording.halt_for_shared_id(tx, payment.provider, payment.reference)
            )
            return Checked(Finding.ERROR, None)
        except Exception:
            log.exception("deposit.read_failed", payment_id=str(payment.id))
            return Checked(Finding.ERROR, None)
        return Checked(finding, read.answer)

    @property
    def providers(self) -> tuple[str, ...]:
        return self._registry.names

    async def to_reconcile(
        self, provider: str, *, settled_within: timedelta, after: UUID, limit: int
    ) -> list[Payment]:
        """A page of all that is not at rest or changed lately, in id order."""
        async with self._db.transaction(read_only=True) as tx:
            return await figures.to_reconcile(
                tx,
                provider,
                settled_within=settled_within,
                watched_for=self._policy.poll_for,
                after=after,
                limit=limit,
            )

    async def _due_of(self, name: str) -> int:
        registered, count = self._registry.get(name), 0
        while True:
            room = self._concurrency
            if registered.breaker.circuit is not Circuit.CLOSED:
                room = registered.breaker.admit()
            if not room:
                return count
            claimed = await self._db.run(lambda tx: writing.claim(tx, name, room, _LEASE))  # noqa: B023 - awaited at once
            if not claimed:
                registered.breaker.give_back()
                return count
            await asyncio.gather(*(self.read(one, actor="system:polling") for one in claimed))
            count += len(claimed)
            if len(claimed) < room:
                return count

    async def _ask(self, registered: Registered, payment: Payment) -> _Read:
        answer = await registered.provider.read(payment.reference)
        self._metrics.count_provider_answer(registered.name, "read", word(answer))
        if isinstance(answer, NoAnswer) and answer.is_outage:
            registered.breaker.failed()
        else:
            registered.breaker.succeeded()
        self._metrics.set_provider_breaker(
            registered.name, is_open=registered.breaker.circuit is not Circuit.CLOSED
        )
        if not isinstance(answer, Snapshot):
            return _Read(answer)
        return _Read(answer, tuple(await self._valued(registered, payment, answer)))

    async def _valued(
        self, registered: Registered, payment: Payment, seen: Snapshot
    ) -> list[Market]:
        """Fresh values of the arrivals that need one; none for those that could not be had."""
        async with self._db.transaction() as tx:
            case = (await recording.load(tx, [payment.invoice_id]))[payment.invoice_id]
            wanted = deciding.unvalued(case, payment.reference, seen, self._policy)
            if not wanted:
                return []
            try:
                rate = await self._rate(tx, case.invoice)
            except RateUnavailable:
                return []
        markets = []
        for arrival in wanted:
            usd = await registered.provider.usd_value(arrival.coin, arrival.amount)
            self._metrics.count_provider_answer(registered.name, "value", word(usd))
            if not isinstance(usd, NoAnswer):
                markets.append(_market(arrival, usd, rate, case.invoice))
        return markets

    async def _rate(self, tx: Tx, invoice: Invoice) -> Decimal | None:
        if invoice.price.currency != KES:
            return None
        return (await self._rates.current(tx)).for_payer

    def _observe(self, durations: Mapping[str, int]) -> None:
        for phase, seconds in durations.items():
            self._metrics.observe_deposit_phase(phase, seconds)

    async def _record(self, tx: Tx, payment: Payment, read: _Read, actor: str) -> Finding:
        case = (await recording.load(tx, [payment.invoice_id]))[payment.invoice_id]
        before, reference = case.invoice, payment.reference
        match read.answer:
            case Snapshot() as seen:
                orphan = case.payments[reference]
                if orphan.kind is Kind.ORPHAN and before.state in UNBORN:
                    if await self._opening.is_under_way(tx, case):
                        # The answer that makes it the invoice's own is still on its way.
                        case.put_payment(replace(orphan, due_at=case.now + _AGAIN))
                        await recording.write(tx, case, actor=actor, before=before)
                        return Finding.UNCHANGED
                    self._opening.adopt(case, reference, seen)
                deciding.observe(case, reference, seen, self._policy, read.markets)
            case NotKnown():
                deciding.failed_to_read(case, reference, self._policy, why="not_known")
            case NoAnswer():
                deciding.failed_to_read(case, reference, self._policy, why="unreadable")
        after = await recording.write(tx, case, actor=actor, before=before)
        tx.after_commit(lambda: self._observe(case.durations))
        if isinstance(read.answer, NoAnswer):
            return Finding.ERROR
        if case.credited:
            return Finding.CREDITED
        if after.reasons:
            return Finding.REVIEW
        return Finding.MOVED if after.state is not before.state else Finding.UNCHANGED


def _market(arrival: Arrival, usd: Decimal, rate: Decimal | None, invoice: Invoice) -> Market:
    return Market(arrival.reference, at_market(usd, rate, invoice.price.currency.exponent))
