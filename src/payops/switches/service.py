"""Reading the switches cheaply, and throwing one with its audit record and alert."""

import time
from collections.abc import Collection, Mapping
from typing import Final

from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.infra.db import Tx
from payops.switches import store
from payops.switches.domain import Switch
from payops.switches.errors import UnknownSwitch

TOPIC: Final = "switches"  # woken when one is thrown
_HOUSE: Final = "@house"
_BELIEVED_NS: Final = 500_000_000


class Switchboard:
    """What this process knows of the switches: at most half a second old, mostly fresher.

    ``forget`` is called at every wake-up of ``TOPIC``; where no wake-up arrives, age does.
    One per process.
    """

    def __init__(self) -> None:
        self._known: Mapping[str, Switch] = {}
        self._read_at_ns: int | None = None

    def forget(self) -> None:
        self._read_at_ns = None

    async def halted(self, tx: Tx, names: Collection[str]) -> Switch | None:
        """The first of ``names`` that is halted, in their order; ``None`` if all may go on."""
        now_ns = time.monotonic_ns()
        if self._read_at_ns is None or now_ns - self._read_at_ns > _BELIEVED_NS:
            self._read_at_ns = now_ns  # before the read: a wake-up meanwhile must not be lost
            self._known = await store.every(tx)
        for name in names:
            switch = self._known.get(name)
            if switch is not None and switch.is_halted:
                return switch
        return None


async def halt(
    tx: Tx, name: str, *, reason: str, actor: str, request_id: str | None = None
) -> bool:
    """Halt ``name``; false when it was halted already. Raises an alert that ``resume`` resolves."""
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
    )
    return True


async def resume(
    tx: Tx, name: str, *, reason: str, actor: str, request_id: str | None = None
) -> bool:
    """Let ``name`` go on; false when it was not halted."""
    switch = Switch(name, is_halted=False, reason=reason, changed_by=actor)
    if not await _throw(tx, switch, request_id):
        return False
    await alerts.resolve_alert(tx, f"halted:{name}")
    return True


async def every(tx: Tx, names: Collection[str]) -> list[Switch]:
    """Each of ``names`` as it stands."""
    found = await store.every(tx)
    return [found.get(name) or Switch(name) for name in names]


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
