"""What people may do with personal data: open one phone number with a reason, and shred."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.fraud.service.erasing import Devices
from payops.idempotency import service as idempotency
from payops.infra.db import Tx
from payops.infra.logging.redaction import clean_text
from payops.infra.settings import Retention
from payops.ops.service.operations import Operations
from payops.ops.service.withdrawals import withdrawal_id_of
from payops.pii import service as pii
from payops.pii.domain import Access, Holding, Msisdn
from payops.pii.errors import Erased, QuotaReached
from payops.pii.service import Erasure, Finding
from payops.webhooks import service as webhooks
from payops.withdrawals.service import keeping
from payops.withdrawals.service.erasing import SEALED, PhoneNumbers

_ERASE_SECONDS_MAX: Final = 600  # notifications are not indexed by user


async def open_phone(operations: Operations, txid: str, access: Access) -> Msisdn:
    """The number a withdrawal is paid to, for a person who said why.

    A refusal because of the quota is audited and raises an alert.

    Raises:
        WithdrawalNotFound: there is none.
        Erased: the number is past its retention.
        QuotaReached: this principal has opened enough for this purpose for now.
    """
    try:
        async with operations.db.transaction() as tx:
            withdrawal = await keeping.get(tx, withdrawal_id_of(txid), user_id=None)
            if withdrawal.is_phone_erased:
                raise Erased("The phone number of this withdrawal was erased.")
            return await operations.personal_data.open_phone(
                tx,
                SEALED.place(withdrawal.user_id, withdrawal.id),
                withdrawal.phone_sealed,
                cleaned(access),
            )
    except QuotaReached as refusal:
        await tell_refused(operations, access, str(refusal))
        raise


def erasures(retention: Retention) -> list[Erasure]:
    """What can be shredded of a user, class by class, and how long each must be kept."""
    return [
        Erasure(PhoneNumbers(), timedelta(days=retention.phone_days)),
        Erasure(Notifications(), timedelta(0)),
        Erasure(Answers(), timedelta(0)),
        Erasure(Devices(), timedelta(0)),
    ]


async def survey(operations: Operations, user_id: str, classes: Sequence[Erasure]) -> list[Finding]:
    """What would be shredded of a user now, and what must stay until when."""
    async with operations.db.transaction(read_only=True, seconds_max=_ERASE_SECONDS_MAX) as tx:
        return await pii.survey(tx, classes, user_id)


async def erase(
    operations: Operations, user_id: str, classes: Sequence[Erasure], *, actor: str
) -> dict[str, int]:
    """Shred what may go, all or nothing; the act is audited. Never an entry of the books.

    Raises:
        ErasureRefused: something of it is needed for what is not finished.
    """
    async with operations.db.transaction(seconds_max=_ERASE_SECONDS_MAX) as tx:
        erased = await pii.erase(tx, classes, user_id)
        event = AuditEvent(
            kind="personal_data_erased", actor=actor, user_id=user_id, detail=dict(erased)
        )
        await audit.record(tx, [event])
    return erased


class Notifications:
    """Bodies of providers' notifications: evidence that may hold names, and is soon stale."""

    name: Final = "bodies of notifications"

    async def look(self, tx: Tx, user_id: str, kept_for: timedelta) -> Holding:  # noqa: ARG002
        return Holding(*await webhooks.count_bodies(tx, user_id))

    async def erase(self, tx: Tx, user_id: str, kept_for: timedelta) -> int:  # noqa: ARG002
        return await webhooks.erase_bodies(tx, user_id)


class Answers:
    """Stored answers of requests: they show a masked number."""

    name: Final = "stored answers"

    async def look(self, tx: Tx, user_id: str, kept_for: timedelta) -> Holding:  # noqa: ARG002
        return Holding(await idempotency.count_answers(tx, user_id))

    async def erase(self, tx: Tx, user_id: str, kept_for: timedelta) -> int:  # noqa: ARG002
        return await idempotency.erase_answers(tx, user_id)


def cleaned(access: Access) -> Access:
    """Somebody's own words may hold what they are about: that is not kept."""
    return replace(access, reason=clean_text(access.reason or "") or None)


async def tell_refused(operations: Operations, access: Access, why: str) -> None:
    """Somebody has reached their quota: that is on record, and an alert."""
    async with operations.db.transaction() as tx:
        await audit.record(
            tx,
            [
                AuditEvent(
                    kind="personal_data_refused",
                    actor=access.actor,
                    subject=access.subject,
                    request_id=access.request_id,
                    detail={"purpose": access.purpose.value, "reason": why},
                )
            ],
        )
        await alerts.raise_alert(
            tx,
            Alert(
                key=f"personal_data_quota:{access.actor}:{access.purpose.value}",
                kind="personal_data_quota",
                severity=Severity.WARNING,
                summary="Somebody has opened as much personal data as they may; find out why.",
                detail={"actor": access.actor, "purpose": access.purpose.value},
            ),
        )
