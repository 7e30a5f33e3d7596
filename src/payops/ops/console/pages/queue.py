"""The queue: what no machine can clear up, or has not yet, and where to look at each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from payops.deposits.domain.invoices import Invoice
from payops.deposits.domain.states import State as InvoiceState
from payops.deposits.schemas import InvoiceReply
from payops.deposits.service.keeping import Filters
from payops.infra.web.context import context_of
from payops.infra.web.replies import Cursor, PageReply, page_of, read_cursor
from payops.ops import service
from payops.ops.console.forms import Posted
from payops.ops.console.parts import Console
from payops.ops.console.rendering import Said, page, see_other
from payops.ops.console.signing import Reader, Writer
from payops.ops.console.spans import age, span
from payops.ops.crypto.schemas import BreakReply
from payops.ops.overview.schemas import ExposureReply
from payops.ops.service import Search
from payops.withdrawals.domain import State, Withdrawal
from payops.withdrawals.schemas import WithdrawalReply

_ROWS: Final = 20

TxId = Annotated[str, Path(alias="txId", max_length=64)]


class Of(StrEnum):
    """The lists of the page, in its order; with one of them named, the page shows only that."""

    REVIEW = "review"
    UNRESOLVED = "unresolved"
    INVOICES = "invoices"
    BREAKS = "breaks"


@dataclass(frozen=True, slots=True)
class WithdrawalRow:
    reply: WithdrawalReply
    age: str
    why: str
    asked_next_at: datetime | None


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    reply: InvoiceReply
    age: str
    reasons: Sequence[str]


@dataclass(frozen=True, slots=True)
class BreakRow:
    reply: BreakReply
    age: str


Row: TypeAlias = WithdrawalRow | InvoiceRow | BreakRow


def add_queue(routes: APIRouter, console: Console) -> None:
    @routes.get("/queue", operation_id="consoleQueue")
    async def queue(
        request: Request,
        visitor: Reader,
        of: Annotated[Of | None, Query()] = None,
        cursor: Cursor = None,
    ) -> Response:
        before = read_cursor(cursor) if of else None
        now = await _now(console)
        actor = visitor.principal.caller
        lists = {
            one.value: await _listed(console, one, before, now, actor)
            for one in ([of] if of else list(Of))
        }
        return page(
            request,
            "queue.html",
            lists=lists,
            of=of,
            exposure=ExposureReply.of(await console.overview.exposure()),
            span=span,
        )

    @routes.post("/queue/{txId}/ask", operation_id="consoleAskNow")
    async def ask_now(request: Request, visitor: Writer, _: Posted, tx_id: TxId) -> Response:
        await service.retry(
            console.operations,
            tx_id,
            actor=visitor.principal.caller,
            request_id=context_of(request).request_id,
        )
        return see_other("/ops/queue", Said.STARTED)


async def _listed(
    console: Console, of: Of, before: UUID | None, now: datetime, actor: str
) -> PageReply[Row]:
    """The page of one list, newest first as the API has it."""
    rows: list[Row]
    if of is Of.INVOICES:
        filters = Filters(state=InvoiceState.REVIEW)
        invoices = await console.crypto.find(filters, before=before, limit=_ROWS + 1)
        rows = [_invoice(one, now) for one in invoices]
        return page_of(rows, [one.id for one in invoices], _ROWS)
    if of is Of.BREAKS:
        breaks = await console.crypto.breaks(before=before, limit=_ROWS + 1)
        rows = [BreakRow(BreakReply.of(one), age(one.opened_at, now)) for one in breaks]
        return page_of(rows, [one.id for one in breaks], _ROWS)
    search = Search(state=State(of.value))
    withdrawals = await service.find(
        console.operations, search, before=before, limit=_ROWS + 1, actor=actor
    )
    rows = [_withdrawal(one, now) for one in withdrawals]
    return page_of(rows, [one.id for one in withdrawals], _ROWS)


def _invoice(invoice: Invoice, now: datetime) -> InvoiceRow:
    return InvoiceRow(InvoiceReply.of(invoice), age(invoice.created_at, now), invoice.reasons)


def _withdrawal(withdrawal: Withdrawal, now: datetime) -> WithdrawalRow:
    return WithdrawalRow(
        WithdrawalReply.of(withdrawal),
        age(withdrawal.first_sent_at or withdrawal.created_at, now),
        _why(withdrawal),
        withdrawal.due_at,
    )


def _why(withdrawal: Withdrawal) -> str:
    asked = f"asked {withdrawal.questions} times since" if withdrawal.questions else "not asked yet"
    if withdrawal.state is State.REVIEW:
        return f"Asking did not clear it up ({asked}): a person must decide."
    return f"The rail's answer was lost: it may have been paid ({asked})."


async def _now(console: Console) -> datetime:
    async with console.operations.db.transaction(read_only=True) as tx:
        now: datetime = await tx.fetchval("SELECT now()")
    return now
