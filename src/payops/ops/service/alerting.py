"""Saying that somebody is at it."""

from uuid import UUID

from payops.alerts import service as alerts
from payops.alerts.domain import AlertRecord, read, show
from payops.alerts.errors import AlertNotFound
from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.ops.service.operations import Operations


async def acknowledge(
    operations: Operations, shown_id: str, *, actor: str, request_id: str | None = None
) -> AlertRecord:
    """Take an alert on: nobody is reminded of it any more, unless it gets worse.

    The second to do so changes nothing: the first stays named.

    Raises:
        AlertNotFound: there is none of this id.
        AlertResolved: it is over.
    """
    alert_id = _id_of(shown_id)
    async with operations.db.transaction() as tx:
        alert, is_new = await alerts.acknowledge(tx, alert_id, by=actor)
        if is_new:
            event = AuditEvent(
                kind="alert_acknowledged",
                actor=actor,
                subject=show(alert_id),
                request_id=request_id,
                detail={"key": alert.key, "severity": alert.severity.value},
            )
            await audit.record(tx, [event])
    return alert


def _id_of(shown_id: str) -> UUID:
    try:
        return read(shown_id)
    except ValueError:
        raise AlertNotFound from None
