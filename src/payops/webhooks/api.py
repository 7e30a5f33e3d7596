"""The providers' way in: raw bytes, verified before anything else is believed."""

import asyncio
from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import JSONResponse, Response

from payops.access.api import public
from payops.webhooks.errors import NotKept
from payops.webhooks.service import Inbox

_ACK = {"status": "ack"}
_REFUSED = {"error": "unauthorized"}
_PATH_CHARACTERS_MAX = 128

# Providers wait for three seconds and then count an answer as none.
_ANSWERED_WITHIN: Final = timedelta(milliseconds=2_500)


def router(inbox: Inbox) -> APIRouter:
    """Routes are hidden from the public specification: they are the providers' business."""
    routes = APIRouter(prefix="/webhooks", include_in_schema=False, dependencies=[Depends(public)])

    async def receive(request: Request, source: str, path_reference: str | None) -> Response:
        # The size is capped while the body is read; the signature is over these bytes.
        body = await request.body()
        try:
            async with asyncio.timeout(_ANSWERED_WITHIN.total_seconds()):
                is_authentic = await inbox.receive(source, request.headers, body, path_reference)
        except TimeoutError:
            # It may be kept all the same, later: then the repeat is known, and is had once.
            raise NotKept(retry_after_seconds=1) from None
        if is_authentic:
            return JSONResponse(_ACK)
        return JSONResponse(_REFUSED, 401)

    @routes.post("/mpesa", operation_id="receiveMpesa")
    async def receive_mpesa(request: Request) -> Response:
        return await receive(request, "lipana", None)

    @routes.post("/mpesa/{txId}", operation_id="receiveMpesaFor")
    async def receive_mpesa_for(
        request: Request, tx_id: Annotated[str, Path(alias="txId")]
    ) -> Response:
        # Never refused for its form: what is signed is taken in, and judged with the rest of
        # it. It is only cut, and what is left of an overlong one is no id of ours.
        return await receive(request, "lipana", tx_id[:_PATH_CHARACTERS_MAX])

    @routes.post("/nowpayments", operation_id="receiveNowPayments")
    async def receive_nowpayments(request: Request) -> Response:
        return await receive(request, "nowpayments", None)

    @routes.post("/btcpay", operation_id="receiveBtcPay")
    async def receive_btcpay(request: Request) -> Response:
        return await receive(request, "btcpay", None)

    return routes
