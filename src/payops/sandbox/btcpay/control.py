"""Controls for tests and the demo: look into the book, choose scripts, pay, turn and notify."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from payops.sandbox.asking import (
    FaultControls,
    Wrong,
    amount,
    checked,
    choice,
    content_of,
    text,
    whole,
)
from payops.sandbox.btcpay.book import Invoice
from payops.sandbox.btcpay.outcomes import Event, Turn
from payops.sandbox.btcpay.server import Server
from payops.sandbox.choosing import ScriptControls
from payops.sandbox.guard import Endpoint
from payops.sandbox.replies import answer
from payops.sandbox.replying import Signature

COPIES_MAX = 100


class Controls:
    """The endpoints under ``/_sandbox/btcpay``; as all controls, without a key."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> list[Route]:
        """Relative to ``/_sandbox/btcpay``."""
        posts = {
            "/reset": self._reset,
            "/invoices/{id}/pay": self._pay,
            "/invoices/{id}/turn": self._turn,
            "/invoices/{id}/notify": self._notify,
        }
        return [
            Route("/book", _checked(self._book), methods=["GET"]),
            Route("/invoices/{id}", _checked(self._show), methods=["GET"]),
            *(Route(path, _checked(does), methods=["POST"]) for path, does in posts.items()),
            *ScriptControls(self._server.choosing).routes(),
            *FaultControls(self._server.faults).routes(),
        ]

    async def _book(self, _request: Request) -> Response:
        book = self._server.book
        return answer(
            200,
            {
                "receivedByCoin": {c: f"{sum_:f}" for c, sum_ in book.received_by_coin().items()},
                "violations": book.violations(),
                "events": {str(status): n for status, n in book.events_answered.items()},
                "underWay": self._server.under_way,
                "invoices": [_full(invoice) for invoice in reversed(book.invoices)],
            },
        )

    async def _show(self, request: Request) -> Response:
        return answer(200, _full(self._invoice(request)))

    async def _reset(self, _request: Request) -> Response:
        await self._server.reset()
        return answer(200, {})

    async def _pay(self, request: Request) -> Response:
        """``amount`` of ``coin`` is seen: by default the whole price in the first coin."""
        invoice, content = self._invoice(request), await content_of(request)
        coin = (text(content, "coin") or next(iter(invoice.methods))).upper()
        if coin not in invoice.methods:
            raise Wrong(f"coin is one of {', '.join(invoice.methods)}")
        size = amount(content, "amount") or invoice.methods[coin].amount
        await self._server.pay(invoice, coin, size)
        if content.get("confirm", True):
            await self._server.turn(invoice, Turn.CONFIRM)
        return answer(200, _full(invoice))

    async def _turn(self, request: Request) -> Response:
        """``turn`` is confirm, expire, invalidate, replace or mark_settled."""
        invoice, content = self._invoice(request), await content_of(request)
        turn = choice(Turn, content, default=Turn.CONFIRM)
        if turn is Turn.REPLACE and not invoice.payments:
            raise Wrong("there is no payment to replace")
        await self._server.turn(invoice, turn)
        return answer(200, _full(invoice))

    async def _notify(self, request: Request) -> Response:
        """Deliver ``type`` now, true or not. Answers with the answers."""
        invoice, content = self._invoice(request), await content_of(request)
        answers = await self._server.tell(
            invoice,
            Event(text(content, "type") or ""),
            signature=choice(Signature, content, default=Signature.GENUINE),
            copies=min(whole(content, "copies", default=1, lowest=1) or 1, COPIES_MAX),
            is_repeated=bool(content.get("repeated", False)),
        )
        return answer(200, {"answers": answers})

    def _invoice(self, request: Request) -> Invoice:
        return self._server.book.find(request.path_params["id"])


def _checked(endpoint: Endpoint) -> Endpoint:
    return checked(endpoint, missing="no such invoice", conflicts={})


def _full(invoice: Invoice) -> dict[str, Any]:
    """Amounts are texts, exact."""
    return {
        "invoiceId": invoice.id,
        "orderId": invoice.order.metadata.get("orderId"),
        "script": invoice.script.name,
        "status": invoice.status.value,
        "additionalStatus": invoice.addition.value,
        "price": None if invoice.order.price is None else f"{invoice.order.price:f}",
        "currency": invoice.order.currency,
        "methods": {m.coin: f"{m.amount:f}" for m in invoice.methods.values()},
        "payments": [
            {"id": p.id, "coin": p.coin, "value": f"{p.value:f}", "status": p.status.value}
            for p in invoice.payments
        ],
        "received": {coin: f"{invoice.received(coin):f}" for coin in invoice.methods},
        "lookups": invoice.lookups,
        "answers": invoice.answers,
    }
