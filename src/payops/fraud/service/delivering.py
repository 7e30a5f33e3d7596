"""Bringing codes to users: claimed, handed to a courier with nothing open, recorded.

A process that dies in between hands the same code over again. What cannot be delivered
while its verification lasts is dropped, and somebody is told.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import structlog

from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from payops.fraud.domain.devices import show_verification
from payops.fraud.ports import Channel, Courier, Delivery, Notice
from payops.fraud.service.devices import ADDRESS_PLACE, NO_CHANNEL, Devices
from payops.fraud.store import messages as store
from payops.fraud.store.messages import Waiting
from payops.infra.db import Database, Tx
from payops.kernel.retrying import doubling
from payops.pii.domain import Access, Place, Purpose
from payops.pii.service import PersonalData

ACTOR: Final = "system:device-messages"
UNDELIVERED: Final = "device_codes_undelivered"

_AT_ONCE: Final = 16
_LEASE: Final = timedelta(seconds=60)
_AGAIN_FIRST: Final = timedelta(seconds=2)
_AGAIN_MAX: Final = timedelta(seconds=60)

log = structlog.get_logger(__name__)


class Messenger:
    """Delivers what is due through ``couriers``, the channels that are set up."""

    def __init__(
        self,
        db: Database,
        *,
        devices: Devices,
        personal_data: PersonalData,
        couriers: Mapping[Channel, Courier],
    ) -> None:
        self._db = db
        self._devices = devices
        self._personal_data = personal_data
        self._couriers = couriers

    async def deliver_due(self) -> int:
        """All that is due now; returns how many codes were taken up."""
        total = 0
        while claimed := await self._db.run(self._claim):
            await asyncio.gather(*(self._deliver(*one) for one in claimed))
            total += len(claimed)
            if len(claimed) < _AT_ONCE:
                break
        return total

    async def _claim(self, tx: Tx) -> list[tuple[Waiting, Notice]]:
        claimed = []
        for waiting in await store.claim(tx, _AT_ONCE, _LEASE):
            if waiting.is_wanted:
                claimed.append((waiting, await self._notice(tx, waiting)))
            else:
                await self._drop(tx, waiting)
        return claimed

    async def _notice(self, tx: Tx, waiting: Waiting) -> Notice:
        subject = show_verification(waiting.verification_id)
        address = None
        if waiting.address_sealed is not None:
            place = Place(*ADDRESS_PLACE, waiting.user_id, waiting.verification_id)
            access = Access(ACTOR, Purpose.DEVICE_VERIFICATION, subject)
            opened = await self._personal_data.open_value(tx, place, waiting.address_sealed, access)
            address = opened.decode()
        return Notice(
            user_id=waiting.user_id,
            verification_id=subject,
            expires_at=waiting.expires_at,
            code=self._devices.code_of(waiting.user_id, waiting.verification_id),
            address=address,
        )

    async def _deliver(self, waiting: Waiting, notice: Notice) -> None:
        channel = Channel(waiting.channel)
        courier = self._couriers.get(channel)
        delivery = await courier.deliver(notice) if courier else Delivery.REFUSED
        log.info(
            "device_code.handed_over",
            verification_id=notice.verification_id,
            channel=channel.value,
            outcome=delivery.value,
            tries=waiting.tries,
        )
        await self._db.run(lambda tx: self._record(tx, waiting, channel, delivery))

    async def _record(self, tx: Tx, waiting: Waiting, channel: Channel, delivery: Delivery) -> None:
        match delivery:
            case Delivery.DELIVERED:
                await store.end(tx, waiting.user_id, waiting.verification_id, "delivered")
                await alerts.resolve_alerts(tx, (NO_CHANNEL, UNDELIVERED))
            case Delivery.FAILED:
                wait = doubling(_AGAIN_FIRST, waiting.tries - 1, most=_AGAIN_MAX)
                await store.put_off(tx, waiting, wait, channel)
            case Delivery.REFUSED if self._has_another(channel):
                await store.put_off(tx, waiting, timedelta(0), Channel.EVENT)
            case Delivery.REFUSED:
                await self._drop(tx, waiting)

    def _has_another(self, channel: Channel) -> bool:
        """An address that takes no mail: the back end may know how to reach its user."""
        return channel is Channel.EMAIL and Channel.EVENT in self._couriers

    async def _drop(self, tx: Tx, waiting: Waiting) -> None:
        await store.end(tx, waiting.user_id, waiting.verification_id, "dropped")
        await alerts.raise_alert(
            tx,
            Alert(
                key=UNDELIVERED,
                kind=UNDELIVERED,
                severity=Severity.WARNING,
                summary="Codes that confirm a device do not reach their users.",
                detail={
                    "verification": show_verification(waiting.verification_id),
                    "channel": waiting.channel,
                    "tries": waiting.tries,
                },
            ),
        )
