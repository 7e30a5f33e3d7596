"""The sandbox as an ASGI application."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Mount

from payops.sandbox.btcpay import control as btcpay_control
from payops.sandbox.btcpay import pages as btcpay_pages
from payops.sandbox.btcpay import routes as btcpay_routes
from payops.sandbox.btcpay.server import Server
from payops.sandbox.lipana import control as lipana_control
from payops.sandbox.lipana import routes as lipana_routes
from payops.sandbox.lipana.rail import Rail
from payops.sandbox.nowpayments import control as nowpayments_control
from payops.sandbox.nowpayments import pages as nowpayments_pages
from payops.sandbox.nowpayments import routes as nowpayments_routes
from payops.sandbox.nowpayments.provider import Provider
from payops.sandbox.settings import Settings


def create_app(settings: Settings) -> Starlette:
    """Lipana under ``/v1``, NOWPayments and BTCPay under their names, controls ``/_sandbox``.

    Served by ``running`` or ``serve`` it can also close connections without a reply; under any
    other server such a reply is an error inside the application.
    """
    rail = Rail(settings)
    provider = Provider(settings)
    server = Server(settings)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            for part in (rail, provider, server):
                stack.push_async_callback(part.aclose)
            yield

    return Starlette(
        routes=[
            Mount("/v1", routes=lipana_routes.Endpoints(rail).routes()),
            Mount("/nowpayments/v1", routes=nowpayments_routes.Endpoints(provider).routes()),
            Mount("/nowpayments/pay", routes=nowpayments_pages.Pages(provider).routes()),
            Mount("/btcpay/api/v1", routes=btcpay_routes.Endpoints(server).routes()),
            Mount("/btcpay/i", routes=btcpay_pages.Pages(server).routes()),
            Mount("/_sandbox/nowpayments", routes=nowpayments_control.Controls(provider).routes()),
            Mount("/_sandbox/btcpay", routes=btcpay_control.Controls(server).routes()),
            Mount("/_sandbox", routes=lipana_control.Controls(rail).routes()),
        ],
        lifespan=lifespan,
    )
