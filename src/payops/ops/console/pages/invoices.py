"""One deposit: how it stands, what was paid, its story, and deciding on it when in review."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from payops.deposits.api import id_of
from payops.infra.web.context import context_of
from payops.ops.approvals.schemas import ReviewRequest
from payops.ops.console.forms import Posted
from payops.ops.console.parts import Console
from payops.ops.console.rendering import Said, page, see_other
from payops.ops.console.signing import Reader, Writer
from payops.ops.crypto.schemas import InvoiceAccountReply
from payops.ops.why import service as why
from payops.ops.why.schemas import StoryReply

InvoiceId = Annotated[str, Path(alias="invoiceId", max_length=64)]


def add_invoices(routes: APIRouter, console: Console) -> None:
    _add_page(routes, console)
    _add_acts(routes, console)


def _add_page(routes: APIRouter, console: Console) -> None:
    @routes.get("/invoices/{invoiceId}", operation_id="consoleInvoice")
    async def invoice(request: Request, _: Reader, invoice_id: InvoiceId) -> Response:
        account = await console.crypto.account(id_of(invoice_id))
        one = InvoiceAccountReply.of_account(account)
        story = await why.of_invoice(console.operations.db, invoice_id)
        arrivals = {receipt.reference for receipt in one.receipts}
        return page(
            request,
            "invoice.html",
            one=one,
            arrivals=[receipt for receipt in one.receipts if receipt.reason],
            # An arrival speaks for the payment of its name.
            payments=[p for p in one.payments if p.reason and p.reference not in arrivals],
            approvals=[moment for moment in story.moments if moment.part.word == "approval"],
            story=StoryReply.of(story),
        )


def _add_acts(routes: APIRouter, console: Console) -> None:
    @routes.post("/invoices/{invoiceId}/retry", operation_id="consoleRetryInvoice")
    async def retry(
        request: Request, visitor: Writer, _: Posted, invoice_id: InvoiceId
    ) -> Response:
        await console.crypto.read_now(
            id_of(invoice_id),
            actor=visitor.principal.caller,
            request_id=context_of(request).request_id,
        )
        return see_other(_path(invoice_id), Said.STARTED)

    @routes.post("/invoices/{invoiceId}/resolve/{outcome}", operation_id="consoleResolveInvoice")
    async def resolve(
        request: Request, visitor: Writer, form: Posted, invoice_id: InvoiceId, outcome: str
    ) -> Response:
        asked = await console.approvals.desk.ask_review(
            invoice_id,
            form.read(ReviewRequest, outcome=outcome).verdict(),
            by=visitor.person,
            request_id=context_of(request).request_id,
        )
        return see_other(_path(asked.wanted.subject), Said.ASKED)


def _path(invoice_id: str) -> str:
    return f"/ops/invoices/{quote(invoice_id, safe='')}"
