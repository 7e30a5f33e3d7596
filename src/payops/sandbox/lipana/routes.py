"""Lipana's endpoints."""

import hmac
from typing import assert_never

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from payops.sandbox.guard import Guard, wait
from payops.sandbox.hangup import HangUp
from payops.sandbox.lipana import wire
from payops.sandbox.lipana.book import FloatTooLow, OtherOrder, Payout
from payops.sandbox.lipana.outcomes import Lookup, Pace, Reply, Shape
from payops.sandbox.lipana.rail import Rail
from payops.sandbox.lipana.scripts import LOW_FLOAT
from payops.sandbox.replies import page_of_html

LIST_LIMIT_MAX = 100


class Endpoints:
    """What a merchant may ask of the rail."""

    def __init__(self, rail: Rail) -> None:
        self._rail = rail
        self._settings = rail.settings
        self._guarded = Guard(
            rail.settings, rail.faults, error=_error, turned_away=self._turned_away
        )

    def routes(self) -> list[Route]:
        """Relative to the rail's base path."""
        return [
            Route("/payouts/phone", self._guarded(self._pay), methods=["POST"]),
            Route("/payouts", self._guarded(self._list), methods=["GET"]),
            Route("/payouts/{id}", self._guarded(self._show), methods=["GET"]),
        ]

    def _turned_away(self, request: Request) -> Response | None:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        key = request.headers.get("x-api-key") or bearer
        if key.startswith("lip_pk_"):
            return wire.refusal(wire.FORBIDDEN)
        known = hmac.compare_digest(key.encode(), self._settings.api_key.encode())
        return None if known else wire.refusal(wire.UNAUTHORIZED)

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
                await wait(request, self._settings, delays.slow_ms)
            case Pace.HANGING:
                await wait(request, self._settings, delays.hang_ms)
            case _:
                assert_never(reply.pace)


def _error(status: int) -> Response:
    return wire.refusal(wire.ERRORS[status])


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
    return page_of_html()


def _number(request: Request, name: str, *, default: int, highest: int) -> int | None:
    """A query parameter from one to ``highest``; None when it is anything else."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) > 0):
        return None
    return min(int(text), highest)
