"""Search: whatever a person has in hand, and what goes by that name."""

from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from payops.access.domain import USER_ID_PATTERN, Scope
from payops.access.errors import ScopeMissing
from payops.infra.web.context import context_of
from payops.infra.web.problem import status_of
from payops.ops.console.parts import Console
from payops.ops.console.rendering import page
from payops.ops.console.signing import Reader
from payops.ops.search.schemas import FoundReply, HitReply
from payops.ops.search.service import LENGTH_MAX, Kind, Question, search
from payops.pii.domain import parse_msisdn
from payops.pii.errors import InvalidPhoneNumber

# A form sends its empty fields too.
Asked = Annotated[str, Query(max_length=LENGTH_MAX)]
OfUser = Annotated[str, Query(alias="userId", pattern=rf"^$|{USER_ID_PATTERN}")]

_SHOWN_MAX: Final = 50
_TITLES: Final = {
    Kind.USER: "Users",
    Kind.WITHDRAWAL: "Withdrawals",
    Kind.INVOICE: "Deposits",
    Kind.JOURNAL: "Journals",
    Kind.NOTIFICATION: "Notifications",
    Kind.KEY: "Idempotency keys of what was refused",
}
_NOT_THEIRS: Final = (
    "This reads as a phone number. Only a key with the scope pii:read may look for one, because "
    "the answer tells whose it is. The withdrawal, its receipt or the user's id are found without."
)


def add_search(routes: APIRouter, console: Console) -> None:
    @routes.get("/search", operation_id="consoleSearch")
    async def find(
        request: Request, visitor: Reader, q: Asked = "", user_id: OfUser = ""
    ) -> Response:
        context = context_of(request)
        number = _masked(q)
        typed = {
            "q": "" if number else q,
            "named": number or q,
            "user_id": user_id,
            "shown_max": _SHOWN_MAX,
        }
        if not q.strip():
            return page(request, "search.html", groups=None, refused="", **typed)
        asked = Question(
            text=q.strip(),
            actor=visitor.principal.caller,
            may_search_phones=visitor.may(Scope.PII_READ),
            user_id=user_id or None,
            request_id=context.request_id,
            limit=_SHOWN_MAX,
        )
        try:
            hits = FoundReply.of(await search(console.operations, asked)).data
        except ScopeMissing as error:
            context.error_code = error.code
            return page(
                request, "search.html", status_of(error), groups=None, refused=_NOT_THEIRS, **typed
            )
        return page(request, "search.html", groups=_grouped(hits), refused="", **typed)


def _masked(text: str) -> str:
    """A phone number as it may stand on a page; "" for whatever is none."""
    try:
        return parse_msisdn(text.strip()).masked
    except InvalidPhoneNumber:
        return ""


def _grouped(hits: Sequence[HitReply]) -> list[tuple[str, list[HitReply]]]:
    """Under a title for each kind that was found; the order within is the search's."""
    groups = ((title, [hit for hit in hits if hit.kind is kind]) for kind, title in _TITLES.items())
    return [(title, found) for title, found in groups if found]
