"""Asking for what needs two people, and deciding on it, over HTTP; decides nothing."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from payops.access.domain import Principal
from payops.approvals.domain import Person, State
from payops.idempotency.api import HEADER, IdempotencyKey, respond
from payops.infra.web.body import json_body, parse
from payops.infra.web.context import context_of
from payops.infra.web.replies import Cursor, Limit, PageReply, answer, page_of, read_cursor
from payops.infra.web.wire import accepts
from payops.ops.access import ACT_WITH_BODY, READ, Approver, Reader, Writer
from payops.ops.approvals.refunding import Refunding
from payops.ops.approvals.schemas import (
    ApprovalReply,
    DecisionRequest,
    PendingReply,
    RefundRequest,
    ResolveRequest,
    ReviewRequest,
    WriteOffRequest,
    rebuilt,
)
from payops.ops.approvals.service import ApprovalDesk

TxId = Annotated[str, Path(alias="txId")]
InvoiceId = Annotated[str, Path(alias="invoiceId")]

_PENDING = 202


@dataclass(frozen=True, slots=True)
class ApprovalsApi:
    """What the routes need."""

    desk: ApprovalDesk
    refunding: Refunding


def router(api: ApprovalsApi) -> APIRouter:
    routes = APIRouter(prefix="/api/ops", tags=["operations"])
    _add_withdrawals(routes, api)
    _add_losses(routes, api)
    _add_invoices(routes, api)
    _add_list(routes, api)
    _add_decisions(routes, api)
    return routes


def person_of(principal: Principal) -> Person:
    """The key, and whose it is."""
    return Person(principal.caller, principal.owner)


async def decision_of(request: Request) -> DecisionRequest:
    """The body, which may be left out. Raises as ``json_body``."""
    raw = await request.body()
    return parse(DecisionRequest, raw.strip() or b"{}")


Decision = Annotated[DecisionRequest, Depends(decision_of)]


def _optional_body() -> dict[str, object]:
    described = accepts(DecisionRequest)
    return {"requestBody": {**described["requestBody"], "required": False}}


def _add_withdrawals(routes: APIRouter, api: ApprovalsApi) -> None:
    @routes.post(
        "/withdrawals/{txId}/resolve",
        status_code=_PENDING,
        response_model=PendingReply,
        operation_id="opsResolveWithdrawal",
        summary="Have an unclear payout settled as paid or not paid; another person approves",
        responses=ACT_WITH_BODY,
        openapi_extra=accepts(ResolveRequest),
    )
    async def resolve_withdrawal(
        request: Request,
        principal: Writer,
        tx_id: TxId,
        body: Annotated[ResolveRequest, Depends(json_body(ResolveRequest))],
    ) -> Response:
        asked = await api.desk.ask_resolve(
            tx_id,
            body.resolution(),
            reason=body.reason,
            by=person_of(principal),
            request_id=context_of(request).request_id,
        )
        return answer(PendingReply.of(asked), _PENDING)

    @routes.post(
        "/withdrawals/{txId}/refund",
        status_code=_PENDING,
        response_model=PendingReply,
        operation_id="opsRefundWithdrawal",
        summary="Have a completed payout given back, once; another person approves",
        responses=ACT_WITH_BODY,
        openapi_extra={**accepts(RefundRequest), "parameters": [HEADER]},
    )
    async def refund_withdrawal(
        request: Request,
        principal: Writer,
        key: IdempotencyKey,
        tx_id: TxId,
        body: Annotated[RefundRequest, Depends(json_body(RefundRequest))],
    ) -> Response:
        given = await api.refunding.ask(
            tx_id,
            bearer=body.borne_by,
            reason=body.reason,
            key=key,
            by=person_of(principal),
            request_id=context_of(request).request_id,
        )
        return respond(rebuilt(given) if given.body is None else given)


def _add_losses(routes: APIRouter, api: ApprovalsApi) -> None:
    @routes.post(
        "/withdrawals/{txId}/write-off",
        status_code=_PENDING,
        response_model=PendingReply,
        operation_id="opsWriteOffWithdrawal",
        summary="Have a payout accepted as paid that was given back; another person approves",
        responses=ACT_WITH_BODY,
        openapi_extra=accepts(WriteOffRequest),
    )
    async def write_off_withdrawal(
        request: Request,
        principal: Writer,
        tx_id: TxId,
        body: Annotated[WriteOffRequest, Depends(json_body(WriteOffRequest))],
    ) -> Response:
        asked = await api.desk.ask_write_off(
            tx_id,
            body.receipt,
            reason=body.reason,
            by=person_of(principal),
            request_id=context_of(request).request_id,
        )
        return answer(PendingReply.of(asked), _PENDING)


def _add_invoices(routes: APIRouter, api: ApprovalsApi) -> None:
    @routes.post(
        "/invoices/{invoiceId}/resolve",
        status_code=_PENDING,
        response_model=PendingReply,
        operation_id="opsResolveInvoice",
        summary="Have a deposit in review credited or dismissed; another person approves",
        responses=ACT_WITH_BODY,
        openapi_extra=accepts(ReviewRequest),
    )
    async def resolve_invoice(
        request: Request,
        principal: Writer,
        invoice_id: InvoiceId,
        body: Annotated[ReviewRequest, Depends(json_body(ReviewRequest))],
    ) -> Response:
        asked = await api.desk.ask_review(
            invoice_id,
            body.verdict(),
            by=person_of(principal),
            request_id=context_of(request).request_id,
        )
        return answer(PendingReply.of(asked), _PENDING)


def _add_list(routes: APIRouter, api: ApprovalsApi) -> None:
    @routes.get(
        "/approvals",
        response_model=PageReply[ApprovalReply],
        operation_id="opsListApprovals",
        summary="What two people decide or decided, loosened velocity rules included",
        responses=READ,
    )
    async def list_approvals(
        _: Reader, status: State | None = None, limit: Limit = 20, cursor: Cursor = None
    ) -> Response:
        found = await api.desk.page(state=status, before=read_cursor(cursor), limit=limit + 1)
        return answer(page_of([ApprovalReply.of(a) for a in found], [a.id for a in found], limit))


def _add_decisions(routes: APIRouter, api: ApprovalsApi) -> None:
    @routes.post(
        "/approvals/{id}/approve",
        response_model=ApprovalReply,
        operation_id="opsApprove",
        summary="Allow what another person asked for; it is done at once",
        responses=ACT_WITH_BODY,
        openapi_extra=_optional_body(),
    )
    async def approve(request: Request, principal: Approver, id: str, body: Decision) -> Response:
        done = await api.desk.approve(
            id,
            by=person_of(principal),
            reason=body.reason or "",
            request_id=context_of(request).request_id,
        )
        return answer(ApprovalReply.of(done))

    @routes.post(
        "/approvals/{id}/reject",
        response_model=ApprovalReply,
        operation_id="opsReject",
        summary="Close what another person asked for, without effect",
        responses=ACT_WITH_BODY,
        openapi_extra=_optional_body(),
    )
    async def reject(request: Request, principal: Approver, id: str, body: Decision) -> Response:
        closed = await api.desk.reject(
            id,
            by=person_of(principal),
            reason=body.reason or "",
            request_id=context_of(request).request_id,
        )
        return answer(ApprovalReply.of(closed))
