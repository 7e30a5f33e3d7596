"""The page that a payer of a BTCPay invoice is sent to. A button stands in for the wallet."""

from decimal import Decimal
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from payops.sandbox.btcpay.book import Invoice
from payops.sandbox.btcpay.server import Server


class Pages:
    """What a browser meets. Most scripts pay by themselves; the page shows how they fare."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> list[Route]:
        """Relative to ``/btcpay/i``."""
        return [
            Route("/{id}", self._show, methods=["GET"]),
            Route("/{id}", self._pay, methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        invoice = self._invoice(request)
        return _MISSING if invoice is None else HTMLResponse(_page(invoice))

    async def _pay(self, request: Request) -> Response:
        invoice = self._invoice(request)
        if invoice is None:
            return _MISSING
        if not invoice.payments:
            self._server.pay_later(invoice, Decimal(1))
        return RedirectResponse(f"/btcpay/i/{invoice.id}", 303)

    def _invoice(self, request: Request) -> Invoice | None:
        try:
            return self._server.book.find(request.path_params["id"])
        except LookupError:
            return None


_MISSING = HTMLResponse("<!doctype html><title>404</title><h1>There is no such invoice</h1>\n", 404)


def _page(invoice: Invoice) -> str:
    ways = "".join(
        f"<p>{method.amount:f} {method.coin} to <code>{method.address}</code></p>"
        for method in invoice.methods.values()
    )
    button = "" if invoice.payments else '<form method="post"><button>Pay</button></form>'
    back = invoice.order.checkout.get("redirectURL")
    is_web = isinstance(back, str) and back.startswith(("http://", "https://"))
    link = f'<p><a href="{escape(str(back))}">Done</a></p>' if is_web else ""
    price = f"{invoice.order.price or Decimal(0):f} {escape(invoice.order.currency)}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="refresh" content="2"><title>Sandbox invoice</title></head>'
        f"<body><h1>{price}: {invoice.status.value}</h1><p><strong>Play money.</strong> Nobody has "
        f"the keys of these addresses: send nothing.</p>{ways}{button}{link}</body></html>\n"
    )
