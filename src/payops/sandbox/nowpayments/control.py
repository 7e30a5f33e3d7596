"""Controls for tests and the demo: look into the book, choose scripts, pay, push and notify."""

from collections.abc import Mapping
from decimal import Decimal
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
from payops.sandbox.choosing import ScriptControls
from payops.sandbox.guard import Endpoint
from payops.sandbox.nowpayments.book import Invoice, OtherCoin, Payment
from payops.sandbox.nowpayments.coins import COINS, Coin
from payops.sandbox.nowpayments.outcomes import Repeat, Spelling, Status, Tell
from payops.sandbox.nowpayments.provider import Provider
from payops.sandbox.nowpayments.wire import moment, number_of
from payops.sandbox.replies import answer
from payops.sandbox.replying import Signature

COPIES_MAX = 100

_CONFLICTS: Mapping[type[Exception], str] = {
    OtherCoin: "coins of another kind have arrived for this payment",
}


class Controls:
    """The endpoints under ``/_sandbox/nowpayments``; as all controls, without a key."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def routes(self) -> list[Route]:
        """Relative to ``/_sandbox/nowpayments``."""
        posts = {
            "/reset": self._reset,
            "/payments/{id}/pay": self._pay,
            "/payments/{id}/status": self._push,
            "/payments/{id}/notify": self._notify,
            "/payments/{id}/repeat": self._repeat,
            "/invoices/{id}/pay": self._pay_invoice,
        }
        return [
            Route("/book", _checked(self._book), methods=["GET"]),
            Route("/payments/{id}", _checked(self._show), methods=["GET"]),
            *(Route(path, _checked(does), methods=["POST"]) for path, does in posts.items()),
            *ScriptControls(self._provider.choosing).routes(),
            *FaultControls(self._provider.faults).routes(),
        ]

    async def _book(self, _request: Request) -> Response:
        book = self._provider.book
        return answer(
            200,
            {
                "receivedByCoin": _texts(book.received_by_coin()),
                "violations": book.violations(),
                "notices": {str(status): n for status, n in book.notices_answered.items()},
                "underWay": self._provider.under_way,
                "payments": [_full(payment) for payment in reversed(book.payments)],
                "invoices": [_page(invoice) for invoice in reversed(book.invoices)],
            },
        )

    async def _show(self, request: Request) -> Response:
        return answer(200, _full(self._payment(request)))

    async def _reset(self, _request: Request) -> Response:
        await self._provider.reset()
        return answer(200, {})

    async def _pay(self, request: Request) -> Response:
        """``amount`` of ``coin`` arrives: by default what was asked for, and what is missing."""
        payment, content = self._payment(request), await content_of(request)
        missing = max(payment.pay_amount - payment.received, Decimal(0))
        size = amount(content, "amount") or missing or payment.pay_amount
        await self._provider.deposit(payment, size, _coin(content))
        return answer(200, _full(payment))

    async def _push(self, request: Request) -> Response:
        """Any word will do for ``status``; the merchant is told unless ``notify`` is false."""
        payment, content = self._payment(request), await content_of(request)
        status = text(content, "status")
        if not status:
            raise Wrong("status is missing")
        self._provider.book.move(payment, status)
        if content.get("notify", True):
            await self._provider.tell(payment, Tell())
        return answer(200, _full(payment))

    async def _notify(self, request: Request) -> Response:
        """Send one notification now, true or not. Answers with the answers."""
        payment, content = self._payment(request), await content_of(request)
        tell = Tell(
            says=text(content, "status"),
            copies=min(whole(content, "copies", default=1, lowest=1) or 1, COPIES_MAX),
            signature=choice(Signature, content, default=Signature.GENUINE),
            spelling=choice(Spelling, content, default=Spelling.DIGITS),
            has_fee=bool(content.get("fee", True)),
            is_repeated=bool(content.get("repeated", False)),
        )
        return answer(200, {"answers": await self._provider.tell(payment, tell)})

    async def _repeat(self, request: Request) -> Response:
        """A second deposit of ``amount`` arrives at the payment's address."""
        payment, content = self._payment(request), await content_of(request)
        size = amount(content, "amount") or payment.pay_amount
        step = Repeat(
            share=size / payment.pay_amount,
            ends=text(content, "status") or Status.PARTIALLY_PAID,
            is_known=bool(content.get("known", True)),
        )
        return answer(200, _full(await self._provider.repeat(payment, step)))

    async def _pay_invoice(self, request: Request) -> Response:
        """A payer picks ``coin`` on the page and pays as the invoice's script has it."""
        content = await content_of(request)
        number = number_of(request.path_params["id"])
        invoice = self._provider.book.invoice(number or 0)
        coin = _coin(content) or invoice.pay_coin
        if coin is None:
            raise Wrong("coin is missing")
        payment = self._provider.choose_coin(invoice, coin)
        self._provider.play(payment)
        return answer(200, _full(payment))

    def _payment(self, request: Request) -> Payment:
        return self._provider.book.payment(number_of(request.path_params["id"]) or 0)


def _checked(endpoint: Endpoint) -> Endpoint:
    return checked(endpoint, missing="no such payment", conflicts=_CONFLICTS)


def _coin(content: dict[str, Any]) -> Coin | None:
    code = text(content, "coin")
    if code is None:
        return None
    if code.lower() not in COINS:
        raise Wrong(f"coin is one of {', '.join(COINS)}")
    return COINS[code.lower()]


def _full(payment: Payment) -> dict[str, Any]:
    """Amounts are texts, exact; ``received`` is the truth, ``actuallyPaid`` what is stated."""
    settled = payment.settlement
    return {
        "paymentId": str(payment.id),
        "parentId": str(payment.parent.id) if payment.parent else None,
        "invoiceId": str(payment.invoice.id) if payment.invoice else None,
        "orderId": payment.order.order_id,
        "script": payment.script.name,
        "status": payment.status,
        "price": f"{payment.order.price_amount:f}",
        "priceCurrency": payment.order.price_currency,
        "payCurrency": payment.coin.code,
        "payAmount": f"{payment.pay_amount:f}",
        "payAddress": payment.address,
        "memo": payment.memo,
        "quoteEndsAt": moment(payment.quote_ends_at),
        "received": f"{payment.received:f}",
        "receivedCoin": payment.received_coin.code,
        "actuallyPaid": f"{payment.actually_paid:f}",
        "outcome": {"coin": settled.coin.code, "amount": f"{settled.amount:f}"}
        if settled
        else None,
        "refunded": f"{payment.refunded:f}",
        "lookups": payment.lookups,
        "answers": payment.answers,
    }


def _page(invoice: Invoice) -> dict[str, Any]:
    return {
        "invoiceId": str(invoice.id),
        "orderId": invoice.order.order_id,
        "script": invoice.script.name,
        "paymentIds": [str(payment.id) for payment in invoice.payments],
    }


def _texts(sums: Mapping[str, Decimal]) -> dict[str, str]:
    return {code: f"{total:f}" for code, total in sums.items()}
