"""Looking invoices up, and what is done about those that got stuck or never came to be."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from payops.deposits.domain.invoices import Invoice, Payment, Receipt
from payops.deposits.domain.states import State
from payops.deposits.errors import InvoiceNotFound
from payops.deposits.service import recording
from payops.deposits.service.recording import STUCK
from payops.deposits.store import figures, reading, writing
from payops.infra.db import Database, Tx
from payops.ledger.domain import Invariant

ACTOR: Final = "system:deposits"
_STUCK_MAX: Final = 500
_SWEEP_MAX: Final = 500

# Checked with the ledger's own (``payops ledger verify``).
INVARIANTS: Final[tuple[Invariant, ...]] = (
    Invariant(
        "credited_receipts_are_in_the_ledger",
        "each credited arrival has one journal that credits exactly its value",
        """SELECT r.user_id, r.provider, r.reference, r.credited, e.amount
        FROM deposit_receipts r LEFT JOIN entries e
            ON e.user_id = r.user_id AND e.journal_id = r.journal_id
            AND e.account = 'wallet:available' AND e.currency = r.credited_currency
        WHERE r.state IN ('credited', 'reversed') AND e.amount IS DISTINCT FROM r.credited""",
    ),
    Invariant(
        "deposits_in_the_ledger_have_receipts",
        "each journal that credits a deposit belongs to one arrival",
        """SELECT j.user_id, j.id, j.reference FROM journals j
        LEFT JOIN deposit_receipts r ON r.user_id = j.user_id AND r.journal_id = j.id
        WHERE j.kind = 'deposit_credited' AND r.id IS NULL""",
    ),
    Invariant(
        "invoices_show_what_was_credited",
        "what an invoice says was credited is the sum of its credited arrivals",
        """SELECT i.user_id, i.id, i.credited, coalesce(sum(r.credited), 0) AS receipts
        FROM invoices i LEFT JOIN deposit_receipts r
            ON r.user_id = i.user_id AND r.invoice_id = i.id AND r.state = 'credited'
        GROUP BY i.user_id, i.id HAVING i.credited <> coalesce(sum(r.credited), 0)""",
    ),
    Invariant(
        "an_arrival_is_credited_once",
        "no two receipts stand for one arrival of one provider",
        """SELECT provider, reference, count(*) FROM deposit_receipts
        GROUP BY provider, reference HAVING count(*) > 1""",
    ),
)


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list is narrowed to; ``None`` is no filter."""

    user_id: str | None = None
    state: State | None = None
    named: str | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """An invoice with all that is known of it."""

    invoice: Invoice
    payments: tuple[Payment, ...]
    receipts: tuple[Receipt, ...]


async def get(tx: Tx, invoice_id: UUID, *, user_id: str | None) -> Invoice:
    """Raises ``InvoiceNotFound``, also for an invoice of another user than ``user_id``."""
    found = await reading.by_id(tx, invoice_id)
    if found is None or (user_id is not None and found.user_id != user_id):
        raise InvoiceNotFound
    return found


async def story(tx: Tx, invoice_id: UUID) -> Story:
    """Raises ``InvoiceNotFound``."""
    found = await get(tx, invoice_id, user_id=None)
    payments = await writing.payments_of(tx, [invoice_id])
    receipts = await writing.receipts_of(tx, [invoice_id])
    return Story(found, tuple(payments), tuple(receipts))


async def page(tx: Tx, filters: Filters, *, before: UUID | None, limit: int) -> list[Invoice]:
    """Newest first."""
    return await reading.page(
        tx,
        user_id=filters.user_id,
        state=filters.state,
        named=filters.named,
        before=before,
        limit=limit,
    )


async def read_now(tx: Tx, invoice_id: UUID) -> int:
    """Let every payment of an invoice be read back at once; returns how many there are."""
    payments = await writing.payments_of(tx, [invoice_id])
    if payments:
        await writing.read_soon(tx, [payment.id for payment in payments])
        tx.wake(recording.DUE)
    return len(payments)


async def alert_stuck(db: Database, *, stuck_after: timedelta, waiting_long: int) -> int:
    """One alert an episode for each payment that was seen and does not move; returns how many.

    Invoices that nobody pays are everyday life: they share one alert, of a lower severity.
    """

    async def work(tx: Tx) -> int:
        rows = await figures.stuck(tx, stuck_after, _STUCK_MAX)
        if waiting_long:
            await alerts.raise_alert(tx, _waiting(waiting_long))
        else:
            await alerts.resolve_alert(tx, _WAITING)
        for invoice in sorted(rows, key=lambda one: one.shown_id):
            await alerts.raise_alert(tx, _stuck(invoice))
        return len(rows)

    return await db.run(work)


async def end_unborn(db: Database, *, older_than: timedelta, deserted_after: timedelta) -> int:
    """Close invoices that no provider ever answered for, and pages nobody has used.

    Both open again when money arrives for them after all.
    """

    async def work(tx: Tx) -> int:
        unborn = await figures.lock_unborn(tx, older_than, _SWEEP_MAX)
        deserted = await figures.lock_deserted(tx, deserted_after, _SWEEP_MAX)
        await _end(tx, unborn, State.FAILED)
        await _end(tx, deserted, State.EXPIRED)
        return len(unborn) + len(deserted)

    return await db.run(work)


async def _end(tx: Tx, invoices: Collection[Invoice], state: State) -> None:
    cases = await recording.load(tx, [invoice.id for invoice in invoices])
    for case in cases.values():
        before = case.invoice
        case.invoice = replace(before, state=state, state_since=case.now)
        await recording.write(tx, case, actor=ACTOR, before=before)


_WAITING: Final = "deposits_waiting"


def _waiting(count: int) -> Alert:
    return Alert(
        key=_WAITING,
        kind=_WAITING,
        severity=Severity.WARNING,
        summary="Invoices have waited for money for longer than the limit.",
        detail={"invoices": count},
    )


def _stuck(invoice: Invoice) -> Alert:
    return Alert(
        key=f"{STUCK}:{invoice.shown_id}",
        kind=STUCK,
        severity=Severity.CRITICAL,
        summary="Money was seen for a deposit, and the provider does not settle it.",
        detail={"invoice": invoice.shown_id, "state": invoice.state.value},
    )
