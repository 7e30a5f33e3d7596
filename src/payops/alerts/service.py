"""Raising and resolving alerts, as rows of the caller's transaction."""

import structlog

from payops.alerts import store
from payops.alerts.domain import ID_PREFIX, Alert, OpenAlert, Severity
from payops.infra.db import Tx
from payops.kernel.ids import new_id, show_id

log = structlog.get_logger(__name__)

OPEN_LIST_MAX = 1_000


async def raise_alert(tx: Tx, alert: Alert) -> None:
    """Raise ``alert``, or count it once more if it is already open.

    It stands or falls with the caller's transaction. The log line is written after the
    commit, and only when the alert is new or has become worse. The alert's row stays
    locked until then, so raise it last: others with the same trouble wait for you.
    """
    alert_id, is_news = await store.upsert(tx, new_id(), alert)
    if is_news:
        tx.after_commit(lambda: _log_raised(show_id(ID_PREFIX, alert_id), alert))


async def resolve_alert(tx: Tx, key: str) -> bool:
    """The trouble is over; whether there was any. The next one of this key is new again."""
    resolved = await store.resolve(tx, key)
    if resolved is None:
        return False
    alert_id, kind, severity = resolved
    shown = show_id(ID_PREFIX, alert_id)
    tx.after_commit(
        lambda: log.info("alert.resolved", alert_id=shown, key=key, kind=kind, severity=severity)
    )
    return True


async def list_open(tx: Tx, limit: int = OPEN_LIST_MAX) -> list[OpenAlert]:
    """Open alerts, the most severe first and the newest first among equals."""
    return await store.open_ones(tx, min(limit, OPEN_LIST_MAX))


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
