"""Crypto deposits over HTTP; decides nothing."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import HTMLResponse, Response

from payops.access.api import OfUser, public, requires
from payops.access.domain import Principal, Scope, acting_for
from payops.deposits.addresses import networks
from payops.deposits.domain.invoices import Checkout, read
from payops.deposits.domain.states import State
from payops.deposits.errors import InvoiceNotFound
from payops.deposits.routing import Registry
from payops.deposits.schemas import (
    AddressReply,
    AddressRequest,
    InvoiceReply,
    InvoiceRequest,
)
from payops.deposits.service import keeping, requesting
from payops.deposits.service.invoicing import Invoicing
from payops.deposits.service.keeping import Filters
from payops.idempotency.api import HEADER, IdempotencyKey, respond
from payops.idempotency.domain import Answer, Key, Keyed, canonical
from payops.infra.db import Database
from payops.infra.web.amounts import money_of
from payops.infra.web.body import json_body
from payops.infra.web.context import context_of
from payops.infra.web.replies import Cursor, Limit, PageReply, answer, page_of, read_cursor
from payops.infra.web.wire import accepts, problems
from payops.kernel.errors import Fault, Invalid
from payops.kernel.money import CURRENCIES
from payops.pii.sealing import Fingerprints

Reader = Annotated[Principal, Depends(requires(Scope.DEPOSITS_READ))]
Writer = Annotated[Principal, Depends(requires(Scope.DEPOSITS_WRITE))]
InvoiceId = Annotated[str, Path(alias="invoiceId")]

_BACK = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>BETRIX</title>"
    "<p>{words} You can close this page.</p></html>"
)


@dataclass(frozen=True, slots=True)
class DepositsApi:
    """What the routes need."""

    db: Database
    invoicing: Invoicing
    registry: Registry
    fingerprints: Fingerprints

    async def request(
        self, principal: Principal, key: str, body: InvoiceRequest, request_id: str
    ) -> Answer:
        user_id = acting_for(principal, body.user_id)
        if body.pay_currency is None and body.checkout is Checkout.ADDRESS:
            raise Invalid(faults=[Fault("/payCurrency", "is required for an address to pay to")])
        price = money_of(body.amount, CURRENCIES[body.currency])
        coin = body.pay_currency.upper() if body.pay_currency else None
        fingerprint = self.fingerprints.of(
            "idempotency",
            canonical(
                {
                    "amountMinor": price.minor,
                    "currency": price.currency.code,
                    "payCurrency": coin,
                    "provider": body.provider,
                    "checkout": body.checkout,
                }
            ),
        )
        command = requesting.Request(
            user_id=user_id,
            price=price,
            coin=coin,
            checkout=body.checkout,
            provider=body.provider,
            actor=principal.caller,
            request_id=request_id,
        )
        named = Key(user_id, principal.caller, requesting.OPERATION, key)
        return await self.invoicing.request(Keyed(named, fingerprint, command))


def router(api: DepositsApi) -> APIRouter:
    routes = APIRouter(prefix="/api/crypto", tags=["deposits"])
    _add_writes(routes, api)
    _add_reads(routes, api)
    _add_lookups(routes, api)
    return routes


def pages() -> APIRouter:
    """Where a payer's browser comes back to from a hosted page; nothing is learned from it."""
    routes = APIRouter(prefix="/crypto", include_in_schema=False)

    @routes.get("/success", dependencies=[Depends(public)], operation_id="cryptoSuccess")
    async def success() -> HTMLResponse:
        return HTMLResponse(_BACK.format(words="Thank you. Your deposit shows when it arrives."))

    @routes.get("/cancel", dependencies=[Depends(public)], operation_id="cryptoCancel")
    async def cancel() -> HTMLResponse:
        return HTMLResponse(_BACK.format(words="You have not paid."))

    return routes


def _add_writes(routes: APIRouter, api: DepositsApi) -> None:
    @routes.post(
        "/invoices",
        status_code=201,
        response_model=InvoiceReply,
        operation_id="createInvoice",
        summary="Ask for a crypto deposit",
        responses=problems(400, 401, 403, 409, 413, 422, 429, 502, 503),
        openapi_extra={**accepts(InvoiceRequest), "parameters": [HEADER]},
    )
    async def create_invoice(
        request: Request,
        principal: Writer,
        key: IdempotencyKey,
        body: Annotated[InvoiceRequest, Depends(json_body(InvoiceRequest))],
    ) -> Response:
        return respond(await api.request(principal, key, body, context_of(request).request_id))


def _add_reads(routes: APIRouter, api: DepositsApi) -> None:
    @routes.get(
        "/invoices",
        response_model=PageReply[InvoiceReply],
        operation_id="listInvoices",
        responses=problems(401, 403, 422),
    )
    async def list_invoices(
        principal: Reader,
        user_id: OfUser = None,
        status: State | None = None,
        limit: Limit = 20,
        cursor: Cursor = None,
    ) -> Response:
        user = acting_for(principal, user_id, pointer="/query/userId")
        async with api.db.transaction(read_only=True) as tx:
            found = await keeping.page(
                tx, Filters(user, status), before=read_cursor(cursor), limit=limit + 1
            )
        return answer(page_of([InvoiceReply.of(i) for i in found], [i.id for i in found], limit))

    @routes.get(
        "/invoices/{invoiceId}",
        response_model=InvoiceReply,
        operation_id="getInvoice",
        responses=problems(401, 403, 404),
    )
    async def get_invoice(principal: Reader, invoice_id: InvoiceId) -> Response:
        async with api.db.transaction(read_only=True) as tx:
            found = await keeping.get(tx, id_of(invoice_id), user_id=principal.user_id)
        return answer(InvoiceReply.of(found))


def _add_lookups(routes: APIRouter, api: DepositsApi) -> None:
    @routes.get(
        "/currencies",
        operation_id="listCurrencies",
        summary="The coins each provider can be paid in now",
        responses=problems(401, 403),
    )
    async def list_currencies(_: Reader) -> dict[str, list[str]]:
        return await api.registry.currencies()

    @routes.post(
        "/addresses/validate",
        response_model=AddressReply,
        operation_id="validateAddress",
        summary="Check an address by its checksum",
        responses=problems(400, 401, 403, 413, 422),
        openapi_extra=accepts(AddressRequest),
    )
    async def validate_address(
        _: Reader, body: Annotated[AddressRequest, Depends(json_body(AddressRequest))]
    ) -> Response:
        network = networks.for_currency(body.currency)
        verdict = networks.validate(network, body.address)
        return answer(AddressReply(valid=verdict.is_valid, network=network, reason=verdict.reason))


def id_of(text: str) -> UUID:
    """Raises ``InvoiceNotFound`` for what cannot be an invoice's id."""
    try:
        return read(text)
    except ValueError:
        raise InvoiceNotFound from None
