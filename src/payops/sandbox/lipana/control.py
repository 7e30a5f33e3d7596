"""Controls for tests and the demo: look into the book, break the rail, end payouts by hand."""

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any, TypeAlias, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from payops.sandbox.faults import Fault, FaultKind
from payops.sandbox.lipana import wire
from payops.sandbox.lipana.book import AlreadyFinal, FloatTooLow, Payout
from payops.sandbox.lipana.outcomes import Callback, Form, Naming, Signature
from payops.sandbox.lipana.rail import Rail

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]

Choice = TypeVar("Choice", bound=Enum)

COPIES_MAX = 100


class Wrong(Exception):
    """What was asked of the controls makes no sense; the text says why."""


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
            Route("/faults", _checked(self._show_faults), methods=["GET"]),
            Route("/faults", _checked(self._add_fault), methods=["POST"]),
            Route("/faults", _checked(self._clear_faults), methods=["DELETE"]),
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
        return wire.answer(200, content)

    async def _reset(self, request: Request) -> Response:
        content = await _content(request)
        float_kes = _whole(content, "floatKES", default=None, lowest=0)
        await self._rail.reset(float_kes)
        return wire.answer(200, {"floatKES": self._rail.book.float_kes})

    async def _float(self, request: Request) -> Response:
        """Set what the account has available, from now on."""
        wanted = _whole(await _content(request), "availableKES", default=None, lowest=0)
        if wanted is None:
            raise Wrong("availableKES is missing")
        book = self._rail.book
        book.top_up(wanted - book.available_kes)
        return wire.answer(200, {"floatKES": book.float_kes, "availableKES": book.available_kes})

    async def _show_faults(self, _request: Request) -> Response:
        return wire.answer(200, [_fault(fault) for fault in self._rail.faults])

    async def _add_fault(self, request: Request) -> Response:
        content = await _content(request)
        fault = Fault(
            kind=FaultKind(content.get("kind", "")),
            remaining=_whole(content, "count", default=None, lowest=1),
            method=content.get("method"),
            latency_ms=_whole(content, "latencyMs", default=0, lowest=0) or 0,
            retry_after_seconds=_whole(content, "retryAfterSeconds", default=1, lowest=0) or 0,
        )
        if fault.method not in {None, "GET", "POST"}:
            raise Wrong("method is GET, POST or left out")
        self._rail.faults.add(fault)
        return wire.answer(201, _fault(fault))

    async def _clear_faults(self, _request: Request) -> Response:
        self._rail.faults.clear()
        return wire.answer(200, [])

    async def _complete(self, request: Request) -> Response:
        payout, content = self._payout(request), await _content(request)
        self._rail.book.pay(payout)
        return await self._ended(payout, content)

    async def _fail(self, request: Request) -> Response:
        payout, content = self._payout(request), await _content(request)
        self._rail.book.fail(payout, str(content.get("errorMessage", payout.script.failure)))
        return await self._ended(payout, content)

    async def _ended(self, payout: Payout, content: dict[str, Any]) -> Response:
        if content.get("callback", True):
            await self._rail.tell(payout, Callback())
        return wire.answer(200, _full(payout))

    async def _callback(self, request: Request) -> Response:
        """Send one now, true or not; nothing is settled by it. Answers with the answers."""
        payout, content = self._payout(request), await _content(request)
        says, user_id, event = (_text(content, name) for name in ("status", "userId", "event"))
        callback = Callback(
            says=says,
            form=_choice(Form, content, default=Form.PLAIN),
            event=event,
            copies=min(_whole(content, "copies", default=1, lowest=1) or 1, COPIES_MAX),
            signature=_choice(Signature, content, default=Signature.HEX),
            naming=_choice(Naming, content, default=Naming.MERCHANT),
            amount_off_by_kes=_whole(content, "amountOffByKES", default=0, lowest=None) or 0,
            user_id=user_id,
            repeated=bool(content.get("repeated", False)),
        )
        return wire.answer(200, {"answers": await self._rail.tell(payout, callback)})

    def _payout(self, request: Request) -> Payout:
        payout = self._rail.book.find(request.path_params["id"])
        if payout is None:
            raise LookupError
        return payout


def _checked(endpoint: Endpoint) -> Endpoint:
    """``endpoint`` with its refusals as answers."""

    async def checked(request: Request) -> Response:
        try:
            return await endpoint(request)
        except (Wrong, wire.Invalid, ValueError) as error:
            return wire.answer(400, {"error": str(error)})
        except LookupError:
            return wire.answer(404, {"error": "no such payout"})
        except AlreadyFinal:
            return wire.answer(409, {"error": "the payout has its final state"})
        except FloatTooLow:
            return wire.answer(409, {"error": "the float does not cover this"})

    return checked


async def _content(request: Request) -> dict[str, Any]:
    """The JSON object in the body; an empty body is an empty object."""
    body = await request.body()
    return wire.read_object(body) if body else {}


def _whole(
    content: dict[str, Any], name: str, *, default: int | None, lowest: int | None
) -> int | None:
    value = content.get(name, default)
    if value is default:
        return default
    if type(value) is not int or (lowest is not None and value < lowest):
        raise Wrong(f"{name} must be a whole number" + ("" if lowest is None else f" >= {lowest}"))
    return value


def _text(content: dict[str, Any], name: str) -> str | None:
    value = content.get(name)
    if value is not None and not isinstance(value, str):
        raise Wrong(f"{name} must be a text")
    return value


def _choice(choices: type[Choice], content: dict[str, Any], *, default: Choice) -> Choice:
    """The member named in ``content`` under the name of its class, both in lower case."""
    name = choices.__name__.lower()
    value = content.get(name)
    if value is None:
        return default
    try:
        return choices[str(value).upper()]
    except KeyError:
        known = ", ".join(choice.name.lower() for choice in choices)
        raise Wrong(f"{name} is one of {known}") from None


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


def _fault(fault: Fault) -> dict[str, Any]:
    return {
        "kind": fault.kind,
        "remaining": fault.remaining,
        "method": fault.method,
        "latencyMs": fault.latency_ms,
        "retryAfterSeconds": fault.retry_after_seconds,
        "hits": fault.hits,
    }
