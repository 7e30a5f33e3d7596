"""Operations over HTTP; decides nothing."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from payops.access.api import OfUser
from payops.access.domain import Principal, Scope
from payops.access.errors import ScopeMissing
from payops.infra.web.context import context_of
from payops.infra.web.replies import (
    JSON,
    Cursor,
    Limit,
    PageReply,
    answer,
    page_of,
    read_cursor,
)
from payops.ops import records, service
from payops.ops.access import ACT, FOUND, READ, Auditor, Reader, Writer
from payops.ops.alerting import add_alerts
from payops.ops.books import add_books
from payops.ops.doubting import add_doubts
from payops.ops.personal_data import add_personal_data
from payops.ops.records import Acts, Reads
from payops.ops.schemas import (
    AccessReply,
    AccountReply,
    AuditReply,
    JobReply,
    JobsReply,
    StartedReply,
    WebhookReply,
)
from payops.ops.service import Operations, Search
from payops.ops.service.notifications import delivery_id_of
from payops.pii.domain import Purpose
from payops.webhooks import domain as webhooks
from payops.webhooks import service as inbox
from payops.withdrawals.domain import State
from payops.withdrawals.schemas import WithdrawalReply

TxId = Annotated[str, Path(alias="txId")]
Text = Annotated[str | None, Query(min_length=1, max_length=128)]
RequestId = Annotated[str | None, Query(alias="requestId", min_length=1, max_length=128)]


def router(operations: Operations) -> APIRouter:
    routes = APIRouter(prefix="/api/ops", tags=["operations"])
    _add_search(routes, operations)
    _add_withdrawal(routes, operations)
    add_doubts(routes, operations)
    _add_webhooks(routes, operations)
    _add_jobs(routes, operations)
    _add_records(routes, operations)
    add_personal_data(routes, operations)
    add_alerts(routes, operations)
    add_books(routes, operations)
    return routes


def _add_search(routes: APIRouter, operations: Operations) -> None:
    @routes.get(
        "/withdrawals",
        response_model=PageReply[WithdrawalReply],
        operation_id="opsFindWithdrawals",
        summary="Find withdrawals of all users",
        responses=READ,
    )
    async def find_withdrawals(
        request: Request,
        principal: Reader,
        user_id: OfUser = None,
        status: State | None = None,
        phone: Annotated[
            str | None, Query(max_length=64, description="In any spelling; needs `pii:read`")
        ] = None,
        receipt: Text = None,
        reference: Annotated[
            str | None, Query(min_length=1, max_length=128, description="The rail's payout id")
        ] = None,
        q: Annotated[
            str | None,
            Query(
                min_length=1,
                max_length=128,
                description="Any id: ours, the rail's, the receipt, the request's",
            ),
        ] = None,
        limit: Limit = 20,
        cursor: Cursor = None,
    ) -> Response:
        if phone is not None:
            _require(principal, Scope.PII_READ)
        found = await service.find(
            operations,
            Search(
                user_id=user_id,
                state=status,
                phone=phone,
                receipt=receipt,
                reference=reference,
                named=q,
            ),
            before=read_cursor(cursor),
            limit=limit + 1,
            actor=principal.caller,
            request_id=context_of(request).request_id,
        )
        return answer(page_of([WithdrawalReply.of(w) for w in found], [w.id for w in found], limit))


def _add_withdrawal(routes: APIRouter, operations: Operations) -> None:
    @routes.get(
        "/withdrawals/{txId}",
        response_model=AccountReply,
        operation_id="opsGetWithdrawal",
        summary="One withdrawal with its attempts and its audit trail",
        responses=FOUND,
    )
    async def get_withdrawal(_: Reader, tx_id: TxId) -> Response:
        return answer(AccountReply.of_account(await service.account_of(operations, tx_id)))

    @routes.post(
        "/withdrawals/{txId}/retry",
        status_code=202,
        response_model=WithdrawalReply,
        operation_id="opsRetryWithdrawal",
        summary="Have a withdrawal sent or asked about now, as its state allows",
        responses=ACT,
    )
    async def retry_withdrawal(request: Request, principal: Writer, tx_id: TxId) -> Response:
        withdrawal = await service.retry(
            operations,
            tx_id,
            actor=principal.caller,
            request_id=context_of(request).request_id,
        )
        return answer(WithdrawalReply.of(withdrawal), 202)


def _add_webhooks(routes: APIRouter, operations: Operations) -> None:
    @routes.get(
        "/webhooks",
        response_model=PageReply[WebhookReply],
        operation_id="opsListWebhooks",
        summary="Notifications that providers sent",
        responses=READ,
    )
    async def list_webhooks(
        _: Reader,
        state: webhooks.State | None = None,
        limit: Limit = 20,
        cursor: Cursor = None,
    ) -> Response:
        async with operations.db.transaction(read_only=True) as tx:
            found = await inbox.deliveries(
                tx, state=state, before=read_cursor(cursor), limit=limit + 1
            )
        return answer(page_of([WebhookReply.of(d) for d in found], [d.id for d in found], limit))

    @routes.get(
        "/webhooks/{id}",
        response_model=WebhookReply,
        operation_id="opsGetWebhook",
        summary="One notification; its body stays sealed",
        responses=FOUND,
    )
    async def get_webhook(_: Reader, id: str) -> Response:
        async with operations.db.transaction(read_only=True) as tx:
            return answer(WebhookReply.of(await inbox.delivery(tx, delivery_id_of(id))))

    @routes.post(
        "/webhooks/{id}/replay",
        response_model=WebhookReply,
        operation_id="opsReplayWebhook",
        summary="Let a kept notification have its effect now",
        responses=ACT,
    )
    async def replay_webhook(request: Request, principal: Writer, id: str) -> Response:
        delivery = await service.replay(
            operations, id, actor=principal.caller, request_id=context_of(request).request_id
        )
        return answer(WebhookReply.of(delivery))


def _add_jobs(routes: APIRouter, operations: Operations) -> None:
    @routes.get(
        "/jobs",
        response_model=JobsReply,
        operation_id="opsListJobs",
        summary="Scheduled jobs and their newest runs",
        responses=READ,
    )
    async def list_jobs(_: Reader, limit: Limit = 20) -> Response:
        async with operations.db.transaction(read_only=True) as tx:
            found = await operations.scheduler.history(tx, limit)
        # Each member is always there: null says that a job has not run, or not ended.
        body = JobsReply(data=[JobReply.of(job) for job in found]).model_dump_json(by_alias=True)
        return Response(body, media_type=JSON)

    @routes.post(
        "/jobs/{name}/run",
        status_code=202,
        response_model=StartedReply,
        operation_id="opsRunJob",
        summary="Run a job now, on this replica",
        responses=ACT,
    )
    async def run_job(request: Request, principal: Writer, name: str) -> Response:
        run = await service.start_job(
            operations,
            name,
            actor=principal.caller,
            request_id=context_of(request).request_id,
        )
        return Response(
            StartedReply.of_run(run).model_dump_json(by_alias=True), 202, media_type=JSON
        )


def _add_records(routes: APIRouter, operations: Operations) -> None:
    @routes.get(
        "/audit",
        response_model=PageReply[AuditReply],
        operation_id="opsListAudit",
        summary="What was done, by whom, to what",
        responses=READ,
    )
    async def list_audit(
        _: Auditor,
        user_id: OfUser = None,
        subject: Text = None,
        kind: Text = None,
        request_id: RequestId = None,
        limit: Limit = 20,
        cursor: Cursor = None,
    ) -> Response:
        wanted = Acts(user_id=user_id, subject=subject, kind=kind, request_id=request_id)
        return answer(await records.acts(operations.db, wanted, cursor, limit))

    @routes.get(
        "/pii-access",
        response_model=PageReply[AccessReply],
        operation_id="opsListPersonalDataAccess",
        summary="Who read personal data, and why",
        responses=READ,
    )
    async def list_accesses(
        _: Auditor,
        user_id: OfUser = None,
        actor: Text = None,
        purpose: Purpose | None = None,
        subject: Text = None,
        limit: Limit = 20,
        cursor: Cursor = None,
    ) -> Response:
        wanted = Reads(user_id=user_id, actor=actor, purpose=purpose, subject=subject)
        return answer(await records.reads(operations.db, wanted, cursor, limit))


def _require(principal: Principal, scope: Scope) -> None:
    """For what one parameter needs beyond the route's own scope. Raises ``ScopeMissing``."""
    if scope not in principal.scopes:
        raise ScopeMissing(f"This needs the scope {scope}")
