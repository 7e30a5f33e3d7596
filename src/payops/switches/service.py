"""Reading the switches cheaply, and throwing one with its audit record and alert."""

import time
from collections.abc import Collection, Mapping
from typing import Final

from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.infra.db import Tx
from payops.infra.reasons import kept_reason
from payops.switches import store
from payops.switches.domain import Switch
from payops.switches.errors import UnknownSwitch

TOPIC: Final = "switches"  # woken when one is thrown
_HOUSE: Final = "@house"
_BELIEVED_NS: Final = 500_000_000


class Switchboard:
    """What this process knows of the switches: at most half a second old, mostly fresher.

    ``forget`` is called at every wake-up of ``TOPIC``; where no wake-up arrives, age does.
    Whoever finds nothing that may still be believed reads for itself, in its own
    transaction: what another is still reading, or has failed to read, is not known.
    One per process.
    """

    def __init__(self) -> None:
        self._known: Mapping[str, Switch] | None = None
        self._read_at_ns = 0
        self._forgotten = 0

    def forget(self) -> None:
        """Read anew when next asked."""
        self._known = None
        self._forgotten += 1

    async def halted(self, tx: Tx, names: Collection[str]) -> Switch | None:
        """The first of ``names`` that is halted, in their order; ``None`` if all may go on."""
        known = self._known
        if known is None or time.monotonic_ns() - self._read_at_ns > _BELIEVED_NS:
            known = await self._read(tx)
        for name in names:
            switch = known.get(name)
            if switch is not None and switch.is_halted:
                return switch
        return None

    async def _read(self, tx: Tx) -> Mapping[str, Switch]:
        """Its age counts from before the read, and only a read that succeeds is believed."""
        forgotten, began_ns = self._forgotten, time.monotonic_ns()
        found = await store.every(tx)
        # Not if one was thrown meanwhile, or a later read has overtaken a slow one.
        if forgotten == self._forgotten and began_ns >= self._read_at_ns:
            self._known, self._read_at_ns = found, began_ns
        return found


async def halt(
    tx: Tx, name: str, *, reason: str, actor: str, request_id: str | None = None
) -> bool:
    """Halt ``name``, with an alert that ``resume`` resolves; whether this changed anything.

    What is halted already is halted anew by somebody else or for another reason: a resume
    that was asked for before then comes too late. People are told of somebody else's halt as
    they were of the first. The same again changes nothing.

    Raises:
        Invalid: no reason, or one that is too long.
    """
    reason = kept_reason(reason)
    switch = Switch(name, is_halted=True, reason=reason, changed_by=actor)
    if not await _throw(tx, switch, request_id):
        return False
    await alerts.raise_alert(
        tx,
        Alert(
            key=f"halted:{name}",
            kind="halted",
            severity=Severity.CRITICAL,
            summary=f"{name} is halted: no new request is taken, nothing is sent.",
            detail={"switch": name, "reason": reason, "by": actor},
        ),
        whose="by",
    )
    return True


async def resume(
    tx: Tx, name: str, *, reason: str, actor: str, request_id: str | None = None
) -> bool:
    """Let ``name`` go on; false when it was not halted.

    Raises:
        Invalid: no reason, or one that is too long.
    """
    switch = Switch(name, is_halted=False, reason=kept_reason(reason), changed_by=actor)
    if not await _throw(tx, switch, request_id):
        return False
    await alerts.resolve_alert(tx, f"halted:{name}")
    return True


async def every(tx: Tx, names: Collection[str]) -> list[Switch]:
    """Each of ``names`` as it stands."""
    found = await store.every(tx)
    return [found.get(name) or Switch(name) for name in names]


async def locked(tx: Tx, name: str) -> Switch:
    """``name`` as it stands, until the transaction ends: nobody throws it meanwhile."""
    return await store.lock(tx, name) or Switch(name)


def check_name(name: str, names: Collection[str]) -> str:
    """Raises ``UnknownSwitch``."""
    if name not in names:
        raise UnknownSwitch
    return name


async def _throw(tx: Tx, switch: Switch, request_id: str | None) -> bool:
    if not await store.put(tx, switch):
        return False
    tx.wake(TOPIC)
    await audit.record(
        tx,
        [
            AuditEvent(
                kind="switch_halted" if switch.is_halted else "switch_resumed",
                actor=switch.changed_by or "",
                user_id=_HOUSE,
                subject=switch.name,
                request_id=request_id,
                detail={"reason": switch.reason},
            )
        ],
    )
    return True
