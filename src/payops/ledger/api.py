"""Wallets over HTTP; decides nothing."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import AwareDatetime
from starlette.responses import Response

from payops.access.api import requires
from payops.access.domain import USER_ID_PATTERN, Principal, Scope, acting_for
from payops.idempotency.api import HEADER, IdempotencyKey, respond
from payops.idempotency.domain import Answer, Key, Keyed, canonical
from payops.idempotency.service import Desk
from payops.infra.db import Database
from payops.infra.logging.redaction import clean_text
from payops.infra.web.amounts import money_of
from payops.infra.web.body import json_body
from payops.infra.web.context import context_of
from payops.infra.web.replies import Cursor, Limit, PageReply, answer, page_of, read_cursor
from payops.infra.web.wire import accepts, problems
from payops.kernel.errors import Fault, Invalid
from payops.kernel.money import CURRENCIES
from payops.ledger import service
from payops.ledger.domain import parse_journal_id
from payops.ledger.schemas import JournalReply, MovementRequest, WalletReply, WalletsReply
from payops.ledger.service import Direction, Movement
from payops.pii.sealing import Fingerprints

Reader = Annotated[Principal, Depends(requires(Scope.WALLETS_READ))]
Writer = Annotated[Principal, Depends(requires(Scope.WALLETS_WRITE))]
Body = Annotated[MovementRequest, Depends(json_body(MovementRequest))]
UserId = Annotated[str, Path(alias="userId", pattern=USER_ID_PATTERN)]


@dataclass(frozen=True, slots=True)
class WalletsApi:
    """What the routes need."""

    db: Database
    desk: Desk[Movement]
    fingerprints: Fingerprints

    async def move(
        self,
        direction: Direction,
        user_id: str,
        principal: Principal,
        key: str,
        body: MovementRequest,
        request_id: str,
    ) -> Answer:
        currency = CURRENCIES.get(body.currency)
        if currency is None:
            raise Invalid(faults=[Fault("/currency", "is not a currency of this ledger")])
        amount = money_of(body.amount, currency)
        movement = Movement(
            acting_for(principal, user_id, pointer="/path/userId"),
            direction,
            amount,
            body.reference,
            clean_text(body.reason),
            principal.caller,
            request_id,
        )
        fingerprint = self.fingerprints.of(
            "idempotency",
            canonical(
                {
                    "amountMinor": amount.minor,
                    "currency": currency.code,
                    "reason": body.reason,
                    "reference": body.reference,
                }
            ),
        )
        key_of = Key(movement.user_id, principal.caller, direction.value, key)
        given = await self.desk.submit(Keyed(key_of, fingerprint, movement))
        return await self._rebuilt(movement, given) if given.body is None else given

    async def _rebuilt(self, movement: Movement, given: Answer) -> Answer:
        """The stored bytes are past their retention: the same journal, which never changes."""
        async with self.db.transaction(read_only=True) as tx:
            posted = await service.journal_of(
                tx, movement.user_id, parse_journal_id(given.resource or "")
            )
        body = JournalReply.of(posted).model_dump_json(by_alias=True, exclude_none=True)
        return Answer(given.status, body.encode(), is_replay=True)


def router(api: WalletsApi) -> APIRouter:
    routes = APIRouter(prefix="/api/wallets", tags=["wallets"])
    _add_reads(routes, api)
    for direction in Direction:
        _add_movement(routes, api, direction)
    return routes


def _add_reads(routes: APIRouter, api: WalletsApi) -> None:
    @routes.get(
        "/{userId}",
        response_model=WalletsReply,
        operation_id="getWallets",
        responses=problems(401, 403, 422),
    )
    async def get_wallets(
        principal: Reader,
        user_id: UserId,
        at: Annotated[
            AwareDatetime | None, Query(description="The balances as they stood then")
        ] = None,
    ) -> Response:
        user = acting_for(principal, user_id, pointer="/path/userId")
        moment = None if at is None else _in_utc(at)
        async with api.db.transaction(read_only=True) as tx:
            found = await service.wallets(tx, user, at=moment)
        return answer(WalletsReply(user_id=user, wallets=[WalletReply.of(w) for w in found]))

    @routes.get(
        "/{userId}/transactions",
        response_model=PageReply[JournalReply],
        operation_id="listTransactions",
        responses=problems(401, 403, 422),
    )
    async def list_transactions(
        principal: Reader, user_id: UserId, limit: Limit = 20, cursor: Cursor = None
    ) -> Response:
        user = acting_for(principal, user_id, pointer="/path/userId")
        async with api.db.transaction(read_only=True) as tx:
            found = await service.history(tx, user, before=read_cursor(cursor), limit=limit + 1)
        return answer(page_of([JournalReply.of(p) for p in found], [p.id for p in found], limit))


def _in_utc(moment: datetime) -> datetime:
    """``moment`` as the database can take it; an offset can lead past the ends of the calendar."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise Invalid(faults=[Fault("/query/at", "is out of range")]) from None


def _add_movement(routes: APIRouter, api: WalletsApi, direction: Direction) -> None:
    @routes.post(
        f"/{{userId}}/{direction}s",
        status_code=201,
        response_model=JournalReply,
        operation_id=f"{direction}Wallet",
        responses={
            200: {"model": JournalReply, "description": "The reference was used before"},
            **problems(400, 401, 403, 409, 413, 422, 503),
        },
        openapi_extra={**accepts(MovementRequest), "parameters": [HEADER]},
    )
    async def move(
        request: Request, principal: Writer, key: IdempotencyKey, user_id: UserId, body: Body
    ) -> Response:
        request_id = context_of(request).request_id
        return respond(await api.move(direction, user_id, principal, key, body, request_id))
