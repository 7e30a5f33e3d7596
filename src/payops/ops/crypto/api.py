"""Crypto deposits for operations over HTTP; decides nothing."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from payops.access.api import OfUser
from payops.deposits.api import id_of
from payops.deposits.domain.states import State
from payops.deposits.schemas import InvoiceReply
from payops.deposits.service.keeping import Filters
from payops.infra.web.body import json_body
from payops.infra.web.context import context_of
from payops.infra.web.replies import Cursor, Limit, PageReply, answer, page_of, read_cursor
from payops.infra.web.wire import accepts, problems
from payops.ops.access import FOUND, READ, Reader, Writer
from payops.ops.crypto.schemas import (
    BreakReply,
    ExplainRequest,
    InvoiceAccountReply,
    MetricsReply,
    RateReply,
    RateRequest,
    ReadReply,
)
from payops.ops.crypto.service import CryptoDesk
from payops.reconciliation.domain import read_break
from payops.reconciliation.errors import BreakNotFound

InvoiceId = Annotated[str, Path(alias="invoiceId")]
BreakId = Annotated[str, Path(alias="breakId")]
Text = Annotated[str | None, Query(min_length=1, max_length=128)]

_WRITE = problems(400, 401, 403, 404, 413, 422, 429, 503)
_NO_CURSOR = UUID(int=0)


def router(desk: CryptoDesk) -> APIRouter:
    routes = APIRouter(prefix="/api/ops", tags=["operations"])
    _add_invoices(routes, desk)
    _add_figures(routes, desk)
    _add_rates(routes, desk)
    _add_breaks(routes, desk)
    return routes


def _add_invoices(routes: APIRouter, desk: CryptoDesk) -> None:
    @routes.get(
        "/invoices",
        response_model=PageReply[InvoiceReply],
        operation_id="opsFindInvoices",
        summary="Find invoices of all users",
        responses=READ,
    )
    async def find_invoices(
        _: Reader,
        user_id: OfUser = None,
        status: State | None = None,
        q: Annotated[
            str | None,
            Query(min_length=1, max_length=128, description="A provider's id, or the request's"),
        ] = None,
        reference: Text = None,
        limit: Limit = 20,
        cursor: Cursor = None,
    ) -> Response:
        found = await desk.find(
            Filters(user_id, status, q or reference), before=read_cursor(cursor), limit=limit + 1
        )
        return answer(page_of([InvoiceReply.of(i) for i in found], [i.id for i in found], limit))

    @routes.get(
        "/invoices/{invoiceId}",
        response_model=InvoiceAccountReply,
        operation_id="opsShowInvoice",
        summary="An invoice with its payments, its receipts and its audit trail",
        responses=FOUND,
    )
    async def show_invoice(_: Reader, invoice_id: InvoiceId) -> Response:
        return answer(InvoiceAccountReply.of_account(await desk.account(id_of(invoice_id))))

    @routes.post(
        "/invoices/{invoiceId}/retry",
        status_code=202,
        response_model=ReadReply,
        operation_id="opsRetryInvoice",
        summary="Read its payments back from the provider now",
        responses=FOUND,
    )
    async def retry_invoice(request: Request, principal: Writer, invoice_id: InvoiceId) -> Response:
        count = await desk.read_now(
            id_of(invoice_id),
            actor=principal.caller,
            request_id=context_of(request).request_id,
        )
        return answer(ReadReply(payments=count), 202)


def _add_figures(routes: APIRouter, desk: CryptoDesk) -> None:
    @routes.get(
        "/crypto/metrics",
        response_model=MetricsReply,
        operation_id="opsCryptoMetrics",
        summary="The figures of crypto deposits, counted now",
        responses=READ,
    )
    async def crypto_metrics(_: Reader) -> Response:
        # Averages of nothing are null: their fields are part of the answer all the same.
        return answer(MetricsReply.of(await desk.measure()), keep_nulls=True)


def _add_rates(routes: APIRouter, desk: CryptoDesk) -> None:
    @routes.get(
        "/fx/rates",
        response_model=PageReply[RateReply],
        operation_id="opsListRates",
        summary="The recorded USD/KES rates",
        responses=READ,
    )
    async def list_rates(_: Reader, limit: Limit = 20, cursor: Cursor = None) -> Response:
        found = await desk.rates(before=read_cursor(cursor), limit=limit + 1)
        ids = [rate.id or _NO_CURSOR for rate in found]
        return answer(page_of([RateReply.of(rate) for rate in found], ids, limit))

    @routes.post(
        "/fx/rates",
        status_code=201,
        response_model=RateReply,
        operation_id="opsSetRate",
        summary="Record a new USD/KES rate; those before it stay",
        responses=_WRITE,
        openapi_extra=accepts(RateRequest),
    )
    async def set_rate(
        request: Request,
        principal: Writer,
        body: Annotated[RateRequest, Depends(json_body(RateRequest))],
    ) -> Response:
        rate = await desk.set_rate(
            body.as_decimal(),
            body.spread_bps,
            actor=principal.caller,
            reason=body.reason,
            request_id=context_of(request).request_id,
        )
        return answer(RateReply.of(rate), 201)


def _add_breaks(routes: APIRouter, desk: CryptoDesk) -> None:
    @routes.get(
        "/breaks",
        response_model=PageReply[BreakReply],
        operation_id="opsListBreaks",
        summary="Open differences between the providers' books and ours",
        responses=READ,
    )
    async def list_breaks(_: Reader, limit: Limit = 20, cursor: Cursor = None) -> Response:
        found = await desk.breaks(before=read_cursor(cursor), limit=limit + 1)
        return answer(page_of([BreakReply.of(b) for b in found], [b.id for b in found], limit))

    @routes.post(
        "/breaks/{breakId}/take",
        response_model=BreakReply,
        operation_id="opsTakeBreak",
        summary="Look into a break: it is yours",
        responses=FOUND,
    )
    async def take_break(request: Request, principal: Writer, break_id: BreakId) -> Response:
        found = await desk.take_on(
            break_id_of(break_id), owner=principal.caller, request_id=context_of(request).request_id
        )
        return answer(BreakReply.of(found))

    @routes.post(
        "/breaks/{breakId}/explain",
        response_model=BreakReply,
        operation_id="opsExplainBreak",
        summary="Close a break that is no loss, and say why",
        responses=_WRITE,
        openapi_extra=accepts(ExplainRequest),
    )
    async def explain_break(
        request: Request,
        principal: Writer,
        break_id: BreakId,
        body: Annotated[ExplainRequest, Depends(json_body(ExplainRequest))],
    ) -> Response:
        found = await desk.explain(
            break_id_of(break_id),
            explanation=body.reason,
            actor=principal.caller,
            request_id=context_of(request).request_id,
        )
        return answer(BreakReply.of(found))


def break_id_of(text: str) -> UUID:
    """Raises ``BreakNotFound`` for what cannot be a break's id."""
    try:
        return read_break(text)
    except ValueError:
        raise BreakNotFound from None
