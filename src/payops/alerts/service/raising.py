"""Raising, acknowledging and resolving alerts, as rows of the caller's transaction.

Each that is news to people leaves a notice in the same transaction; who is told of it, and
when, is decided afterwards (``planning``), so that nobody's transaction waits for a channel.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import structlog

from payops.alerts.domain import NOTICES, Alert, AlertRecord, NoticeKind, Severity, show
from payops.alerts.errors import AlertNotFound, AlertResolved
from payops.alerts.store import alerts as store
from payops.infra.db import Tx
from payops.infra.logging.redaction import clean, clean_text
from payops.kernel.ids import new_id

log = structlog.get_logger(__name__)

OPEN_LIST_MAX = 1_000


async def raise_alert(tx: Tx, alert: Alert, *, whose: str | None = None) -> None:
    """Raise ``alert``, or count it once more if it is already open.

    ``whose`` names the member of its detail that says by whom it is. From somebody else it is
    told anew, and acknowledged anew: whoever was at it did not know of the second.

    It stands or falls with the caller's transaction. The log line is written after the
    commit, and only when the alert is news. The alert's row stays
    locked until then, so raise it last: others with the same trouble wait for you.
    What looks like personal data is taken out: alerts are kept for ever and shown around.
    """
    alert = replace(alert, summary=clean_text(alert.summary), detail=clean(alert.detail))
    raised = await store.upsert(tx, new_id(), alert, whose)
    if raised.is_news:
        # Worse and somebody else's is told as the second: that is always told.
        again = NoticeKind.RENEWED if whose else NoticeKind.WORSENED
        await _note(tx, raised.id, NoticeKind.RAISED if raised.is_new else again)
        tx.after_commit(lambda: _log_raised(show(raised.id), alert))


async def resolve_alert(tx: Tx, key: str) -> bool:
    """The trouble is over; whether there was any. The next one of this key is new again."""
    resolved = await store.resolve(tx, key)
    if resolved is None:
        return False
    alert_id, kind, severity = resolved
    await _note(tx, alert_id, NoticeKind.RESOLVED)
    shown = show(alert_id)
    tx.after_commit(
        lambda: log.info("alert.resolved", alert_id=shown, key=key, kind=kind, severity=severity)
    )
    return True


async def resolve_alerts(tx: Tx, keys: Collection[str]) -> None:
    """Resolve those of ``keys`` that are open, mostly none, at the cost of one look for all."""
    if keys:
        for key in await store.open_among(tx, keys):
            await resolve_alert(tx, key)


async def acknowledge(tx: Tx, alert_id: UUID, *, by: str) -> tuple[AlertRecord, bool]:
    """Somebody is at it: no more reminders. Returns the alert, and whether this is new.

    Whoever was first stays named; worse trouble asks for a new acknowledgement.

    Raises:
        AlertNotFound: there is none.
        AlertResolved: there is nothing left to be at.
    """
    acknowledged = await store.acknowledge(tx, alert_id, by)
    if acknowledged is not None:
        await _note(tx, alert_id, NoticeKind.ACKNOWLEDGED)
        return acknowledged, True
    found = await store.get(tx, alert_id)
    if found is None:
        raise AlertNotFound
    if found.resolved_at is not None:
        raise AlertResolved
    return found, False


async def close(tx: Tx, alert_id: UUID) -> AlertRecord:
    """End this very alert on somebody's word; returns it as it was.

    The next trouble of its key is new again, and told. Whether a person may end an alert of
    this kind is for the caller to say, in the same transaction.

    Raises:
        AlertNotFound: there is none.
        AlertResolved: it is over, and another of its key may be open.
    """
    found = await store.lock(tx, alert_id)
    if found is None:
        raise AlertNotFound
    if found.resolved_at is not None:
        raise AlertResolved
    await resolve_alert(tx, found.key)
    return found


async def unseen(tx: Tx, kind: str, unseen_for: timedelta) -> list[str]:
    """Keys of open alerts of ``kind`` that nothing raised for so long, to be resolved by ``tx``.

    Until it ends nobody raises them: trouble that is seen meanwhile is a new alert.
    """
    return await store.lock_unseen(tx, kind, unseen_for)


async def list_open(tx: Tx, limit: int = OPEN_LIST_MAX) -> list[AlertRecord]:
    """Open alerts, the most severe first and the newest first among equals."""
    return await store.open_ones(tx, min(limit, OPEN_LIST_MAX))


async def count_open(tx: Tx) -> dict[str, int]:
    """How many are open, by severity; one of which there is none is missing."""
    return await store.count_open(tx)


async def list_past(tx: Tx, limit: int) -> list[AlertRecord]:
    """Resolved alerts, the newest first."""
    return await store.past_ones(tx, min(limit, OPEN_LIST_MAX))


async def _note(tx: Tx, alert_id: UUID, kind: NoticeKind) -> None:
    await store.add_notice(tx, new_id(), alert_id, kind)
    tx.wake(NOTICES)


def _log_raised(alert_id: str, alert: Alert) -> None:
    write = {
        Severity.INFO: log.info,
        Severity.WARNING: log.warning,
        Severity.CRITICAL: log.critical,
    }[alert.severity]
    write(
        "alert.raised",
        alert_id=alert_id,
        key=alert.key,
        kind=alert.kind,
        severity=alert.severity.value,
        summary=alert.summary,
        detail=dict(alert.detail),
    )
