"""Putting queued withdrawals in doubt over HTTP; decides nothing."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import AwareDatetime, Field
from starlette.responses import Response

from payops.infra.web.body import json_body
from payops.infra.web.context import context_of
from payops.infra.web.replies import MoneyReply, answer
from payops.infra.web.wire import Wire, WireReply, accepts
from payops.kernel.errors import Fault, Invalid
from payops.kernel.money import KES, Money
from payops.ops import service
from payops.ops.access import ACT_WITH_BODY, Writer
from payops.ops.approvals.schemas import Reason
from payops.ops.service import Operations, Queued


class DoubtRequest(Wire):
    all_pending: Annotated[bool, Field(description="All that is queued")] = False
    since: Annotated[
        AwareDatetime | None,
        Field(strict=False, description="Of all, those accepted from this moment on"),
    ] = None
    tx_ids: Annotated[
        list[Annotated[str, Field(max_length=64)]] | None,
        Field(min_length=1, max_length=1_000, description="Only these, instead of all"),
    ] = None
    dry_run: Annotated[bool, Field(description="Only say what it would come to")] = True
    reason: Reason

    def named(self) -> list[str] | None:
        """The transaction ids, or ``None`` for all.

        Raises:
            Invalid: neither all nor some are meant, or both are.
        """
        if self.all_pending == (self.tx_ids is not None):
            raise Invalid(faults=[Fault("/txIds", "either these or allPending")])
        if self.since is not None and not self.all_pending:
            raise Invalid(faults=[Fault("/since", "goes with allPending")])
        return self.tx_ids


class DoubtReply(WireReply):
    dry_run: bool
    count: int
    amount: MoneyReply
    oldest: datetime | None = Field(None, description="When the first of them was accepted")
    newest: datetime | None = Field(None, description="When the last of them was accepted")

    @classmethod
    def of(cls, doubts: Queued, *, dry_run: bool) -> "DoubtReply":
        return cls(
            dry_run=dry_run,
            count=doubts.count,
            amount=MoneyReply.of(Money(doubts.amount_minor, KES)),
            oldest=doubts.oldest,
            newest=doubts.newest,
        )


def add_doubts(routes: APIRouter, operations: Operations) -> None:
    @routes.post(
        "/withdrawals/doubt",
        response_model=DoubtReply,
        operation_id="opsDoubtWithdrawals",
        summary="After a failover or a restore: have what is queued asked about instead of sent",
        responses=ACT_WITH_BODY,
        openapi_extra=accepts(DoubtRequest),
    )
    async def doubt_withdrawals(
        request: Request,
        principal: Writer,
        body: Annotated[DoubtRequest, Depends(json_body(DoubtRequest))],
    ) -> Response:
        found = await service.doubt(
            operations,
            body.named(),
            since=body.since,
            reason=body.reason,
            dry_run=body.dry_run,
            actor=principal.caller,
            request_id=context_of(request).request_id,
        )
        return answer(DoubtReply.of(found, dry_run=body.dry_run))
