"""The providers' way in: raw bytes, verified before anything else is believed."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from payops.access.api import PublicRoute
from payops.webhooks.errors import NotKept
from payops.webhooks.service import Inbox

_ACK = {"status": "ack"}
_REFUSED = {"error": "unauthorized"}
_PATH_CHARACTERS_MAX = 128

# Providers wait for three seconds and then count an answer as none.
_ANSWERED_WITHIN: Final = timedelta(milliseconds=2_500)


def routes(inbox: Inbox) -> list[PublicRoute]:
    """A route for each provider; none is in the public specification, which is not for them."""

    def receive(source: str) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await _receive(inbox, source, request)

        return endpoint

    def route(path: str, source: str, operation: str) -> PublicRoute:
        return PublicRoute(
            f"/webhooks/{path}",
            receive(source),
            methods=["POST"],
            name=operation,
            include_in_schema=False,
        )

    return [
        route("mpesa/{txId}", "lipana", "receiveMpesaFor"),
        route("mpesa", "lipana", "receiveMpesa"),
        route("nowpayments", "nowpayments", "receiveNowPayments"),
        route("btcpay", "btcpay", "receiveBtcPay"),
    ]


async def _receive(inbox: Inbox, source: str, request: Request) -> Response:
    # The size is capped while the body is read; the signature is over these bytes.
    body = await request.body()
    # Never refused for its form: what is signed is taken in, and judged with the rest of it.
    # It is only cut, and what is left of an overlong one is no id of ours.
    reference = request.path_params.get("txId")
    try:
        async with asyncio.timeout(_ANSWERED_WITHIN.total_seconds()):
            is_authentic = await inbox.receive(
                source, request.headers, body, reference and reference[:_PATH_CHARACTERS_MAX]
            )
    except TimeoutError:
        # It may be kept all the same, later: then the repeat is known, and is had once.
        raise NotKept(retry_after_seconds=1) from None
    return JSONResponse(_ACK) if is_authentic else JSONResponse(_REFUSED, 401)
