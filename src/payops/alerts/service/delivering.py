"""Taking messages to their channels: at least once, in order, until it is no use."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from payops.alerts.domain import (
    NOTICE_PREFIX,
    NoticeKind,
    Policy,
    Severity,
    retry_wait,
    runbook_page,
    show,
)
from payops.alerts.ports import Delivered, Delivery, Failed, Notice, Notifier, Refused
from payops.alerts.service.planning import Planner
from payops.alerts.store import alerts as alerts_store
from payops.alerts.store import delivering as store
from payops.alerts.store.delivering import Claimed
from payops.infra.db import Database, Tx
from payops.infra.logging.redaction import HIDDEN, clean, clean_text
from payops.infra.metrics import Metrics
from payops.kernel.ids import new_id, show_id

log = structlog.get_logger(__name__)

# Longer than any channel may take to answer, so that a message is in one process's hands.
LEASE: Final = timedelta(seconds=60)

# Ids of customers tell nobody outside anything that our own id of the matter does not.
_PERSONAL_NAMES: Final = frozenset({"user", "userid", "customer", "owner", "name"})


class Courier:
    """Delivers to one channel, one message after the other."""

    def __init__(
        self, *, db: Database, notifier: Notifier, runbooks_url: str | None, metrics: Metrics
    ) -> None:
        self.channel = notifier.name
        self._db = db
        self._notifier = notifier
        self._runbooks_url = runbooks_url
        self._metrics = metrics
        self._is_stopping = False

    def begin_no_more(self) -> None:
        self._is_stopping = True

    async def deliver_due(self) -> int:
        """Deliver what is due; returns how many messages were tried."""
        count = 0
        while not self._is_stopping:
            claimed = await self._db.run(lambda tx: store.claim(tx, self.channel, LEASE))
            if claimed is None:
                break
            notice = notice_of(claimed, self._runbooks_url)
            outcome = await delivered_by(self._notifier, notice)
            # The message is out: what is recorded must not depend on the loop going on.
            await self._db.run(self._recording(claimed, notice, outcome))
            count += 1
        return count

    def _recording(
        self, claimed: Claimed, notice: Notice, outcome: Delivery
    ) -> Callable[[Tx], Awaitable[None]]:
        async def record(tx: Tx) -> None:
            match outcome:
                case Delivered():
                    await store.delivered(tx, claimed, self.channel)
                case Refused(why):
                    await store.park(tx, claimed, self.channel, why)
                case Failed(why, retry_after):
                    wait = retry_wait(claimed.attempt, at_least=retry_after)
                    await store.put_off(tx, claimed, self.channel, why, wait)
                    if retry_after:
                        await store.hold_back(tx, self.channel, retry_after)
            tx.after_commit(lambda: self._tell(claimed, notice, outcome))

        return record

    def _tell(self, claimed: Claimed, notice: Notice, outcome: Delivery) -> None:
        kind = type(outcome).__name__.lower()
        self._metrics.count_alert_delivery(self.channel, kind)
        facts = {
            "channel": self.channel,
            "alert_id": notice.alert_id,
            "key": notice.key,
            "notice": notice.kind.value,
            "attempt": claimed.attempt,
        }
        match outcome:
            case Delivered():
                log.info("alert.delivered", **facts)
            case Refused(why):
                log.error("alert.delivery_refused", reason=why, **facts)
            case Failed(why):
                log.warning("alert.delivery_failed", reason=why, **facts)


@dataclass(frozen=True, slots=True)
class Tried:
    """What a channel did with a test message."""

    channel: str
    outcome: Delivery


@dataclass(frozen=True, slots=True)
class AlertDelivery:
    """All that brings alerts to people, in one process. ``release`` lets go of the network."""

    db: Database
    metrics: Metrics
    planner: Planner
    couriers: Sequence[Courier]
    notifiers: Sequence[Notifier]
    release: Callable[[], Awaitable[None]]

    async def set_figures(self) -> None:
        """Set the gauges of this process."""
        async with self.db.transaction(read_only=True) as tx:
            is_open, oldest = await alerts_store.count_open(tx), await store.oldest_seconds(tx)
        self.metrics.set_alerts(is_open)
        self.metrics.set_undelivered_alerts(oldest)

    def begin_no_more(self) -> None:
        for courier in self.couriers:
            courier.begin_no_more()

    async def close(self) -> None:
        await self.release()


def assemble(
    notifiers: Sequence[Notifier],
    policy: Policy,
    *,
    runbooks_url: str | None,
    db: Database,
    metrics: Metrics,
    release: Callable[[], Awaitable[None]],
) -> AlertDelivery:
    """A planner, and a courier for each of ``notifiers``; nothing is started yet."""
    names = [notifier.name for notifier in notifiers]
    return AlertDelivery(
        db=db,
        metrics=metrics,
        planner=Planner(db=db, channels=names, policy=policy, metrics=metrics),
        couriers=[
            Courier(db=db, notifier=one, runbooks_url=runbooks_url, metrics=metrics)
            for one in notifiers
        ],
        notifiers=notifiers,
        release=release,
    )


async def try_channels(notifiers: Sequence[Notifier], now: datetime) -> list[Tried]:
    """Send one message through each channel, past the outbox, and say what happened."""
    reference = show_id(NOTICE_PREFIX, new_id())
    notice = Notice(
        reference=reference,
        thread=reference,
        kind=NoticeKind.TEST,
        alert_id="none",
        key=f"test:{reference}",
        alert_kind="test",
        severity=Severity.INFO,
        summary="A person tries whether alerts get here. There is nothing to do.",
        detail={},
        raised_at=now,
        at=now,
        runbook=None,
    )
    return [Tried(one.name, await delivered_by(one, notice)) for one in notifiers]


async def delivered_by(notifier: Notifier, notice: Notice) -> Delivery:
    """What came of it; an error of the adapter's own is a failure like any other."""
    try:
        return await notifier.deliver(notice)
    except Exception as error:
        log.exception("alert.channel_broken", channel=notifier.name)
        return Failed(type(error).__name__)


def notice_of(claimed: Claimed, runbooks_url: str | None) -> Notice:
    """What is said, with whatever looks personal taken out: it is about to leave the house."""
    row = claimed.row
    return Notice(
        reference=show_id(NOTICE_PREFIX, claimed.notice_id),
        thread=show_id(NOTICE_PREFIX, row["opened_by"]),
        kind=NoticeKind(row["notice_kind"]),
        alert_id=show(row["alert_id"]),
        key=clean_text(row["key"]),
        alert_kind=row["kind"],
        severity=Severity(row["severity"]),
        summary=clean_text(row["summary"]),
        detail=_impersonal(row["detail"]),
        raised_at=row["raised_at"],
        at=row["created_at"],
        runbook=runbook_of(row["kind"], runbooks_url),
    )


def runbook_of(kind: str, base_url: str | None) -> str:
    base = base_url.rstrip("/") if base_url else "docs/runbooks"
    return f"{base}/{runbook_page(kind)}.md"


def _impersonal(detail: Mapping[str, Any]) -> Mapping[str, object]:
    cleaned: dict[str, object] = clean(detail)
    return {
        name: HIDDEN if name.lower().replace("_", "") in _PERSONAL_NAMES else value
        for name, value in cleaned.items()
    }
