"""Stories over HTTP; decides nothing."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from payops.infra.db import Database
from payops.infra.web.replies import answer
from payops.ops.access import FOUND, Reader
from payops.ops.why import service
from payops.ops.why.schemas import StoryReply

TxId = Annotated[str, Path(alias="txId", max_length=64)]
InvoiceId = Annotated[str, Path(alias="invoiceId", max_length=64)]


def router(db: Database) -> APIRouter:
    routes = APIRouter(prefix="/api/ops", tags=["operations"])

    @routes.get(
        "/withdrawals/{txId}/why",
        response_model=StoryReply,
        operation_id="opsWhyWithdrawal",
        summary="The whole story of a withdrawal, its audit records held against the chain",
        responses=FOUND,
    )
    async def why_withdrawal(_: Reader, tx_id: TxId) -> Response:
        return answer(StoryReply.of(await service.of_withdrawal(db, tx_id)))

    @routes.get(
        "/invoices/{invoiceId}/why",
        response_model=StoryReply,
        operation_id="opsWhyInvoice",
        summary="The whole story of a deposit, its audit records held against the chain",
        responses=FOUND,
    )
    async def why_invoice(_: Reader, invoice_id: InvoiceId) -> Response:
        return answer(StoryReply.of(await service.of_invoice(db, invoice_id)))

    return routes
