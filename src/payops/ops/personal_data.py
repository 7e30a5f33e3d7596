"""Personal data over HTTP, for operations and auditors; decides nothing."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import Field
from starlette.responses import Response

from payops.access.domain import Principal
from payops.infra.web.body import json_body
from payops.infra.web.context import context_of
from payops.infra.web.replies import answer
from payops.infra.web.wire import Wire, WireReply, accepts
from payops.ops import service
from payops.ops.access import ACT_WITH_BODY, READ, Auditor, PersonalDataReader
from payops.ops.service import Operations
from payops.pii import service as pii
from payops.pii.domain import Access, Purpose, prefix_of
from payops.webhooks.domain import show

TxId = Annotated[str, Path(alias="txId", max_length=64)]
ShownId = Annotated[str, Path(max_length=64)]


class OpeningRequest(Wire):
    """Why a person needs to see a phone number, or a notification's body."""

    # Only what people do: the other purposes are the service's own.
    purpose: Literal["customer_support", "investigation", "legal_request"]
    reason: Annotated[
        str,
        Field(
            min_length=5,
            max_length=500,
            description="In own words, without personal data: a ticket or a case number",
        ),
    ]


class PhoneReply(WireReply):
    """A phone number in the clear; that it was shown is on record."""

    tx_id: str
    phone_number: str


class BodyReply(WireReply):
    """What a provider sent; that it was shown is on record."""

    id: str
    source: str
    body: str = Field(description="Without phone numbers, e-mail addresses, secrets and names")

    @classmethod
    def of(cls, body: service.Body) -> "BodyReply":
        return cls(id=show(body.delivery.id), source=body.delivery.source, body=body.text)


class TallyReply(WireReply):
    """How often somebody read personal data for one purpose, and of how many users."""

    actor: str
    purpose: str
    reads: int
    users: int

    @classmethod
    def of(cls, tally: pii.Tally) -> "TallyReply":
        return cls(actor=tally.actor, purpose=tally.purpose, reads=tally.reads, users=tally.users)


class AccessReport(WireReply):
    """Who read personal data since a moment, counted."""

    since: datetime
    data: list[TallyReply]


def add_personal_data(routes: APIRouter, operations: Operations) -> None:
    @routes.post(
        "/withdrawals/{txId}/phone",
        response_model=PhoneReply,
        operation_id="opsOpenPhoneNumber",
        summary="Show the phone number of a withdrawal; the purpose is recorded and counted",
        responses=ACT_WITH_BODY,
        openapi_extra=accepts(OpeningRequest),
    )
    async def open_phone_number(
        request: Request,
        principal: PersonalDataReader,
        tx_id: TxId,
        body: Annotated[OpeningRequest, Depends(json_body(OpeningRequest))],
    ) -> Response:
        access = access_of(principal, request, tx_id, body)
        phone = await service.open_phone(operations, tx_id, access)
        return answer(PhoneReply(tx_id=tx_id, phone_number=f"+{phone.digits}"))

    @routes.post(
        "/webhooks/{id}/body",
        response_model=BodyReply,
        operation_id="opsOpenWebhookBody",
        summary="Show what a provider sent; the purpose is recorded and counted",
        responses=ACT_WITH_BODY,
        openapi_extra=accepts(OpeningRequest),
    )
    async def open_webhook_body(
        request: Request,
        principal: PersonalDataReader,
        id: ShownId,
        body: Annotated[OpeningRequest, Depends(json_body(OpeningRequest))],
    ) -> Response:
        access = access_of(principal, request, id, body)
        return answer(BodyReply.of(await service.open_body(operations, id, access)))

    @routes.get(
        "/pii-access/report",
        response_model=AccessReport,
        operation_id="opsReportPersonalDataAccess",
        summary="Who read personal data for what, counted",
        responses=READ,
    )
    async def report_accesses(
        _: Auditor,
        days: Annotated[int, Query(ge=1, le=366, description="How many days back")] = 7,
    ) -> Response:
        return answer(await report(operations, days))


def access_of(principal: Principal, request: Request, subject: str, body: OpeningRequest) -> Access:
    """Who asks for something of ``subject`` to be opened, from where, and why."""
    context = context_of(request)
    return Access(
        principal.caller,
        Purpose(body.purpose),
        subject,
        context.request_id,
        prefix_of(context.address),
        body.reason,
    )


async def report(operations: Operations, days: int) -> AccessReport:
    """What was read in the last ``days``, by the database's clock."""
    async with operations.db.transaction(read_only=True) as tx:
        now: datetime = await tx.fetchval("SELECT now()")
        since = now.astimezone(UTC) - timedelta(days=days)
        tallies = await pii.access_report(tx, since)
    return AccessReport(since=since, data=[TallyReply.of(one) for one in tallies])
