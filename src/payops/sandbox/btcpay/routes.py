"""The part of BTCPay's Greenfield API that takes payments."""

import hmac

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from payops.sandbox.btcpay import wire
from payops.sandbox.btcpay.book import COINS, Invoice
from payops.sandbox.btcpay.server import Server
from payops.sandbox.guard import Endpoint, Guard
from payops.sandbox.prices import COINS_USD, FIAT_USD
from payops.sandbox.replies import answer
from payops.sandbox.replying import Lookup, Refusal, nth, replied

LIST_MAX = 50


class Endpoints:
    """What a merchant may ask of the server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._settings = server.settings
        self._guarded = Guard(
            server.settings,
            server.faults,
            error=lambda status: wire.refusal(wire.ERRORS[status]),
            turned_away=self._turned_away,
        )

    def routes(self) -> list[Route]:
        """Relative to the API's base path, which ends in /api/v1."""
        store = "/stores/{store}"
        return [
            Route(f"{store}/invoices", self._endpoint(self._open), methods=["POST"]),
            Route(f"{store}/invoices", self._endpoint(self._list), methods=["GET"]),
            Route(f"{store}/invoices/{{id}}", self._endpoint(self._show), methods=["GET"]),
            Route(
                f"{store}/invoices/{{id}}/payment-methods",
                self._endpoint(self._methods),
                methods=["GET"],
            ),
            Route(f"{store}/rates", self._endpoint(self._rates), methods=["GET"]),
        ]

    def _endpoint(self, does: Endpoint) -> Endpoint:
        async def answered(request: Request) -> Response:
            if request.path_params["store"] != self._settings.btcpay.store_id:
                return wire.refusal(wire.STORE_NOT_FOUND)
            try:
                return await does(request)
            except wire.Invalid as error:
                return wire.refusal(error.refused)
            except LookupError:
                return wire.refusal(wire.NOT_FOUND)

        return self._guarded(answered)

    def _turned_away(self, request: Request) -> Response | None:
        given = request.headers.get("authorization", "")
        known = f"token {self._settings.btcpay.api_key}"
        is_known = hmac.compare_digest(given.encode(), known.encode())
        return None if is_known else wire.refusal(wire.UNAUTHENTICATED)

    async def _open(self, request: Request) -> Response:
        order = wire.read_order(await request.body())
        server = self._server
        script = server.choosing.take(order.price, order.currency)
        if not script.reply.booked:
            return await replied(
                request, self._settings, script.reply, made=_nothing, refused=wire.refusal
            )
        invoice = server.open(order, script)
        if script.reply.after_steps:
            await server.play_now(invoice)
        try:
            return await replied(
                request,
                self._settings,
                script.reply,
                made=lambda: self._answer(request, invoice),
                refused=wire.refusal,
            )
        finally:
            # Also when the client has gone: what was made takes its course.
            server.play_later(invoice)

    async def _list(self, request: Request) -> Response:
        """Newest first; ``orderId`` may be given several times."""
        await self._take_time()
        wanted = set(request.query_params.getlist("orderId"))
        found = [
            self._shown(request, invoice)
            for invoice in reversed(self._server.book.invoices)
            if not wanted or invoice.order.metadata.get("orderId") in wanted
        ]
        return answer(200, found[:LIST_MAX])

    async def _show(self, request: Request) -> Response:
        await self._take_time()
        invoice = self._found(request)
        lookup = nth(invoice.script.lookups, invoice.lookups)
        invoice.lookups += 1
        refused = _refusal_of(lookup)
        return wire.refusal(refused) if refused else self._answer(request, invoice)

    async def _methods(self, request: Request) -> Response:
        await self._take_time()
        invoice = self._found(request)
        lookup = nth(invoice.script.method_lookups, invoice.method_lookups)
        invoice.method_lookups += 1
        refused = _refusal_of(lookup)
        return wire.refusal(refused) if refused else answer(200, wire.methods(invoice))

    async def _rates(self, request: Request) -> Response:
        """For each ``currencyPair``; a pair that is not known has errors in place of a rate."""
        await self._take_time()
        pairs = request.query_params.getlist("currencyPair")
        return answer(200, [_rate(pair) for pair in pairs[:LIST_MAX]])

    def _found(self, request: Request) -> Invoice:
        return self._server.book.find(request.path_params["id"])

    def _answer(self, request: Request, invoice: Invoice) -> Response:
        return answer(200, self._shown(request, invoice))

    def _shown(self, request: Request, invoice: Invoice) -> dict[str, object]:
        origin = f"{request.url.scheme}://{request.url.netloc}"
        return wire.shown(invoice, origin) | {"storeId": self._settings.btcpay.store_id}

    async def _take_time(self) -> None:
        await self._settings.pause(self._settings.delays.reply_ms)


def _nothing() -> Response:
    return wire.refusal(wire.ERRORS[500])


def _refusal_of(lookup: Lookup) -> Refusal | None:
    return {Lookup.ERROR: wire.ERRORS[500], Lookup.UNKNOWN: wire.NOT_FOUND}.get(lookup)


def _rate(pair: str) -> dict[str, object]:
    coin, _, currency = pair.partition("_")
    worth, unit = COINS_USD.get(coin.lower()), FIAT_USD.get(currency.lower())
    if worth is None or unit is None or coin.upper() not in COINS:
        return {"currencyPair": pair, "errors": ["No rate for this pair"], "rate": None}
    return {"currencyPair": pair, "errors": [], "rate": f"{worth / unit:f}"}
