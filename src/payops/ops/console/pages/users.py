"""One user: block, wallets, limits, devices and what was moved; blocking and unblocking."""

from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from payops.access.domain import USER_ID_PATTERN
from payops.approvals.domain import Approval
from payops.deposits.schemas import InvoiceReply
from payops.deposits.service.keeping import Filters
from payops.fraud.service import evidence
from payops.fraud.service.evidence import Decided
from payops.infra.web.context import context_of
from payops.infra.web.replies import Cursor, PageReply, page_of, read_cursor
from payops.ledger import service as ledger
from payops.ledger.schemas import JournalReply
from payops.ops.console.forms import Posted
from payops.ops.console.parts import Console
from payops.ops.console.rendering import Said, page, see_other
from payops.ops.console.signing import Reader, Writer
from payops.ops.users import service
from payops.ops.users.schemas import BlockRequest, UnblockRequest, UserReply
from payops.ops.users.service import Profile

UserId = Annotated[str, Path(alias="userId", pattern=USER_ID_PATTERN)]

_SHOWN_MAX: Final = 20
_NAIROBI: Final = "+03:00"  # a browser's date and time say no zone; the label does


def add_users(routes: APIRouter, console: Console) -> None:
    _add_page(routes, console)
    _add_blocks(routes, console)


def _add_page(routes: APIRouter, console: Console) -> None:
    @routes.get("/users/{userId}", operation_id="consoleUser")
    async def user(request: Request, _: Reader, user_id: UserId, cursor: Cursor = None) -> Response:
        person = await service.show_user(console.operations, user_id)
        deposits = await console.crypto.find(Filters(user_id), before=None, limit=_SHOWN_MAX)
        rules = (await console.velocity.report(hours=1)).rules
        return page(
            request,
            "user.html",
            one=UserReply.of(person),
            invoices=[InvoiceReply.of(invoice) for invoice in deposits],
            journals=await _journals(console, user_id, cursor),
            counted=await _counted(console, person),
            units={rule.name: rule.measure.unit for rule in rules},
        )


def _add_blocks(routes: APIRouter, console: Console) -> None:
    @routes.post("/users/{userId}/block", operation_id="consoleBlockUser")
    async def block(request: Request, visitor: Writer, form: Posted, user_id: UserId) -> Response:
        typed = form.text("until")
        asked = form.read(BlockRequest, until=f"{typed}{_NAIROBI}" if typed else None)
        await service.block(
            console.operations,
            user_id,
            reason=asked.reason,
            until=asked.until,
            actor=visitor.principal.caller,
            request_id=context_of(request).request_id,
        )
        return see_other(_path(user_id), Said.DONE)

    @routes.post("/users/{userId}/unblock", operation_id="consoleUnblockUser")
    async def unblock(request: Request, visitor: Writer, form: Posted, user_id: UserId) -> Response:
        lifted = await service.unblock(
            console.operations,
            user_id,
            reason=form.read(UnblockRequest).reason,
            by=visitor.person,
            request_id=context_of(request).request_id,
        )
        waits = isinstance(lifted, Approval)
        return see_other(_path(user_id), Said.ASKED if waits else Said.DONE)


async def _journals(console: Console, user_id: str, cursor: str | None) -> PageReply[JournalReply]:
    async with console.operations.db.transaction(read_only=True) as tx:
        found = await ledger.history(tx, user_id, before=read_cursor(cursor), limit=_SHOWN_MAX + 1)
    return page_of([JournalReply.of(p) for p in found], [p.id for p in found], _SHOWN_MAX)


async def _counted(console: Console, person: Profile) -> Decided | None:
    """What the limits had counted when the newest withdrawal was accepted."""
    if not person.withdrawals:
        return None
    newest = person.withdrawals[0]
    async with console.operations.db.transaction(read_only=True) as tx:
        found = await evidence.about(tx, person.user_id, newest.txid, around=newest.created_at)
    return found[-1] if found else None


def _path(user_id: str) -> str:
    return f"/ops/users/{quote(user_id, safe='')}"
