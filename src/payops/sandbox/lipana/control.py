"""Controls for tests and the demo: look into the book, break the rail, end payouts by hand."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from payops.sandbox.asking import FaultControls, Wrong, checked, choice, content_of, text, whole
from payops.sandbox.guard import Endpoint
from payops.sandbox.lipana import wire
from payops.sandbox.lipana.book import AlreadyFinal, FloatTooLow, Payout
from payops.sandbox.lipana.outcomes import Callback, Form, Naming, Signature
from payops.sandbox.lipana.rail import Rail
from payops.sandbox.replies import answer

COPIES_MAX = 100

_CONFLICTS: Mapping[type[Exception], str] = {
    AlreadyFinal: "the payout has its final state",
    FloatTooLow: "the float does not cover this",
}


class Controls:
    """The endpoints under ``/_sandbox``. They need no key: the server listens on loopback only."""

    def __init__(self, rail: Rail) -> None:
        self._rail = rail

    def routes(self) -> list[Route]:
        """Relative to ``/_sandbox``."""
        return [
            Route("/book", _checked(self._book), methods=["GET"]),
            Route("/reset", _checked(self._reset), methods=["POST"]),
            Route("/float", _checked(self._float), methods=["POST"]),
            *FaultControls(self._rail.faults).routes(),
            Route("/payouts/{id}/complete", _checked(self._complete), methods=["POST"]),
            Route("/payouts/{id}/fail", _checked(self._fail), methods=["POST"]),
            Route("/payouts/{id}/callback", _checked(self._callback), methods=["POST"]),
        ]

    async def _book(self, request: Request) -> Response:
        """``?payouts=false`` leaves the single payouts out, for books with very many."""
        book = self._rail.book
        content: dict[str, Any] = {
            "floatKES": book.float_kes,
            "availableKES": book.available_kes,
            "reservedKES": book.reserved_kes,
            "receivedKES": book.received_by_phone.total(),
            "violations": book.violations(),
            "received": {
                "byPhone": dict(book.received_by_phone),
                "byTransaction": {
                    p.order.transaction_id: p.received_kes
                    for p in book.payouts
                    if p.order.transaction_id is not None
                },
            },
            "requests": dict(book.requests_by_transaction),
            "callbacks": {str(status): n for status, n in book.callbacks_answered.items()},
            "underWay": self._rail.under_way,
            "payoutCount": len(book),
        }
        if request.query_params.get("payouts") != "false":
            content["payouts"] = [_full(payout) for payout in reversed(book.payouts)]
        return answer(200, content)

    async def _reset(self, request: Request) -> Response:
        content = await content_of(request)
        float_kes = whole(content, "floatKES", default=None, lowest=0)
        await self._rail.reset(float_kes)
        return answer(200, {"floatKES": self._rail.book.float_kes})

    async def _float(self, request: Request) -> Response:
        """Set what the account has available, from now on."""
        wanted = whole(await content_of(request), "availableKES", default=None, lowest=0)
        if wanted is None:
            raise Wrong("availableKES is missing")
        book = self._rail.book
        book.top_up(wanted - book.available_kes)
        return answer(200, {"floatKES": book.float_kes, "availableKES": book.available_kes})

    async def _complete(self, request: Request) -> Response:
        payout, content = self._payout(request), await content_of(request)
        self._rail.book.pay(payout)
        return await self._ended(payout, content)

    async def _fail(self, request: Request) -> Response:
        payout, content = self._payout(request), await content_of(request)
        self._rail.book.fail(payout, str(content.get("errorMessage", payout.script.failure)))
        return await self._ended(payout, content)

    async def _ended(self, payout: Payout, content: dict[str, Any]) -> Response:
        if content.get("callback", True):
            await self._rail.tell(payout, Callback())
        return answer(200, _full(payout))

    async def _callback(self, request: Request) -> Response:
        """Send one now, true or not; nothing is settled by it. Answers with the answers."""
        payout, content = self._payout(request), await content_of(request)
        says, user_id, event = (text(content, name) for name in ("status", "userId", "event"))
        callback = Callback(
            says=says,
            form=choice(Form, content, default=Form.PLAIN),
            event=event,
            copies=min(whole(content, "copies", default=1, lowest=1) or 1, COPIES_MAX),
            signature=choice(Signature, content, default=Signature.HEX),
            naming=choice(Naming, content, default=Naming.MERCHANT),
            amount_off_by_kes=whole(content, "amountOffByKES", default=0, lowest=None) or 0,
            user_id=user_id,
            repeated=bool(content.get("repeated", False)),
        )
        return answer(200, {"answers": await self._rail.tell(payout, callback)})

    def _payout(self, request: Request) -> Payout:
        payout = self._rail.book.find(request.path_params["id"])
        if payout is None:
            raise LookupError
        return payout


def _checked(endpoint: Endpoint) -> Endpoint:
    return checked(endpoint, missing="no such payout", conflicts=_CONFLICTS)


def _full(payout: Payout) -> dict[str, Any]:
    return wire.shown(payout) | {
        "userId": payout.order.user_id,
        "callbackUrl": payout.order.callback_url,
        "script": payout.script.name,
        "receivedKES": payout.received_kes,
        "failure": payout.failure,
        "lookups": payout.lookups,
        "callbackAnswers": payout.callback_answers,
    }
