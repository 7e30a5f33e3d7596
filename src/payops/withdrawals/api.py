"""Withdrawals over HTTP; decides nothing."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from payops.access.api import OfUser, requires
from payops.access.domain import Principal, Scope, acting_for
from payops.fraud.api import FINGERPRINT, FINGERPRINT_HEADER
from payops.fraud.service.devices import Devices
from payops.idempotency.api import HEADER, IdempotencyKey, respond
from payops.idempotency.domain import Answer, Key, Keyed, canonical
from payops.idempotency.service import Desk
from payops.infra.db import Database
from payops.infra.metrics import Metrics
from payops.infra.web.body import json_body
from payops.infra.web.context import context_of
from payops.infra.web.replies import (
    Cursor,
    Limit,
    PageReply,
    answer,
    body_of,
    page_of,
    read_cursor,
)
from payops.infra.web.wire import accepts, problems
from payops.kernel.errors import Fault
from payops.pii.domain import Msisdn, parse_msisdn
from payops.pii.errors import InvalidPhoneNumber
from payops.pii.sealing import Fingerprints
from payops.withdrawals import schemas
from payops.withdrawals.domain import State, read
from payops.withdrawals.errors import WithdrawalNotFound
from payops.withdrawals.schemas import WithdrawalReply, WithdrawalRequest
from payops.withdrawals.service import keeping, requesting
from payops.withdrawals.service.keeping import Filters

Reader = Annotated[Principal, Depends(requires(Scope.WITHDRAWALS_READ))]
Writer = Annotated[Principal, Depends(requires(Scope.WITHDRAWALS_WRITE))]
TxId = Annotated[str, Path(alias="txId")]


@dataclass(frozen=True, slots=True)
class WithdrawalsApi:
    """What the routes need."""

    db: Database
    desk: Desk[requesting.Request]
    fingerprints: Fingerprints
    metrics: Metrics
    devices: Devices

    async def request(
        self, principal: Principal, key: str, body: WithdrawalRequest, where: Request
    ) -> Answer:
        user_id = acting_for(principal, body.user_id)
        phone = _phone(body.phone_number)
        fingerprint = self.fingerprints.of(
            "idempotency", canonical({"amountKES": body.amount_kes, "phone": phone.digits})
        )
        context = context_of(where)
        command = requesting.Request(
            user_id,
            body.amount_kes * 100,
            phone,
            principal.caller,
            context.request_id,
            self.devices.origin(
                where.headers.get(FINGERPRINT), context.address, principal.verified_email
            ),
        )
        given = await self.desk.submit(
            Keyed(Key(user_id, principal.caller, requesting.OPERATION, key), fingerprint, command)
        )
        return await self._rebuilt(given) if given.body is None else given

    async def _rebuilt(self, given: Answer) -> Answer:
        """The stored bytes are past their retention: the same request, as it stands now."""
        async with self.db.transaction(read_only=True) as tx:
            withdrawal = await keeping.get(tx, read(given.resource or ""), user_id=None)
        return Answer(
            given.status,
            body_of(WithdrawalReply.of(withdrawal)),
            {"Location": schemas.location(withdrawal.txid)},
            is_replay=True,
        )


def router(api: WithdrawalsApi) -> APIRouter:
    routes = APIRouter(prefix="/api/withdrawals", tags=["withdrawals"])
    _add_writes(routes, api)
    _add_reads(routes, api)
    return routes


def _add_writes(routes: APIRouter, api: WithdrawalsApi) -> None:
    @routes.post(
        "/mpesa",
        status_code=202,
        response_model=WithdrawalReply,
        operation_id="requestWithdrawal",
        summary="Withdraw to M-Pesa",
        responses=problems(400, 401, 403, 409, 413, 422, 429, 503),
        openapi_extra={**accepts(WithdrawalRequest), "parameters": [HEADER, FINGERPRINT_HEADER]},
    )
    async def request_withdrawal(
        request: Request,
        principal: Writer,
        key: IdempotencyKey,
        body: Annotated[WithdrawalRequest, Depends(json_body(WithdrawalRequest))],
    ) -> Response:
        return respond(await api.request(principal, key, body, request))

    @routes.post(
        "/{txId}/cancel",
        response_model=WithdrawalReply,
        operation_id="cancelWithdrawal",
        responses=problems(401, 403, 404, 409, 503),
    )
    async def cancel_withdrawal(principal: Writer, tx_id: TxId) -> Response:
        withdrawal_id = _id(tx_id)
        found = await api.db.run(
            lambda tx: keeping.cancel(
                tx,
                withdrawal_id,
                user_id=principal.user_id,
                actor=principal.caller,
                metrics=api.metrics,
            )
        )
        return answer(WithdrawalReply.of(found))


def _add_reads(routes: APIRouter, api: WithdrawalsApi) -> None:
    @routes.get(
        "",
        response_model=PageReply[WithdrawalReply],
        operation_id="listWithdrawals",
        responses=problems(401, 403, 422),
    )
    async def list_withdrawals(
        principal: Reader,
        user_id: OfUser = None,
        status: State | None = None,
        limit: Limit = 20,
        cursor: Cursor = None,
    ) -> Response:
        user = acting_for(principal, user_id, pointer="/query/userId")
        async with api.db.transaction(read_only=True) as tx:
            found = await keeping.page(
                tx,
                Filters(user_id=user, state=status),
                before=read_cursor(cursor),
                limit=limit + 1,
            )
        return answer(page_of([WithdrawalReply.of(w) for w in found], [w.id for w in found], limit))

    @routes.get(
        "/{txId}",
        response_model=WithdrawalReply,
        operation_id="getWithdrawal",
        responses=problems(401, 403, 404),
    )
    async def get_withdrawal(principal: Reader, tx_id: TxId) -> Response:
        async with api.db.transaction(read_only=True) as tx:
            found = await keeping.get(tx, _id(tx_id), user_id=principal.user_id)
        return answer(WithdrawalReply.of(found))


def _phone(text: str) -> Msisdn:
    """Raises ``InvalidPhoneNumber``, pointing at the field."""
    try:
        return parse_msisdn(text)
    except InvalidPhoneNumber:
        fault = Fault("/phoneNumber", "must be a Kenyan mobile number")
        raise InvalidPhoneNumber(faults=[fault]) from None


def _id(txid: str) -> UUID:
    """Raises ``WithdrawalNotFound`` for whatever is not one of our ids."""
    try:
        return read(txid)
    except ValueError:
        raise WithdrawalNotFound from None
