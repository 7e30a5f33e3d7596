"""The inbox: what providers notified us of, and letting one have its effect."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from payops.infra.web.context import context_of
from payops.infra.web.replies import Cursor, page_of, read_cursor
from payops.ops import service
from payops.ops.console.forms import Posted
from payops.ops.console.parts import Console
from payops.ops.console.queries import PAGE, Filled, filters_of
from payops.ops.console.rendering import Said, page, see_other
from payops.ops.console.signing import PersonalDataReader, Reader, Writer
from payops.ops.personal_data import OpeningRequest, access_of
from payops.ops.schemas import WebhookReply
from payops.ops.service.notifications import delivery_id_of
from payops.pii.domain import BY_PEOPLE
from payops.webhooks import service as webhooks
from payops.webhooks.domain import State, show


def add_inbox(routes: APIRouter, console: Console) -> None:
    operations = console.operations

    @routes.get("/inbox", operation_id="consoleInbox")
    async def inbox(
        request: Request,
        _: Reader,
        state: Annotated[State | None, Filled, Query()] = None,
        cursor: Cursor = None,
    ) -> Response:
        async with operations.db.transaction(read_only=True) as tx:
            found = await webhooks.deliveries(
                tx, state=state, before=read_cursor(cursor), limit=PAGE + 1
            )
        return page(
            request,
            "inbox.html",
            reply=page_of([WebhookReply.of(d) for d in found], [d.id for d in found], PAGE),
            state=state,
            states=list(State),
            query=filters_of(request),
        )

    @routes.get("/inbox/{id}", operation_id="consoleNotification")
    async def notification(request: Request, _: Reader, id: str) -> Response:
        async with operations.db.transaction(read_only=True) as tx:
            found = WebhookReply.of(await webhooks.delivery(tx, delivery_id_of(id)))
        return page(request, "notification.html", found=found, body="", purposes=sorted(BY_PEOPLE))

    @routes.post("/inbox/{id}/body", operation_id="consoleOpenBody")
    async def open_body(
        request: Request, visitor: PersonalDataReader, form: Posted, id: str
    ) -> Response:
        """The body stands in the answer to this form and nowhere else."""
        access = access_of(visitor.principal, request, id, form.read(OpeningRequest))
        opened = await service.open_body(operations, id, access)
        return page(
            request,
            "notification.html",
            found=WebhookReply.of(opened.delivery),
            body=opened.text,
            purposes=sorted(BY_PEOPLE),
        )

    @routes.post("/inbox/{id}/replay", operation_id="consoleReplayNotification")
    async def replay(request: Request, visitor: Writer, _: Posted, id: str) -> Response:
        delivery = await service.replay(
            operations,
            id,
            actor=visitor.principal.caller,
            request_id=context_of(request).request_id,
        )
        return see_other(f"/ops/inbox/{show(delivery.id)}", Said.TRIED)
