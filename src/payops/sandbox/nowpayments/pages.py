"""The page a payer is sent to: pick a coin, see where to send it, and press a button instead."""

from collections.abc import Iterable
from html import escape
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from payops.sandbox.nowpayments.book import Book, Invoice, Payment
from payops.sandbox.nowpayments.coins import COINS
from payops.sandbox.nowpayments.outcomes import Pay, Tell
from payops.sandbox.nowpayments.provider import Provider
from payops.sandbox.nowpayments.wire import number_of

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:3rem auto;padding:0 1rem}"
    "code{word-break:break-all}button{font:inherit;margin:.2rem;padding:.3rem .8rem}"
)


class Pages:
    """What a browser meets. The buttons stand in for a wallet: no coin is ever sent."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def routes(self) -> list[Route]:
        """Relative to ``/nowpayments/pay``."""
        return [
            Route("/{invoice}", self._show, methods=["GET"]),
            Route("/{invoice}/coin", self._choose, methods=["POST"]),
            Route("/{invoice}/{payment}", self._pay, methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        invoice = _invoice(self._provider.book, request)
        return _missing() if invoice is None else _page(invoice)

    async def _choose(self, request: Request) -> Response:
        invoice = _invoice(self._provider.book, request)
        coin = COINS.get((await _form(request)).get("coin", ""))
        if invoice is None or coin is None:
            return _missing()
        payment = self._provider.choose_coin(invoice, coin)
        await self._provider.tell(payment, Tell())
        return _back_to(invoice)

    async def _pay(self, request: Request) -> Response:
        invoice = _invoice(self._provider.book, request)
        number = number_of(request.path_params["payment"])
        payment = next((p for p in invoice.payments if p.id == number), None) if invoice else None
        if invoice is None or payment is None:
            return _missing()
        if not payment.is_begun:
            share = (await _form(request)).get("share", "all")
            if share == "all" and any(isinstance(step, Pay) for step in payment.script.steps):
                self._provider.play(payment)
            else:
                amount = payment.pay_amount if share == "all" else payment.pay_amount / 2
                self._provider.deposit_later(payment, amount)
        return _back_to(invoice)


def _page(invoice: Invoice) -> Response:
    order = invoice.order
    parts = [
        f"<h1>{order.price_amount:f} {escape(order.price_currency.upper())}</h1>",
        f"<p>{escape(order.order_description or '')}</p>",
        "<p><strong>Play money.</strong> Nobody has the keys of these addresses: send nothing.</p>",
        *(_payment(invoice, payment) for payment in invoice.payments),
        _choice(invoice),
        _link(order.success_url, "Done"),
        _link(order.cancel_url, "Cancel"),
    ]
    return _html("".join(parts), refresh=any(p.is_begun for p in invoice.payments))


def _payment(invoice: Invoice, payment: Payment) -> str:
    amount = f"{payment.pay_amount:f} {payment.coin.code.upper()}"
    memo = f"<br>with the memo <code>{payment.memo}</code>" if payment.memo else ""
    action = f"/nowpayments/pay/{invoice.id}/{payment.id}"
    buttons = (
        f'<form method="post" action="{action}">'
        '<button name="share" value="all">Pay</button>'
        '<button name="share" value="half">Pay half of it</button></form>'
    )
    return (
        f"<h2>Payment {payment.id}: {escape(payment.status)}</h2>"
        f"<p>{amount} on {escape(payment.coin.network)} to<br>"
        f"<code>{payment.address}</code>{memo}</p>{'' if payment.is_begun else buttons}"
    )


def _choice(invoice: Invoice) -> str:
    coins = [invoice.pay_coin] if invoice.pay_coin else COINS.values()
    buttons = "".join(
        f'<button name="coin" value="{coin.code}">{escape(coin.name)}</button>' for coin in coins
    )
    action = f"/nowpayments/pay/{invoice.id}/coin"
    heading = "Or pay with" if invoice.payments else "Pay with"
    return f'<h2>{heading}</h2><form method="post" action="{action}">{buttons}</form>'


def _link(url: str | None, text: str) -> str:
    if url is None or not url.startswith(("http://", "https://")):
        return ""
    return f'<p><a href="{escape(url)}">{text}</a></p>'


def _html(content: str, *, refresh: bool = False, status: int = 200) -> Response:
    again = '<meta http-equiv="refresh" content="2">' if refresh else ""
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{again}'
        f"<title>Sandbox payment</title><style>{_STYLE}</style></head>"
        f"<body>{content}</body></html>\n",
        status,
    )


def _missing() -> Response:
    return _html("<h1>There is no such payment</h1>", status=404)


def _back_to(invoice: Invoice) -> Response:
    return RedirectResponse(f"/nowpayments/pay/{invoice.id}?iid={invoice.id}", 303)


def _invoice(book: Book, request: Request) -> Invoice | None:
    number = number_of(request.path_params["invoice"])
    try:
        return book.invoice(number or 0)
    except LookupError:
        return None


async def _form(request: Request) -> dict[str, str]:
    fields: Iterable[tuple[str, list[str]]] = parse_qs((await request.body()).decode()).items()
    return {name: values[-1] for name, values in fields}
