"""Lipana's endpoints."""

import hmac
from collections.abc import Awaitable, Callable
from typing import TypeAlias, assert_never

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from payops.sandbox.faults import Fault, FaultKind
from payops.sandbox.hangup import HangUp, is_gone_within
from payops.sandbox.lipana import wire
from payops.sandbox.lipana.book import FloatTooLow, OtherOrder, Payout
from payops.sandbox.lipana.outcomes import Lookup, Pace, Refusal, Reply, Shape
from payops.sandbox.lipana.rail import Rail
from payops.sandbox.lipana.scripts import LOW_FLOAT

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]

LIST_LIMIT_MAX = 100


class Endpoints:
    """What a merchant may ask of the rail."""

    def __init__(self, rail: Rail) -> None:
        self._rail = rail
        self._settings = rail.settings

    def routes(self) -> list[Route]:
        """Relative to the rail's base path."""
        return [
            Route("/payouts/phone", self._faulty(self._pay), methods=["POST"]),
            Route("/payouts", self._faulty(self._list), methods=["GET"]),
            Route("/payouts/{id}", self._faulty(self._show), methods=["GET"]),
        ]

    def _faulty(self, endpoint: Endpoint) -> Endpoint:
        """``endpoint`` behind the key check and whatever is wrong with the whole rail."""

        async def guarded(request: Request) -> Response:
            fault = self._rail.faults.take(request.method)
            if fault is not None and (instead := _instead(fault)):
                return instead
            refused = self._refused(request)
            if refused is not None:
                return wire.refusal(refused)
            response = await endpoint(request)
            if fault is not None:
                await self._wait(request, _lateness_ms(fault, self._settings.delays.slow_ms))
                if fault.kind is FaultKind.LOST:
                    return HangUp()
            return response

        return guarded

    def _refused(self, request: Request) -> Refusal | None:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        key = request.headers.get("x-api-key") or bearer
        if key.startswith("lip_pk_"):
            return wire.FORBIDDEN
        known = hmac.compare_digest(key.encode(), self._settings.api_key.encode())
        return None if known else wire.UNAUTHORIZED

    async def _pay(self, request: Request) -> Response:
        try:
            order = wire.read_order(await request.body(), self._settings)
            reply, payout, is_new = self._rail.take(order)
        except wire.Invalid as error:
            return wire.invalid(error)
        except OtherOrder:
            return wire.refusal(wire.OTHER_ORDER)
        except FloatTooLow:
            return _reply(LOW_FLOAT)
        if payout is not None and is_new and reply.after_callbacks:
            await self._rail.play(payout)
        try:
            await self._take_time(request, reply)
            return _answer(reply, payout, self._rail)
        finally:
            # Also when the client has gone: what was booked takes its course.
            if payout is not None and is_new and not reply.after_callbacks:
                self._rail.play_later(payout)

    async def _show(self, request: Request) -> Response:
        payout = self._rail.book.find(request.path_params["id"])
        await self._settings.pause(self._settings.delays.reply_ms)
        if payout is None:
            return wire.refusal(wire.NOT_FOUND)
        lookup = payout.script.lookup(payout.lookups)
        payout.lookups += 1
        match lookup:
            case Lookup.TRUTH | Lookup.COMPLETED:
                return wire.one(wire.shown(payout, lookup), self._settings.envelope)
            case Lookup.ERROR:
                return wire.refusal(wire.SERVER_ERROR)
            case Lookup.UNKNOWN:
                return wire.refusal(wire.NOT_FOUND)
            case _:
                assert_never(lookup)

    async def _list(self, request: Request) -> Response:
        page = _number(request, "page", default=1, highest=1_000_000)
        limit = _number(request, "limit", default=20, highest=LIST_LIMIT_MAX)
        await self._settings.pause(self._settings.delays.reply_ms)
        if page is None or limit is None:
            return wire.invalid(wire.Invalid({"page": "must be positive, as must limit"}))
        book = self._rail.book
        shown = [wire.shown(p, p.script.lookups[-1]) for p in book.newest(page=page, limit=limit)]
        return wire.many(shown, page=page, limit=limit, total=len(book))

    async def _take_time(self, request: Request, reply: Reply) -> None:
        delays = self._settings.delays
        match reply.pace:
            case Pace.USUAL:
                await self._settings.pause(delays.reply_ms)
            case Pace.SLOW:
                await self._wait(request, delays.slow_ms)
            case Pace.HANGING:
                await self._wait(request, delays.hang_ms)
            case _:
                assert_never(reply.pace)

    async def _wait(self, request: Request, delay_ms: int) -> None:
        """Wait, but no longer than the client does."""
        if delay_ms:
            await request.body()
            await is_gone_within(request.receive, self._settings.limit(delay_ms))


def _instead(fault: Fault) -> Response | None:
    """The answer of a rail that acts on nothing; None for a fault that lets it act."""
    match fault.kind:
        case FaultKind.DOWN:
            return HangUp()
        case FaultKind.UNAUTHORIZED:
            return wire.refusal(wire.UNAUTHORIZED)
        case FaultKind.FORBIDDEN:
            return wire.refusal(wire.FORBIDDEN)
        case FaultKind.SERVER_ERROR:
            return wire.refusal(wire.SERVER_ERROR)
        case FaultKind.RATE_LIMITED:
            response = wire.refusal(wire.RATE_LIMITED)
            response.headers["retry-after"] = str(fault.retry_after_seconds)
            return response
        case FaultKind.LOST | FaultKind.SLOW | FaultKind.LATENCY:
            return None
        case _:
            assert_never(fault.kind)


def _lateness_ms(fault: Fault, slow_ms: int) -> int:
    return slow_ms if fault.kind is FaultKind.SLOW else fault.latency_ms


def _answer(reply: Reply, payout: Payout | None, rail: Rail) -> Response:
    if payout is None:
        return _reply(reply)
    envelope = rail.settings.envelope
    shown = wire.shown(payout, says=reply.says)
    match reply.shape:
        case Shape.PAYOUT:
            return wire.one(shown, envelope)
        case Shape.WITHOUT_ID:
            del shown["id"]
            return wire.one(shown, envelope)
        case Shape.UNSUCCESSFUL:
            return wire.one(shown, envelope, success=False)
        case Shape.NOTHING | Shape.REFUSAL | Shape.HTML:
            return _reply(reply)
        case _:
            assert_never(reply.shape)


def _reply(reply: Reply) -> Response:
    """A reply that carries no payout."""
    if reply.shape is Shape.NOTHING:
        return HangUp()
    if reply.refusal is not None:
        return wire.refusal(reply.refusal)
    return wire.page_of_html()


def _number(request: Request, name: str, *, default: int, highest: int) -> int | None:
    """A query parameter from one to ``highest``; None when it is anything else."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) > 0):
        return None
    return min(int(text), highest)
