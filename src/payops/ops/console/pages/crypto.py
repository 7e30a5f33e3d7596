"""Crypto deposits: the figures, the rate of the dollar, the providers' coins, and the breaks."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from payops.infra.web.context import context_of
from payops.infra.web.replies import Cursor, page_of, read_cursor
from payops.ops.console.forms import Posted
from payops.ops.console.parts import Console
from payops.ops.console.queries import PAGE
from payops.ops.console.rendering import Said, page, see_other
from payops.ops.console.signing import Reader, Writer
from payops.ops.crypto.api import break_id_of
from payops.ops.crypto.schemas import (
    BreakReply,
    ExplainRequest,
    MetricsReply,
    RateReply,
    RateRequest,
)

BreakId = Annotated[str, Path(alias="breakId")]

_HERE: Final = "/ops/crypto"
_NEWEST: Final = 1


def add_crypto(routes: APIRouter, console: Console) -> None:
    _add_figures(routes, console)
    _add_rates(routes, console)
    _add_breaks(routes, console)


def _add_figures(routes: APIRouter, console: Console) -> None:
    desk = console.crypto

    @routes.get("/crypto", operation_id="consoleCrypto")
    async def crypto(request: Request, _: Reader, cursor: Cursor = None) -> Response:
        found = await desk.breaks(before=read_cursor(cursor), limit=PAGE + 1)
        rates = await desk.rates(before=None, limit=_NEWEST)
        return page(
            request,
            "crypto.html",
            figures=MetricsReply.of(await desk.measure()),
            rate=RateReply.of(rates[0]) if rates else None,
            reply=page_of([BreakReply.of(b) for b in found], [b.id for b in found], PAGE),
        )

    # A page of its own: the providers are asked, and may take their time.
    @routes.get("/crypto/currencies", operation_id="consoleCryptoCurrencies")
    async def currencies(request: Request, _: Reader) -> Response:
        found = await desk.deposits.registry.currencies()
        return page(request, "crypto_currencies.html", currencies=found)


def _add_rates(routes: APIRouter, console: Console) -> None:
    desk = console.crypto

    @routes.get("/crypto/rates", operation_id="consoleRates")
    async def rates(request: Request, _: Reader, cursor: Cursor = None) -> Response:
        found = await desk.rates(before=read_cursor(cursor), limit=PAGE + 1)
        # The configured rate has no id; it is shown alone, so nothing comes after it.
        ids = [rate.id for rate in found if rate.id]
        reply = page_of([RateReply.of(rate) for rate in found], ids, PAGE)
        return page(request, "crypto_rates.html", reply=reply)

    @routes.post("/crypto/rates", operation_id="consoleSetRate")
    async def set_rate(request: Request, visitor: Writer, form: Posted) -> Response:
        asked = form.read(RateRequest, **form.typed("spreadBps"))
        await desk.set_rate(
            asked.as_decimal(),
            asked.spread_bps,
            actor=visitor.principal.caller,
            reason=asked.reason,
            request_id=context_of(request).request_id,
        )
        return see_other(_HERE, Said.DONE)


def _add_breaks(routes: APIRouter, console: Console) -> None:
    desk = console.crypto

    @routes.post("/crypto/breaks/{breakId}/take", operation_id="consoleTakeBreak")
    async def take(request: Request, visitor: Writer, _: Posted, break_id: BreakId) -> Response:
        await desk.take_on(
            break_id_of(break_id),
            owner=visitor.principal.caller,
            request_id=context_of(request).request_id,
        )
        return see_other(_HERE, Said.DONE)

    @routes.post("/crypto/breaks/{breakId}/explain", operation_id="consoleExplainBreak")
    async def explain(
        request: Request, visitor: Writer, form: Posted, break_id: BreakId
    ) -> Response:
        await desk.explain(
            break_id_of(break_id),
            explanation=form.read(ExplainRequest).reason,
            actor=visitor.principal.caller,
            request_id=context_of(request).request_id,
        )
        return see_other(_HERE, Said.DONE)
