"""Personal data in and out: sealed going in, recorded coming out.

No other module opens a sealed value. The record of a read is part of the caller's
transaction, and so is the evidence of it in the audit log: if that does not commit, neither
does whatever was done with the value in the database. A value that leaves for the network
is read in one transaction, which is committed before the call, so the record is there first.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from uuid import UUID

import structlog

from payops.infra.db import Tx
from payops.kernel.ids import new_id
from payops.pii.domain import (
    BY_PEOPLE,
    HOUSE,
    Access,
    Msisdn,
    Opening,
    Place,
    Purpose,
    Quota,
    SealedPhone,
)
from payops.pii.errors import QuotaReached, SealBroken, SealingKeyMissing
from payops.pii.ports import Journal
from payops.pii.sealing import INDEX_BYTES, Keys
from payops.pii.store import access as store
from payops.pii.store.sealed import Marks

Sealed: TypeAlias = tuple[Place, bytes, Access]

log = structlog.get_logger(__name__)

_PHONE: Final = "phone"
_NO_QUOTA: Final = Quota()
_Unreadable: TypeAlias = SealBroken | SealingKeyMissing


@dataclass(frozen=True, slots=True)
class Resealed:
    """A value as it is to be stored from now on."""

    sealed: bytes
    index: bytes | None


class PersonalData:
    """Seals, finds and opens personal data. One per process, made at start.

    ``unknown_key`` is told, and must not wait, when a value turns up under a key id that is
    not in the ring.

    What opens raises:
        SealBroken: the value was altered, or belongs to another place.
        SealingKeyMissing: its key is not configured.
        QuotaReached: a person has opened enough for this purpose for now.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        journal: Journal,
        quota: Quota = _NO_QUOTA,
        unknown_key: Callable[[], None] = lambda: None,
    ) -> None:
        self._sealer = keys.sealer
        self._index = keys.index
        self._journal = journal
        self._quota = quota
        self._unknown_key = unknown_key

    def use(self, keys: Keys) -> None:
        """Seal, index and open with ``keys`` from now on."""
        self._sealer, self._index = keys.sealer, keys.index

    @property
    def marks(self) -> Marks:
        """What tells current values from those that rotation is to write anew."""
        return Marks(self._sealer.header, self._index.tag, INDEX_BYTES)

    def seal_phone(self, place: Place, phone: Msisdn) -> SealedPhone:
        return SealedPhone(
            self._sealer.seal(place, phone.digits.encode()), self.phone_index(phone), phone.masked
        )

    def phone_index(self, phone: Msisdn) -> bytes:
        """What a ``SealedPhone.index`` written now equals, wherever it is."""
        return self._index.of(_PHONE, phone.digits.encode())

    def phone_indexes(self, phone: Msisdn) -> tuple[bytes, ...]:
        """Every index that the number may be stored under while index keys are rotated."""
        return self._index.all_of(_PHONE, phone.digits.encode())

    def slot_indexes(self, phone: Msisdn) -> tuple[bytes, ...]:
        """The indexes to hold what only one may hold of this number, the newest first.

        Processes that know the new index key and those that do not yet meet in one of them.
        """
        return self._index.tagged(_PHONE, phone.digits.encode())

    def is_index_of(self, stored: bytes, phone: Msisdn) -> bool:
        """Whether ``stored`` is the index of this number, whichever key it was made with."""
        return self._index.matches(_PHONE, phone.digits.encode(), stored)

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
        phones: list[Msisdn | None] = []
        for (place, _, _), value in zip(items, await self._opened(tx, items), strict=True):
            if isinstance(value, bytes):
                phones.append(Msisdn(value.decode()))
            else:
                why = type(value).__name__ if isinstance(value, SealBroken) else str(value)
                log.warning("pii.unreadable", field=place.field, row=str(place.row_id), why=why)
                phones.append(None)
        return phones

    async def open_value(self, tx: Tx, place: Place, sealed: bytes, access: Access) -> bytes:
        """Like ``open_phone``, for any bytes: a callback's body, a provider's words."""
        return (await self.open_values(tx, [(place, sealed, access)]))[0]

    async def open_values(self, tx: Tx, items: Sequence[Sealed]) -> list[bytes]:
        """The values of ``items``, in order; all reads are recorded by one statement."""
        values = []
        for value in await self._opened(tx, items):
            if not isinstance(value, bytes):
                raise value
            values.append(value)
        return values

    async def reseal(
        self, tx: Tx, items: Sequence[Sealed], *, indexed: bool = False
    ) -> list[Resealed | _Unreadable]:
        """``items`` under the primary key, same places; ``indexed`` under the new index key too.

        Opening them is recorded as well. What cannot be opened is the reason why.
        """
        anew: list[Resealed | _Unreadable] = []
        for (place, _, _), value in zip(items, await self._opened(tx, items), strict=True):
            if isinstance(value, bytes):
                index = self._index.of(_PHONE, value) if indexed else None
                anew.append(Resealed(self._sealer.seal(place, value), index))
            else:
                anew.append(value)
        return anew

    def can_open(self, key_id: str) -> bool:
        """Whether values sealed under ``key_id`` can be opened."""
        return self._sealer.has(key_id)

    async def _opened(self, tx: Tx, items: Sequence[Sealed]) -> list[bytes | _Unreadable]:
        """The values, or why not; all reads are on record, and proven, before the first."""
        if not items:
            return []
        await self._keep_to_quota(tx, [access for *_, access in items])
        events = _events(items)
        digests = await store.record(
            tx,
            [place for place, _, _ in items],
            [access for *_, access in items],
            [events[_who(access)] for *_, access in items],
        )
        await self._journal(tx, _openings(items, events, digests))
        found: list[bytes | _Unreadable] = []
        for place, sealed, _ in items:
            try:
                found.append(self._sealer.open(place, sealed))
            except (SealBroken, SealingKeyMissing) as error:
                if isinstance(error, SealingKeyMissing):
                    self._unknown_key()
                found.append(error)
        return found

    async def _keep_to_quota(self, tx: Tx, accesses: Iterable[Access]) -> None:
        """Raises ``QuotaReached``. What the service opens by rule is bounded by its rules."""
        if not (self._quota.per_hour or self._quota.per_day):
            return
        asked = Counter(
            (access.actor, access.purpose) for access in accesses if access.purpose in BY_PEOPLE
        )
        for (actor, purpose), count in sorted(asked.items()):
            used = await store.take(tx, actor, purpose, count)
            if 0 < self._quota.per_hour < used.last_hour:
                raise _reached(purpose, self._quota.per_hour, "hour", used.hour_free_in)
            if 0 < self._quota.per_day < used.last_day:
                raise _reached(purpose, self._quota.per_day, "day", used.day_free_in)


_Who: TypeAlias = tuple[str, Purpose, str | None]


def _who(access: Access) -> _Who:
    return access.actor, access.purpose, access.request_id if access.purpose in BY_PEOPLE else None


def _events(items: Sequence[Sealed]) -> dict[_Who, UUID]:
    """An event of the audit log for everybody who opens something, for each purpose."""
    events: dict[_Who, UUID] = {}
    for *_, access in items:
        events.setdefault(_who(access), new_id())
    return events


def _openings(
    items: Sequence[Sealed], events: dict[_Who, UUID], digests: dict[UUID, str]
) -> list[Opening]:
    openings = []
    for who, event in events.items():
        own = [(place, access) for place, _, access in items if _who(access) == who]
        actor, purpose, request_id = who
        # Of the service's own work the access log says what it was about, row by row.
        is_one = len(own) == 1 and purpose in BY_PEOPLE
        openings.append(
            Opening(
                id=event,
                actor=actor,
                purpose=purpose,
                request_id=request_id,
                subject=own[0][1].subject if is_one else None,
                user_id=own[0][0].user_id if is_one else HOUSE,
                count=len(own),
                digest=digests[event],
            )
        )
    return openings


def _reached(purpose: Purpose, limit: int, window: str, seconds: int) -> QuotaReached:
    return QuotaReached(
        f"No more than {limit} values per {window} may be opened for {purpose.value}.",
        retry_after_seconds=max(1, seconds),
    )
