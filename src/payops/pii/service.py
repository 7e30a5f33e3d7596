"""Personal data in and out: sealed going in, recorded coming out.

No other module opens a sealed value. The record of a read is part of the caller's
transaction: if that does not commit, neither does whatever was done with the value in the
database. A value that leaves for the network is read in one transaction, which is
committed before the call, so the record is there first.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import structlog

from payops.infra.db import Tx
from payops.pii import store
from payops.pii.domain import Access, Msisdn, Place, Purpose, SealedPhone
from payops.pii.errors import SealBroken, SealingKeyMissing
from payops.pii.sealing import BlindIndex, Sealer
from payops.pii.store import Recorded, Tally

__all__ = ["PersonalData", "Recorded", "Sealed", "Tally", "access_report", "accesses"]

PAGE_MAX = 100

Sealed: TypeAlias = tuple[Place, bytes, Access]

log = structlog.get_logger(__name__)

_PHONE = "phone"


class PersonalData:
    """Seals, finds and opens personal data. One per process, made at start.

    What opens raises:
        SealBroken: the value was altered, or belongs to another place.
        SealingKeyMissing: its key is not configured.
    """

    def __init__(self, sealer: Sealer, index: BlindIndex) -> None:
        self._sealer = sealer
        self._index = index

    def seal_phone(self, place: Place, phone: Msisdn) -> SealedPhone:
        return SealedPhone(
            self._sealer.seal(place, phone.digits.encode()), self.phone_index(phone), phone.masked
        )

    def phone_index(self, phone: Msisdn) -> bytes:
        """What a stored ``SealedPhone.index`` of the same number equals, wherever it is."""
        return self._index.of(_PHONE, phone.digits.encode())

    def seal_value(self, place: Place, value: bytes) -> bytes:
        return self._sealer.seal(place, value)

    async def open_phone(self, tx: Tx, place: Place, sealed: bytes, access: Access) -> Msisdn:
        """The number sealed at ``place``; that it was read is on record before it is known."""
        return (await self.open_phones(tx, [(place, sealed, access)]))[0]

    async def open_phones(self, tx: Tx, items: Sequence[Sealed]) -> list[Msisdn]:
        """The numbers of ``items``, in order; all reads are recorded by one statement."""
        return [Msisdn(value.decode()) for value in await self.open_values(tx, items)]

    async def try_phones(self, tx: Tx, items: Sequence[Sealed]) -> list[Msisdn | None]:
        """Like ``open_phones``, but one that cannot be opened is ``None``, and logged."""
        if not items:
            return []
        await store.record(tx, [place for place, _, _ in items], [access for *_, access in items])
        phones: list[Msisdn | None] = []
        for place, sealed, _ in items:
            try:
                phones.append(Msisdn(self._sealer.open(place, sealed).decode()))
            except (SealBroken, SealingKeyMissing) as error:
                why = type(error).__name__ if isinstance(error, SealBroken) else str(error)
                log.warning("pii.unreadable", field=place.field, row=str(place.row_id), why=why)
                phones.append(None)
        return phones

    async def open_value(self, tx: Tx, place: Place, sealed: bytes, access: Access) -> bytes:
        """Like ``open_phone``, for any bytes: a callback's body, a provider's words."""
        return (await self.open_values(tx, [(place, sealed, access)]))[0]

    async def open_values(self, tx: Tx, items: Sequence[Sealed]) -> list[bytes]:
        """The values of ``items``, in order; all reads are recorded by one statement."""
        if not items:
            return []
        await store.record(tx, [place for place, _, _ in items], [access for *_, access in items])
        return [self._sealer.open(place, sealed) for place, sealed, _ in items]

    def needs_resealing(self, sealed: bytes) -> bool:
        """Whether ``sealed`` is under a key that rotation is to retire."""
        return not self._sealer.is_current(sealed)

    async def reseal(self, tx: Tx, items: Sequence[Sealed]) -> list[bytes]:
        """``items`` under the primary key, same places; opening them is recorded as well."""
        values = await self.open_values(tx, items)
        return [
            self._sealer.seal(place, value)
            for (place, _, _), value in zip(items, values, strict=True)
        ]


async def accesses(
    tx: Tx,
    *,
    user_id: str | None = None,
    actor: str | None = None,
    purpose: Purpose | None = None,
    subject: str | None = None,
    before: UUID | None = None,
    limit: int = 20,
) -> list[Recorded]:
    """Who read personal data, newest first; ``before`` is the last id of the page before."""
    return await store.newest(
        tx,
        user_id=user_id,
        actor=actor,
        purpose=purpose,
        subject=subject,
        before=before,
        limit=min(limit, PAGE_MAX + 1),
    )


async def access_report(tx: Tx, since: datetime) -> list[Tally]:
    """How often who read personal data for what since ``since``."""
    return await store.tally(tx, since)
