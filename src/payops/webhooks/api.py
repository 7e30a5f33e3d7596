"""The providers' way in: raw bytes, verified before anything else is believed."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import JSONResponse, Response

from payops.access.api import public
from payops.webhooks.service import Inbox

_ACK = {"status": "ack"}
_REFUSED = {"error": "unauthorized"}
_PATH_CHARACTERS_MAX = 128


def router(inbox: Inbox) -> APIRouter:
    """Routes are hidden from the public specification: they are the providers' business."""
    routes = APIRouter(prefix="/webhooks", include_in_schema=False, dependencies=[Depends(public)])

    async def receive(request: Request, source: str, path_reference: str | None) -> Response:
        # The size is capped while the body is read; the signature is over these bytes.
        body = await request.body()
        if await inbox.receive(source, request.headers, body, path_reference):
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
