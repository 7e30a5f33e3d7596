"""What operations people do with crypto deposits, the same from the API and the command line."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.deposits.domain.invoices import Invoice
from payops.deposits.domain.rates import Rate
from payops.deposits.errors import RateUnavailable
from payops.deposits.service import keeping, rates
from payops.deposits.service.keeping import Filters, Story
from payops.deposits.service.measuring import Measured
from payops.deposits.service.parts import Deposits
from payops.infra.db import Database, Tx
from payops.reconciliation.domain import Break
from payops.reconciliation.service import breaks

_TRAIL_MAX = 200


@dataclass(frozen=True, slots=True)
class Account:
    """An invoice with its payments, its receipts and its audit trail."""

    story: Story
    trail: Sequence[audit.Entry]


@dataclass(frozen=True, slots=True)
class CryptoDesk:
    """One per process."""

    db: Database
    deposits: Deposits

    async def find(self, filters: Filters, *, before: UUID | None, limit: int) -> list[Invoice]:
        async with self.db.transaction(read_only=True) as tx:
            return await keeping.page(tx, filters, before=before, limit=limit)

    async def account(self, invoice_id: UUID) -> Account:
        """Raises ``InvoiceNotFound``."""
        async with self.db.transaction(read_only=True) as tx:
            story = await keeping.story(tx, invoice_id)
            trail = await audit.history(tx, subject=story.invoice.shown_id, limit=_TRAIL_MAX)
        return Account(story, list(reversed(trail)))

    async def read_now(self, invoice_id: UUID, *, actor: str, request_id: str | None) -> int:
        """Read every payment of an invoice back at once. Raises ``InvoiceNotFound``."""

        async def work(tx: Tx) -> int:
            invoice = await keeping.get(tx, invoice_id, user_id=None)
            event = AuditEvent(
                kind="deposit_read_asked_for",
                actor=actor,
                user_id=invoice.user_id,
                subject=invoice.shown_id,
                request_id=request_id,
            )
            await audit.record(tx, [event])
            return await keeping.read_now(tx, invoice_id)

        return await self.db.run(work)

    async def measure(self) -> Measured:
        return await self.deposits.measures.measure()

    async def set_rate(
        self,
        rate: Decimal,
        spread_bps: int,
        *,
        actor: str,
        reason: str,
        request_id: str | None = None,
    ) -> Rate:
        return await self.db.run(
            lambda tx: rates.put(
                tx,
                rate=rate,
                spread_bps=spread_bps,
                actor=actor,
                reason=reason,
                request_id=request_id,
            )
        )

    async def rates(self, *, before: UUID | None, limit: int) -> list[Rate]:
        """Newest first; where none was ever recorded, the configured one."""
        async with self.db.transaction(read_only=True) as tx:
            found = await rates.history(tx, before=before, limit=limit)
            if found or before is not None:
                return found
            try:
                return [await self.deposits.rates.current(tx)]
            except RateUnavailable:
                return []

    async def breaks(self, *, before: UUID | None, limit: int) -> list[Break]:
        async with self.db.transaction(read_only=True) as tx:
            return await breaks.page(tx, before=before, limit=limit)

    async def take_on(self, break_id: UUID, *, owner: str, request_id: str | None) -> Break:
        """Raises ``BreakNotFound``."""
        return await self.db.run(
            lambda tx: breaks.take_on(tx, break_id, owner=owner, request_id=request_id)
        )

    async def explain(
        self, break_id: UUID, *, explanation: str, actor: str, request_id: str | None
    ) -> Break:
        """Raises ``BreakNotFound``."""
        return await self.db.run(
            lambda tx: breaks.explain(
                tx, break_id, explanation=explanation, actor=actor, request_id=request_id
            )
        )
