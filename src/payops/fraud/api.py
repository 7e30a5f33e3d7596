"""A user's devices over HTTP, and the confirmation of a new one; decides nothing."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from payops.access.api import OfUser, requires
from payops.access.domain import Principal, Scope, acting_for
from payops.fraud.domain.devices import read_device, read_verification
from payops.fraud.errors import DeviceNotFound, VerificationNotFound
from payops.fraud.schemas import CodeRequest, ConfirmedReply, DeviceReply, DevicesReply
from payops.fraud.service import devices as service
from payops.fraud.service.devices import Devices
from payops.infra.db import Database
from payops.infra.web.body import json_body
from payops.infra.web.context import context_of
from payops.infra.web.replies import answer
from payops.infra.web.wire import accepts, problems

FINGERPRINT: Final = "x-device-fingerprint"
FINGERPRINT_HEADER: Final = {
    "name": "X-Device-Fingerprint",
    "in": "header",
    "required": False,
    "description": "What tells the user's device from others; kept as a keyed hash only",
    "schema": {"type": "string", "maxLength": 1024, "pattern": "^[ -~]*$"},
}

Reader = Annotated[Principal, Depends(requires(Scope.WITHDRAWALS_READ))]
Writer = Annotated[Principal, Depends(requires(Scope.WITHDRAWALS_WRITE))]


def router(db: Database, devices: Devices) -> APIRouter:
    routes = APIRouter(prefix="/api", tags=["devices"])
    _add_devices(routes, db)
    _add_verifications(routes, db, devices)
    return routes


def _add_devices(routes: APIRouter, db: Database) -> None:
    @routes.get(
        "/devices",
        response_model=DevicesReply,
        operation_id="listDevices",
        summary="The devices a user withdraws from",
        responses=problems(401, 403, 422, 429, 503),
    )
    async def list_devices(principal: Reader, user_id: OfUser = None) -> Response:
        user = acting_for(principal, user_id, pointer="/query/userId")
        async with db.transaction(read_only=True) as tx:
            found = await service.devices_of(tx, user)
        return answer(DevicesReply(data=[DeviceReply.of(device) for device in found]))

    @routes.delete(
        "/devices/{deviceId}",
        status_code=204,
        operation_id="removeDevice",
        summary="Forget a device; its next request must be verified",
        responses=problems(401, 403, 404, 422, 429, 503),
    )
    async def remove_device(
        request: Request,
        principal: Writer,
        device_id: Annotated[str, Path(alias="deviceId", max_length=64)],
        user_id: OfUser = None,
    ) -> Response:
        user = acting_for(principal, user_id, pointer="/query/userId")
        known = _device_id(device_id)
        await db.run(
            lambda tx: service.remove(
                tx,
                user,
                known,
                actor=principal.caller,
                request_id=context_of(request).request_id,
            )
        )
        return Response(status_code=204)


def _add_verifications(routes: APIRouter, db: Database, devices: Devices) -> None:
    @routes.post(
        "/device-verifications/{verificationId}/confirm",
        response_model=ConfirmedReply,
        operation_id="confirmDevice",
        summary="Make a device and network known by the code that was sent",
        responses=problems(400, 401, 403, 404, 409, 413, 422, 429, 503),
        openapi_extra=accepts(CodeRequest),
    )
    async def confirm_device(
        request: Request,
        principal: Writer,
        verification_id: Annotated[str, Path(alias="verificationId", max_length=64)],
        body: Annotated[CodeRequest, Depends(json_body(CodeRequest))],
    ) -> Response:
        device_id = await devices.confirm(
            db,
            _verification_id(verification_id),
            body.code,
            user_id=principal.user_id,
            actor=principal.caller,
            request_id=context_of(request).request_id,
        )
        return answer(ConfirmedReply.of(verification_id, device_id))


def _device_id(text: str) -> UUID:
    """Raises ``DeviceNotFound`` for whatever is not one of our ids."""
    try:
        return read_device(text)
    except ValueError:
        raise DeviceNotFound from None


def _verification_id(text: str) -> UUID:
    """Raises ``VerificationNotFound`` for whatever is not one of our ids."""
    try:
        return read_verification(text)
    except ValueError:
        raise VerificationNotFound from None
