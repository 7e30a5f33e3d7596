"""Trouble that is over when nothing was seen of it for long enough.

Some transactions see trouble and none sees its end: the next refusal is recorded, that there
was none is not. Each such alert is raised again whenever its trouble is seen.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from payops.alerts import service as alerts
from payops.fraud.service import blocking
from payops.infra.db import Tx


async def _none(_tx: Tx, _keys: Sequence[str]) -> set[str]:
    return set()


async def _of_blocked(tx: Tx, keys: Sequence[str]) -> set[str]:
    """Of users who are blocked: that ends with the block, and is a person's to lift."""
    prefix = blocking.anomaly_key("")
    blocked = await blocking.active(tx, [key.removeprefix(prefix) for key in keys])
    return {blocking.anomaly_key(user) for user in blocked}


@dataclass(frozen=True, slots=True)
class Lapse:
    """Alerts of ``kind`` are over when unseen for ``after``; not those that ``stands`` returns."""

    kind: str
    after: timedelta
    stands: Callable[[Tx, Sequence[str]], Awaitable[set[str]]] = _none


LAPSES: Final[tuple[Lapse, ...]] = (
    Lapse("deposit_status_unknown", timedelta(days=2)),  # a deposit is read twice a day at least
    Lapse("personal_data_quota", timedelta(days=1)),  # the longer of the two quotas
    Lapse("velocity_anomaly", timedelta(hours=1), _of_blocked),  # as refusals are counted
)


async def end(tx: Tx, lapse: Lapse) -> int:
    """Resolve what has lapsed; returns how many."""
    unseen = await alerts.unseen(tx, lapse.kind, lapse.after)
    over = sorted(set(unseen) - await lapse.stands(tx, unseen)) if unseen else []
    await alerts.resolve_alerts(tx, over)
    return len(over)
