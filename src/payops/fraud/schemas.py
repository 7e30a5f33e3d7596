"""Devices and verifications on the wire."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from payops.fraud.domain.devices import Device, How, show_device
from payops.infra.web.wire import Wire, WireReply


class CodeRequest(Wire):
    code: Annotated[str, Field(pattern=r"^[0-9]{6}$", description="The six digits that were sent")]


class DeviceReply(WireReply):
    device_id: str
    how: How = Field(description="`first`: taken on trust; `verified`: confirmed by a code")
    has_fingerprint: bool = Field(description="False: requests that named no device")
    known_since: datetime
    last_used_at: datetime | None = Field(None, description="When it last withdrew")

    @classmethod
    def of(cls, device: Device) -> "DeviceReply":
        return cls(
            device_id=show_device(device.id),
            how=device.how,
            has_fingerprint=device.has_fingerprint,
            known_since=device.known_since,
            last_used_at=device.last_used_at,
        )


class DevicesReply(WireReply):
    data: list[DeviceReply]


class ConfirmedReply(WireReply):
    verification_id: str
    device_id: str = Field(description="Known from now on, and so is the network")

    @classmethod
    def of(cls, verification_id: str, device_id: UUID) -> "ConfirmedReply":
        return cls(verification_id=verification_id, device_id=show_device(device_id))
