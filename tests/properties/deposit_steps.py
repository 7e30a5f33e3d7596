"""What the deposit machine remembers of a run, and the steps that its rules are made of."""

import asyncio
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from hypothesis.stateful import RuleBasedStateMachine

from payops.deposits.domain.invoices import Invoice
from payops.deposits.domain.states import SETTLED, State
from payops.deposits.ports import Arrival, Snapshot
from payops.kernel.ids import new_id
from payops.switches import service as switches
from tests.properties.deposit_model import IN_TIME, TOO_LATE, Bought, World
from tests.support.mint import signed


class Steps(RuleBasedStateMachine):
    """Without rules of its own; ``world`` is the two replicas and their mint."""

    world: ClassVar[World]

    def __init__(self) -> None:
        super().__init__()
        self.run = self.world
        self.one, self.other = self.world.replicas
        self.mint = self.one.mint
        self.mint.replies.clear()
        self.user = f"usr_{new_id().hex[:12]}"
        self.bought: dict[str, Bought] = {}  # by the provider's reference
        self.stated: dict[str, set[Decimal]] = {}  # every amount the provider ever named
        self.wrong: set[str] = set()  # another coin arrived
        self.frozen: dict[Any, set[str]] = {}  # credited when its invoice was contradicted
        self.dismissed: set[str] = set()  # people said that nothing is to be credited
        self.touched: set[Any] = set()  # invoices that were ever contradicted

    def book(self, invoice: Invoice, **facts: Any) -> str:
        """A new payment in the mint's book, which belongs to ``invoice``."""
        reference = self.mint.new_reference()
        self.mint.has(
            Snapshot(
                reference=reference,
                state=State.WAITING,
                provider_status="waiting",
                order_id=invoice.shown_id,
                price=invoice.charged,
                **facts,
            )
        )
        return reference

    def state_amount(
        self, ref: str, amount: Decimal, arrived_at: datetime | None, coin: str | None = None
    ) -> None:
        coin = coin or self.mint.book[ref].coin or "BTC"
        self.mint.arrives(ref, amount, coin=coin, arrived_at=arrived_at)
        self.stated.setdefault(ref, set()).add(amount)
        self.settle_arrivals(ref)

    def settle_arrivals(self, ref: str) -> None:
        """Arrivals are settled when their payment is."""
        book = self.mint.book[ref]
        is_settled = book.state in SETTLED
        arrivals: tuple[Arrival, ...] = tuple(
            replace(arrival, is_settled=is_settled) for arrival in book.arrivals
        )
        self.mint.book[ref] = replace(book, arrivals=arrivals)

    def time_of(self, ref: str, *, is_late: bool) -> datetime | None:
        """When the provider says that money arrived, if it says."""
        if not self.bought[ref].is_timed:
            return None
        return TOO_LATE if is_late else IN_TIME

    def may_be_credited(self, ref: str) -> bool:
        """An orphan only if the invoice took it as its own, because it was heard of first."""
        if self.bought[ref].kind != "orphan":
            return True
        invoice = self.run(self.one.look(self.bought[ref].invoice.shown_id))
        return bool(invoice.provider_reference == ref)

    def hear(self, ref: str, copies: int, says: State, **lie: Any) -> None:
        book, bought = self.mint.book[ref], self.bought[ref]
        content = {
            "reference": ref,
            "status": says.value,
            "order": bought.invoice.shown_id,
            "parent": book.parent_reference,
            "page": book.hosted_reference,
            "nonce": str(new_id()),
        } | lie

        async def hear() -> None:
            headers, body = signed(content)
            inbox = self.one.services.inbox
            assert all(
                await asyncio.gather(*(inbox.receive("mint", headers, body) for _ in range(copies)))
            )
            await inbox.drained()

        self.run(hear())

    async def resume(self) -> None:
        async with self.one.db.transaction() as tx:
            await switches.resume(tx, "mint", reason="looked into", actor="person:test")
        for till in self.world.replicas:
            till.services.switchboard.forget()

    def receipts(self) -> dict[str, dict[str, Any]]:
        rows = self.run(
            self.one.fetch(
                "SELECT reference, invoice_id, state, amount, arrived_at,"
                " credited::bigint AS credited, method"
                " FROM deposit_receipts WHERE user_id = $1",
                self.user,
            )
        )
        return {row["reference"]: row for row in rows}

    def doubted(self) -> list[dict[str, Any]]:
        """Payments that a person must look at, as they are."""
        rows: list[dict[str, Any]] = self.run(
            self.one.fetch(
                "SELECT reference, invoice_id, reason FROM deposit_payments"
                " WHERE user_id = $1 AND reason IS NOT NULL",
                self.user,
            )
        )
        return rows
