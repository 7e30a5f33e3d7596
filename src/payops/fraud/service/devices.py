"""Devices and networks: told apart, challenged when they are new, and confirmed by a code.

The code of a verification is not stored, not even as a hash: it is a keyed hash of the
verification's id, made again whenever it is needed. Who reads the database learns nothing.
"""

import hmac
import ipaddress
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from math import ceil
from typing import Final
from uuid import UUID

from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.fraud.domain.devices import (
    Device,
    DeviceRules,
    How,
    Learnt,
    Origin,
    State,
    Verification,
    show_device,
    show_verification,
)
from payops.fraud.errors import (
    DeviceNotFound,
    UnusualActivity,
    VerificationClosed,
    VerificationNotFound,
    WrongCode,
)
from payops.fraud.ports import Channel
from payops.fraud.store import devices as store
from payops.fraud.store import messages
from payops.fraud.store.devices import Issued
from payops.infra.db import Database, Tx
from payops.infra.web.address import parse_address
from payops.kernel.errors import PayopsError
from payops.kernel.ids import new_id
from payops.pii.domain import Place, SealedColumn
from payops.pii.sealing import Fingerprints
from payops.pii.service import PersonalData

MESSAGES: Final = "device_messages"  # the topic that wakes who delivers codes
ADDRESS_PLACE: Final = ("device_messages", "address_sealed")
ADDRESS_SEALED: Final = SealedColumn(
    table=ADDRESS_PLACE[0], column=ADDRESS_PLACE[1], id_column="verification_id"
)
NO_CHANNEL: Final = "device_codes_undeliverable"

DEVICES_MAX: Final = 100
_CODE_DIGITS: Final = 6
_PER_HOUR_MAX: Final = 5
_PER_DAY_MAX: Final = 20

_CONFIRM: Final = (
    "This device or network has not been seen with this user before. "
    "Confirm the code that was sent, then send the request again."
)
_TOO_MANY: Final = "Too many codes were asked for and not confirmed. Try again later."


class Devices:
    """What one process needs to tell devices apart. ``channels`` are those that are set up.

    ``shows_code``: a refusal carries its code, so that no channel is needed; not in production.
    """

    def __init__(
        self,
        rules: DeviceRules,
        *,
        fingerprints: Fingerprints,
        personal_data: PersonalData,
        channels: frozenset[Channel],
        shows_code: bool,
    ) -> None:
        self.rules = rules
        self._fingerprints = fingerprints
        self._personal_data = personal_data
        self._channels = channels
        self._shows_code = shows_code
        # Callers return; reading an address costs more than the hashes.
        self._network = lru_cache(maxsize=4096)(self._network_of)

    def origin(self, fingerprint: str | None, address: str, email: str | None) -> Origin:
        """Where a request comes from, its fingerprint and network hashed with a key."""
        given = (fingerprint or "").strip().encode()
        hashed = self._fingerprints.of("device", given) if given else b""
        return Origin(hashed, self._network(address), email)

    async def learn(self, tx: Tx, learnt: Sequence[Learnt]) -> None:
        """Make first devices known, under the locks of their users' wallets."""
        if learnt:
            await store.learn(tx, learnt)

    async def challenge(self, tx: Tx, user_id: str, origin: Origin) -> UnusualActivity:
        """The refusal, with the verification that lifts it: the open one, or a new one.

        A new code is sent for a new verification only, and not more often than a few times
        an hour.
        """
        await store.expire(tx, user_id)
        found = await store.open_one(tx, user_id, origin)
        if found is not None:
            return self._refusal(found)
        issued = await store.issued(tx, user_id)
        wait = _wait(issued)
        if wait:
            return UnusualActivity(
                _TOO_MANY,
                verification_id=show_verification(issued.newest) if issued.newest else "",
                retry_after_seconds=wait,
            )
        verification_id = new_id()
        opened = await store.open_new(tx, user_id, verification_id, origin, self.rules.code_lasts)
        if opened.id == verification_id:
            await self._send(tx, opened, origin.email)
        return self._refusal(opened)

    def code_of(self, user_id: str, verification_id: UUID) -> str:
        """The six digits; the same whenever asked."""
        digest = self._fingerprints.of("device code", user_id.encode(), verification_id.bytes)
        return f"{int.from_bytes(digest) % 10**_CODE_DIGITS:0{_CODE_DIGITS}}"

    async def confirm(
        self,
        db: Database,
        verification_id: UUID,
        code: str,
        *,
        user_id: str | None,
        actor: str,
        request_id: str | None,
    ) -> UUID:
        """Make the device and the network of a verification known; returns the device's id.

        A wrong code counts, whatever becomes of the request that brought it.

        Raises:
            VerificationNotFound: there is none, or it is somebody else's.
            VerificationClosed: it was used, is over, or was tried too often.
            WrongCode: the text says how many tries are left.
        """

        async def work(tx: Tx) -> UUID | PayopsError:
            locked = await store.lock_verification(tx, verification_id)
            if locked is None or user_id not in (None, locked[0].user_id):
                return VerificationNotFound()
            found, is_over = locked
            if found.state is not State.OPEN:
                return VerificationClosed(f"The verification is {found.state}.")
            if is_over:
                await self._close(tx, found, State.EXPIRED, found.tries)
                return VerificationClosed(f"The verification is {State.EXPIRED}.")
            return await self._judge(tx, found, code, actor=actor, request_id=request_id)

        result = await db.run(work)
        if isinstance(result, PayopsError):
            raise result
        return result

    async def _judge(
        self,
        tx: Tx,
        found: Verification,
        code: str,
        *,
        actor: str,
        request_id: str | None,
    ) -> UUID | PayopsError:
        tries = found.tries + 1
        expected = self.code_of(found.user_id, found.id)
        is_right = hmac.compare_digest(code.encode(), expected.encode())
        event = AuditEvent(
            kind="device_verified" if is_right else "device_code_wrong",
            actor=actor,
            user_id=found.user_id,
            subject=show_verification(found.id),
            request_id=request_id,
            detail={"tries": tries},
        )
        await audit.record(tx, [event])
        if not is_right:
            left = self.rules.tries_max - tries
            await self._close(tx, found, State.OPEN if left > 0 else State.FAILED, tries)
            return WrongCode(f"The code is wrong; {max(left, 0)} tries are left.")
        await self._close(tx, found, State.CONFIRMED, tries)
        known = await store.learn(tx, [Learnt(found.user_id, new_id(), found.origin, How.VERIFIED)])
        return known[found.user_id]

    async def _close(self, tx: Tx, found: Verification, state: State, tries: int) -> None:
        await store.set_state(tx, found, state, tries)
        if state is not State.OPEN:
            await messages.end(tx, found.user_id, found.id, "dropped")

    async def _send(self, tx: Tx, opened: Verification, email: str | None) -> None:
        channel = self._channel(email)
        if channel is None:
            if not self._shows_code:
                await alerts.raise_alert(tx, _no_channel())
            return
        address = None
        if channel is Channel.EMAIL and email:
            place = Place(*ADDRESS_PLACE, opened.user_id, opened.id)
            address = self._personal_data.seal_value(place, email.encode())
        await messages.insert(tx, opened.user_id, opened.id, channel, address)
        tx.wake(MESSAGES)

    def _channel(self, email: str | None) -> Channel | None:
        if email and Channel.EMAIL in self._channels:
            return Channel.EMAIL
        return Channel.EVENT if Channel.EVENT in self._channels else None

    def _refusal(self, found: Verification) -> UnusualActivity:
        code = self.code_of(found.user_id, found.id) if self._shows_code else None
        return UnusualActivity(_CONFIRM, verification_id=show_verification(found.id), dev_code=code)

    def _network_of(self, address: str) -> bytes:
        parsed = parse_address(address)
        if parsed is None:
            return b""
        prefix = self.rules.ipv4_prefix if parsed.version == 4 else self.rules.ipv6_prefix
        network = ipaddress.ip_network((parsed, prefix), strict=False)
        return self._fingerprints.of("network", str(network).encode())


async def devices_of(tx: Tx, user_id: str) -> list[Device]:
    """The user's devices, newest first."""
    return await store.devices_of(tx, user_id, DEVICES_MAX)


async def remove(
    tx: Tx, user_id: str, device_id: UUID, *, actor: str, request_id: str | None
) -> None:
    """The device is not known any more; its next request has to be verified.

    Raises:
        DeviceNotFound: there is none, it was removed, or it is somebody else's.
    """
    if not await store.remove(tx, user_id, device_id):
        raise DeviceNotFound
    event = AuditEvent(
        kind="device_removed",
        actor=actor,
        user_id=user_id,
        subject=show_device(device_id),
        request_id=request_id,
    )
    await audit.record(tx, [event])


def _wait(issued: Issued) -> int:
    """Seconds until another verification may be made; 0 is now."""
    waits = [0]
    if issued.in_hour >= _PER_HOUR_MAX and issued.oldest_in_hour:
        waits.append(_seconds_until(issued.oldest_in_hour + timedelta(hours=1), issued.now))
    if issued.in_day >= _PER_DAY_MAX and issued.oldest_in_day:
        waits.append(_seconds_until(issued.oldest_in_day + timedelta(days=1), issued.now))
    return max(waits)


def _seconds_until(moment: datetime, now: datetime) -> int:
    return max(1, ceil((moment - now).total_seconds()))


def _no_channel() -> Alert:
    return Alert(
        key=NO_CHANNEL,
        kind=NO_CHANNEL,
        severity=Severity.CRITICAL,
        summary="A user must confirm a device, and no channel is set up to send the code by.",
        detail={"settings": "PAYOPS_EVENTS__URL, PAYOPS_ALERTS__SMTP_URL"},
    )
