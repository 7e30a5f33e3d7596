"""The rules in force, remembered for a short while; and what many refusals lead to."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from payops.fraud.domain.rules import Rule, merged
from payops.fraud.domain.velocity import RuleSet
from payops.fraud.service import blocking
from payops.fraud.store import decisions, rules, standing
from payops.infra.db import Database, Tx

RULES_TOPIC: Final = "velocity_rules"  # woken by a change: every process forgets what it knew
WATCHER: Final = "system:velocity"

_ANOMALY_WINDOW: Final = timedelta(hours=1)
_FORGET_BATCH: Final = 5_000


@dataclass(frozen=True, slots=True)
class Anomaly:
    """From how many velocity refusals in an hour a user stands out, and what follows.

    ``refusals`` 0: nothing does. ``block_for`` ``None``: an alert, and nobody is blocked.
    """

    refusals: int = 0
    block_for: timedelta | None = None


class Velocity:
    """The velocity rules of one process. ``given`` holds for what no change overrides.

    A change reaches every process by its wake-up, or ``remembered_seconds`` later at most.
    """

    def __init__(self, given: Sequence[Rule], *, anomaly: Anomaly, remembered_seconds: int) -> None:
        self.given = tuple(given)
        self._anomaly = anomaly
        self._remembered_seconds = remembered_seconds
        self._known: RuleSet | None = None
        self._known_until = time.monotonic()
        self._forgotten = 0

    def forget(self) -> None:
        """Read the rules anew when they are next asked for."""
        self._known = None
        self._forgotten += 1

    async def rules(self, tx: Tx) -> RuleSet:
        """The rules in force; nearly always without a query."""
        known = self._known
        if known is not None and time.monotonic() < self._known_until:
            return known
        forgotten = self._forgotten
        found = RuleSet(merged(self.given, await rules.current(tx)))
        if forgotten == self._forgotten:  # or a change came while the old ones were read
            self._known = found
            self._known_until = time.monotonic() + self._remembered_seconds
        return found

    async def lock_depositors(self, tx: Tx, users: Collection[str]) -> None:
        """Let nobody else count these users' deposits until the transaction ends.

        They need not have a wallet whose lock could do.
        """
        await standing.lock(tx, {b"deposit:" + user.encode() for user in users})

    async def watch(self, tx: Tx, users: Collection[str], now: datetime) -> None:
        """Look at ``users`` who have just met a limit, once their decisions are recorded.

        The caller holds the locks under which these were counted, and no alert's.
        """
        if not users or not self._anomaly.refusals:
            return
        counts = await decisions.velocity_refusals(tx, users, now - _ANOMALY_WINDOW)
        unusual = {u: counts[u] for u in sorted(counts) if counts[u] >= self._anomaly.refusals}
        if unusual and self._anomaly.block_for is not None:
            await self._block(tx, unusual, now + self._anomaly.block_for)
        for user_id, refusals in unusual.items():
            await self._tell(tx, user_id, refusals)

    async def _block(self, tx: Tx, unusual: Mapping[str, int], until: datetime) -> None:
        """Never in the place of a block that lasts longer: a person may have imposed it."""
        await blocking.hold(tx, unusual)
        blocks = await blocking.active(tx, unusual)
        for user_id, refusals in unusual.items():
            block = blocks.get(user_id)
            if block is None or not block.lasts_until(until):
                await blocking.impose(
                    tx,
                    user_id,
                    reason=f"{refusals} velocity refusals within an hour",
                    by=WATCHER,
                    until=until,
                )

    async def _tell(self, tx: Tx, user_id: str, refusals: int) -> None:
        await alerts.raise_alert(
            tx,
            Alert(
                key=blocking.anomaly_key(user_id),
                kind="velocity_anomaly",
                severity=Severity.WARNING,
                summary="A user meets velocity limits unusually often.",
                detail={
                    "user": user_id,
                    "refusalsInHour": refusals,
                    "blocked": self._anomaly.block_for is not None,
                },
            ),
        )


async def forget_locks(db: Database) -> int:
    """Delete lock rows that nobody has used for a day, in bounded transactions."""
    total = 0
    while True:
        async with db.transaction() as tx:
            forgotten = await standing.forget_locks(tx, _FORGET_BATCH)
        total += forgotten
        if forgotten < _FORGET_BATCH:
            return total
