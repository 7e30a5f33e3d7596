"""One withdrawal: how it stands, the evidence side by side, its story, and what can be done."""

import json
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from payops.idempotency.domain import Answer, check_key
from payops.infra.web.context import context_of
from payops.kernel.errors import Fault
from payops.kernel.ids import new_id
from payops.ledger.schemas import JournalReply
from payops.ledger.service import telling as ledger
from payops.ops import service
from payops.ops.approvals.schemas import RefundRequest, ResolveRequest, WriteOffRequest
from payops.ops.console.forms import Form, Posted
from payops.ops.console.parts import Console
from payops.ops.console.rendering import Said, page, see_other
from payops.ops.console.signing import PersonalDataReader, Reader, Writer
from payops.ops.personal_data import OpeningRequest, access_of
from payops.ops.schemas import AccountReply
from payops.ops.why import service as why
from payops.ops.why.schemas import StoryReply
from payops.pii.domain import BY_PEOPLE
from payops.withdrawals.domain import State, Withdrawal
from payops.withdrawals.service import keeping
from payops.withdrawals.service.deciding import Bearer
from payops.withdrawals.service.resolving import RESOLVABLE
from payops.withdrawals.service.writing_off import WRITABLE_OFF

TxId = Annotated[str, Path(alias="txId", max_length=64)]

_KEY: Final = "idempotencyKey"
_REFUSED: Final = 400


@dataclass(frozen=True, slots=True)
class _Acts:
    """What makes sense as it stands. The use cases decide; nobody is offered what they refuse."""

    send: bool
    ask: bool
    cancel: bool
    resolve: bool
    refund: bool
    write_off: bool
    open_phone: bool

    @classmethod
    def of(cls, one: Withdrawal) -> "_Acts":
        is_unsent = one.state in (State.PENDING, State.SENDING)
        is_reachable = not one.is_phone_erased and one.state is not State.CANCELLED
        return cls(
            send=is_reachable and is_unsent,
            ask=is_reachable and not is_unsent,
            cancel=one.state is State.PENDING,
            resolve=one.state in RESOLVABLE,
            refund=one.state is State.COMPLETED,
            write_off=one.state in WRITABLE_OFF,
            open_phone=not one.is_phone_erased,
        )


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A problem that came as the bytes of a keyed answer, for the page that shows errors."""

    code: str
    title: str
    detail: str
    faults: tuple[Fault, ...] = ()

    def __str__(self) -> str:
        return self.detail


def add_withdrawals(routes: APIRouter, console: Console) -> None:
    _add_page(routes, console)
    _add_moves(routes, console)
    _add_decisions(routes, console)
    _add_losses(routes, console)
    _add_phone(routes, console)


def _add_page(routes: APIRouter, console: Console) -> None:
    @routes.get("/withdrawals/{txId}", operation_id="consoleWithdrawal")
    async def withdrawal(request: Request, _: Reader, tx_id: TxId) -> Response:
        return await _shown(request, console, tx_id)


def _add_moves(routes: APIRouter, console: Console) -> None:
    @routes.post("/withdrawals/{txId}/retry", operation_id="consoleRetryWithdrawal")
    async def retry(request: Request, visitor: Writer, _: Posted, tx_id: TxId) -> Response:
        moved = await service.retry(
            console.operations,
            tx_id,
            actor=visitor.principal.caller,
            request_id=context_of(request).request_id,
        )
        return see_other(_path(moved.txid), Said.STARTED)

    @routes.post("/withdrawals/{txId}/cancel", operation_id="consoleCancelWithdrawal")
    async def cancel(visitor: Writer, _: Posted, tx_id: TxId) -> Response:
        moved = await service.cancel(console.operations, tx_id, actor=visitor.principal.caller)
        return see_other(_path(moved.txid), Said.DONE)


def _add_decisions(routes: APIRouter, console: Console) -> None:
    @routes.post("/withdrawals/{txId}/resolve/{outcome}", operation_id="consoleResolveWithdrawal")
    async def resolve(
        request: Request, visitor: Writer, form: Posted, tx_id: TxId, outcome: str
    ) -> Response:
        asked = form.read(ResolveRequest, outcome=outcome)
        approval = await console.approvals.desk.ask_resolve(
            tx_id,
            asked.resolution(),
            reason=asked.reason,
            by=visitor.person,
            request_id=context_of(request).request_id,
        )
        return see_other(_path(approval.wanted.subject), Said.ASKED)

    @routes.post("/withdrawals/{txId}/refund", operation_id="consoleRefundWithdrawal")
    async def refund(request: Request, visitor: Writer, form: Posted, tx_id: TxId) -> Response:
        asked = _without_key(form).read(RefundRequest)
        given = await console.approvals.refunding.ask(
            tx_id,
            bearer=asked.borne_by,
            reason=asked.reason,
            key=check_key(form.fields.get(_KEY)),
            by=visitor.person,
            request_id=context_of(request).request_id,
        )
        if given.status >= _REFUSED:
            return _refused(request, given)
        return see_other(_path(tx_id), Said.ASKED)


def _add_losses(routes: APIRouter, console: Console) -> None:
    @routes.post("/withdrawals/{txId}/write-off", operation_id="consoleWriteOffWithdrawal")
    async def write_off(request: Request, visitor: Writer, form: Posted, tx_id: TxId) -> Response:
        asked = form.read(WriteOffRequest)
        approval = await console.approvals.desk.ask_write_off(
            tx_id,
            asked.receipt,
            reason=asked.reason,
            by=visitor.person,
            request_id=context_of(request).request_id,
        )
        return see_other(_path(approval.wanted.subject), Said.ASKED)


def _add_phone(routes: APIRouter, console: Console) -> None:
    @routes.post("/withdrawals/{txId}/phone", operation_id="consoleOpenPhoneNumber")
    async def open_phone(
        request: Request, visitor: PersonalDataReader, form: Posted, tx_id: TxId
    ) -> Response:
        """The number stands in the answer to this form and nowhere else."""
        access = access_of(visitor.principal, request, tx_id, form.read(OpeningRequest))
        phone = await service.open_phone(console.operations, tx_id, access)
        return await _shown(request, console, tx_id, opened=f"+{phone.digits}")


async def _shown(request: Request, console: Console, tx_id: str, *, opened: str = "") -> Response:
    """``opened`` is the phone number in the clear, for whoever has just said why."""
    account = await service.account_of(console.operations, tx_id)
    one = account.story.withdrawal
    async with console.operations.db.transaction(read_only=True) as tx:
        journals = await ledger.about(tx, one.user_id, one.txid, [one.hold_id])
        halts = await keeping.halts(tx, one)
    story = StoryReply.of(await why.of_withdrawal(console.operations.db, tx_id))
    return page(
        request,
        "withdrawal.html",
        one=AccountReply.of_account(account),
        journals=[JournalReply.of(posted) for posted in journals],
        callbacks=[moment for moment in story.story if moment.part == "callback"],
        approvals=[moment for moment in story.story if moment.part == "approval"],
        story=story,
        acts=_Acts.of(one),
        halts=[switch.name for switch in halts],
        opened=opened,
        purposes=sorted(BY_PEOPLE),
        bearers=list(Bearer),
        # One for each page that is shown: pressed twice, the button asks once.
        key=str(new_id()),
    )


def _path(tx_id: str) -> str:
    return f"/ops/withdrawals/{quote(tx_id, safe='')}"


def _without_key(form: Form) -> Form:
    """The API has the key in a header, so the body's model does not know it."""
    return Form({name: text for name, text in form.fields.items() if name != _KEY})


def _refused(request: Request, given: Answer) -> Response:
    problem = json.loads(given.body or b"{}")
    refusal = _Refusal(problem["code"], problem["title"], problem["detail"])
    context = context_of(request)
    context.error_code = refusal.code
    answer = page(
        request,
        "error.html",
        given.status,
        error=refusal,
        is_doubtful=False,
        request_id=context.request_id,
    )
    answer.headers.update(given.headers)
    return answer
