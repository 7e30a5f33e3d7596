"""Deciding who is told of what, and when: the outbox becomes messages, one a channel."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import structlog

from payops.alerts.domain import (
    DELIVERIES,
    NoticeKind,
    Policy,
    Severity,
    Verdict,
    judge,
    reminder_wait,
)
from payops.alerts.store import alerts as alerts_store
from payops.alerts.store import planning as store
from payops.alerts.store.planning import Undecided
from payops.infra.db import Database, Tx
from payops.infra.metrics import Metrics
from payops.kernel.ids import new_id

log = structlog.get_logger(__name__)

_BATCH: Final = 100


class Planner:
    """Any number of them may run: a key is decided about by one at a time."""

    def __init__(
        self, *, db: Database, channels: Sequence[str], policy: Policy, metrics: Metrics
    ) -> None:
        self._db = db
        self._channels = channels
        self._policy = policy
        self._metrics = metrics

    async def plan(self) -> int:
        """Decide about all that can be decided now; returns how many notices that were."""
        total = 0
        while count := await self._db.run(self._pass):
            total += count
        return total

    async def _pass(self, tx: Tx) -> int:
        notices = await store.undecided(tx, self._policy.quiet, _BATCH)
        decided = 0
        for notice in notices:
            decided += await self._decide(tx, notice)
        decided += await self._remind(tx)
        await self._give_up(tx)
        await store.skip_pointless(tx)
        if decided:
            tx.wake(DELIVERIES)
        return decided

    async def _decide(self, tx: Tx, notice: Undecided) -> bool:
        """Whether there was anything to decide yet."""
        verdict = judge(notice.heard, notice.episode, self._policy.quiet)
        if verdict is Verdict.WAIT:
            return False
        kind = notice.heard.kind
        if verdict is Verdict.TELL:
            kind = await self._tell(tx, notice)
        await store.decide(tx, notice.id, verdict.value, kind)
        return True

    async def _tell(self, tx: Tx, notice: Undecided) -> NoticeKind:
        """Make the messages; returns what the notice is to people, who may know of it already."""
        kind, episode_id = notice.heard.kind, notice.episode_id
        if episode_id is None or notice.episode is None:
            episode_id = new_id()
            await store.open_episode(tx, episode_id, notice, self._remind_in(notice))
            await store.tell_all(tx, notice, episode_id, self._channels)
            return NoticeKind.RAISED
        match kind:
            case NoticeKind.RAISED | NoticeKind.WORSENED | NoticeKind.RENEWED:
                worst = max(notice.heard.severity, notice.episode.severity, key=lambda s: s.rank)
                await store.renew_episode(tx, episode_id, worst, self._remind_in(notice))
                await store.tell_all(tx, notice, episode_id, self._channels)
                return kind if kind is NoticeKind.RENEWED else NoticeKind.WORSENED
            case NoticeKind.ACKNOWLEDGED:
                await store.acknowledge_episode(tx, episode_id)
                await store.tell_those_told(tx, notice, episode_id)
            case NoticeKind.RESOLVED:
                await store.close_episode(tx, episode_id)
                await store.tell_those_told(tx, notice, episode_id)
            case _:
                await store.tell_all(tx, notice, episode_id, self._channels)
        return kind

    def _remind_in(self, notice: Undecided) -> timedelta | None:
        is_critical = notice.heard.severity is Severity.CRITICAL
        return self._policy.escalate if is_critical else None

    async def _remind(self, tx: Tx) -> int:
        """Note what is critical, open, and acknowledged by nobody; the next pass tells it."""
        due = await store.unreminded(tx, _BATCH)
        for one in due:
            await alerts_store.add_notice(tx, new_id(), one.alert_id, NoticeKind.ESCALATED)
            await store.reminded(tx, one.episode_id, reminder_wait(one.reminders + 1, self._policy))
        return len(due)

    async def _give_up(self, tx: Tx) -> None:
        """Park what was tried for too long; a person must know that nobody was told."""
        parked = await store.give_up(tx, self._policy.give_up)
        if parked:
            tx.after_commit(lambda: self._tell_parked(parked))

    def _tell_parked(self, parked: Sequence[store.GivenUp]) -> None:
        for one in parked:
            self._metrics.count_alert_delivery(one.channel, "parked")
            log.error(
                "alert.delivery_parked",
                channel=one.channel,
                key=one.key,
                reason=one.reason,
                attempts=one.attempts,
            )
