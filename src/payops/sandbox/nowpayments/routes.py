"""NOWPayments' endpoints."""

import hmac
from decimal import Decimal, InvalidOperation

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from payops.sandbox.guard import Endpoint, Guard
from payops.sandbox.nowpayments import wire
from payops.sandbox.nowpayments.book import Invoice, Payment, amount_in
from payops.sandbox.nowpayments.coins import COINS
from payops.sandbox.nowpayments.javascript import Value
from payops.sandbox.nowpayments.provider import Provider
from payops.sandbox.prices import FIAT_USD
from payops.sandbox.replying import Lookup, Refusal, Reply, nth, replied

_ESTIMATE_UNIT = Decimal("1e-8")


class Endpoints:
    """What a merchant may ask of the provider."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._settings = provider.settings
        self._guarded = Guard(
            provider.settings,
            provider.faults,
            error=lambda status: wire.refusal(wire.ERRORS[status]),
            turned_away=self._turned_away,
        )

    def routes(self) -> list[Route]:
        """Relative to the API's base path, which ends in /v1."""
        posts = {
            "/payment": self._open_payment,
            "/invoice": self._open_invoice,
            "/invoice-payment": self._pay_invoice,
        }
        gets = {
            "/status": self._status,
            "/currencies": self._currencies,
            "/full-currencies": self._full_currencies,
            "/merchant/coins": self._merchant_coins,
            "/min-amount": self._minimum,
            "/estimate": self._estimate,
            "/payment/{id}": self._show,
        }
        return [
            *(Route(path, self._endpoint(does), methods=["POST"]) for path, does in posts.items()),
            *(Route(path, self._endpoint(does), methods=["GET"]) for path, does in gets.items()),
        ]

    def _endpoint(self, does: Endpoint) -> Endpoint:
        async def answered(request: Request) -> Response:
            try:
                return await does(request)
            except wire.Invalid as error:
                return wire.refusal(error.refused)

        return self._guarded(answered)

    def _turned_away(self, request: Request) -> Response | None:
        if request.url.path.endswith("/status"):
            return None
        key, known = request.headers.get("x-api-key", ""), self._settings.nowpayments.api_key
        is_known = hmac.compare_digest(key.encode(), known.encode())
        return None if is_known else wire.refusal(wire.INVALID_KEY)

    async def _open_payment(self, request: Request) -> Response:
        content = wire.read_object(await request.body())
        order = wire.read_order(content, self._settings)
        coin = wire.read_coin(content)
        if order.price_usd < wire.MINIMUM_USD:
            raise wire.Invalid(_below_minimum(amount_in(coin, order.price_usd)))
        provider = self._provider
        script = provider.choosing.take(order.price_amount, order.price_currency)
        if not script.reply.booked:
            return await self._replied(request, script.reply, None)
        payment = provider.open_payment(order, coin, script)
        if script.reply.after_steps:
            await provider.play_now(payment)
        try:
            return await self._replied(request, script.reply, wire.opened(payment))
        finally:
            # Also when the client has gone: what was opened takes its course.
            provider.play_later(payment)

    async def _open_invoice(self, request: Request) -> Response:
        content = wire.read_object(await request.body())
        order = wire.read_order(content, self._settings)
        coin = wire.read_coin(content) if content.get("pay_currency") is not None else None
        provider = self._provider
        script = provider.choosing.take(order.price_amount, order.price_currency)
        if not script.reply.booked:
            return await self._replied(request, script.reply, None)
        invoice = provider.book.open_invoice(order, coin, script)
        return await self._replied(
            request, script.reply, wire.page(invoice, _page_url(request, invoice))
        )

    async def _pay_invoice(self, request: Request) -> Response:
        """What the provider's own page asks for when a payer has picked a coin."""
        content = wire.read_object(await request.body())
        coin = wire.read_coin(content)
        number = wire.number_of(content.get("iid"))
        try:
            invoice = self._provider.book.invoice(number or 0)
        except LookupError:
            raise wire.Invalid(wire.NOT_FOUND) from None
        payment = self._provider.choose_coin(invoice, coin)
        opened = wire.opened(payment)
        self._provider.play(payment)
        return wire.answer(201, opened)

    async def _show(self, request: Request) -> Response:
        await self._take_time()
        number = wire.number_of(request.path_params["id"])
        if number is None:
            raise wire.Invalid(wire.NOT_A_NUMBER)
        payment = self._known(number)
        lookup = nth(payment.script.lookups, payment.lookups)
        payment.lookups += 1
        match lookup:
            case Lookup.ERROR:
                return wire.refusal(wire.ERRORS[500])
            case Lookup.UNKNOWN:
                return wire.refusal(wire.NOT_FOUND)
            case Lookup.TRUTH:
                self._provider.book.look_up(payment)
                return wire.answer(200, wire.shown(payment))

    def _known(self, number: int) -> Payment:
        try:
            payment = self._provider.book.payment(number)
        except LookupError:
            raise wire.Invalid(wire.NOT_FOUND) from None
        if not payment.is_known:
            raise wire.Invalid(wire.NOT_FOUND)
        return payment

    async def _status(self, _request: Request) -> Response:
        return wire.answer(200, {"message": "OK"})

    async def _currencies(self, _request: Request) -> Response:
        await self._take_time()
        return wire.answer(200, {"currencies": list(COINS)})

    async def _full_currencies(self, _request: Request) -> Response:
        await self._take_time()
        coins = [wire.described(coin, number=n) for n, coin in enumerate(COINS.values(), 1)]
        return wire.answer(200, {"currencies": coins})

    async def _merchant_coins(self, _request: Request) -> Response:
        await self._take_time()
        return wire.answer(200, {"selectedCurrencies": [code.upper() for code in COINS]})

    async def _minimum(self, request: Request) -> Response:
        await self._take_time()
        query = request.query_params
        coin = wire.read_coin(query, "currency_from")
        outcome = query.get("currency_to", coin.code)
        wire.worth_of(outcome)
        least = amount_in(coin, wire.MINIMUM_USD)
        content: dict[str, Value] = {
            "currency_from": coin.code,
            "currency_to": outcome.lower(),
            "min_amount": least,
        }
        fiat = query.get("fiat_equivalent")
        if fiat is not None:
            content["fiat_equivalent"] = _converted(least, coin.code, fiat)
        return wire.answer(200, content)

    async def _estimate(self, request: Request) -> Response:
        await self._take_time()
        query = request.query_params
        amount = _amount(query.get("amount", ""))
        source, target = query.get("currency_from", ""), query.get("currency_to", "")
        content: dict[str, Value] = {
            "currency_from": source.lower(),
            "amount_from": amount,
            "currency_to": target.lower(),
            "estimated_amount": _converted(amount, source, target),
        }
        return wire.answer(200, content)

    async def _replied(
        self, request: Request, reply: Reply, content: dict[str, Value] | None
    ) -> Response:
        return await replied(
            request,
            self._settings,
            reply,
            made=lambda: wire.answer(201, content),
            refused=wire.refusal,
        )

    async def _take_time(self) -> None:
        await self._settings.pause(self._settings.delays.reply_ms)


def _page_url(request: Request, invoice: Invoice) -> str:
    return (
        f"{request.url.scheme}://{request.url.netloc}/nowpayments/pay/{invoice.id}?iid={invoice.id}"
    )


def _below_minimum(amount: Decimal) -> Refusal:
    return Refusal(400, "AMOUNT_MINIMAL_ERROR", f"Crypto amount {amount:f} is less than minimal")


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(0)
    if not (amount.is_finite() and 0 < amount < Decimal(10) ** 12):
        raise wire.invalid("amount must be a positive number")
    return amount


def _converted(amount: Decimal, source: str, target: str) -> Decimal:
    worth = amount * wire.worth_of(source) / wire.worth_of(target)
    unit = Decimal("1e-4") if target.lower() in FIAT_USD else _ESTIMATE_UNIT
    return worth.quantize(unit)
