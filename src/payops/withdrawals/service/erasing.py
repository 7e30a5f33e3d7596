"""The phone numbers of withdrawals: which columns hold them, and when they go."""

from datetime import timedelta
from typing import Final

from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.infra.db import Database, Tx
from payops.pii.domain import Holding, IndexCopy, SealedColumn
from payops.pii.errors import ErasureRefused
from payops.withdrawals.service.requesting import PHONE_PLACE
from payops.withdrawals.store import phones

_TABLE, _COLUMN = PHONE_PLACE
_BATCH: Final = 1_000

# A payout under way without a reference of ours is known by its phone and amount.
SEALED: Final = SealedColumn(
    table=_TABLE,
    column=_COLUMN,
    index_column="phone_index",
    copies=(IndexCopy("payout_slots", "withdrawal_id", "phone_index", ("rail", "amount")),),
)


class PhoneNumbers:
    """As ``pii.ports.Erasable``: a record of a payment is kept, the number only for so long."""

    name: Final = "phone numbers of withdrawals"

    async def look(self, tx: Tx, user_id: str, kept_for: timedelta) -> Holding:
        row = await phones.look(tx, user_id, kept_for)
        return Holding(row["erasable"], row["kept"] + row["open"], row["kept_until"])

    async def erase(self, tx: Tx, user_id: str, kept_for: timedelta) -> int:
        """Raises ``ErasureRefused`` while a withdrawal is open or asked about."""
        row = await phones.look(tx, user_id, kept_for)
        if row["open"]:
            raise ErasureRefused("A withdrawal of this user is not final.")
        return await phones.erase(tx, user_id, kept_for)


async def forget_phones(db: Database, *, older_than_days: int) -> int:
    """Shred the numbers of withdrawals past their retention, in bounded transactions."""
    total = 0
    while True:
        async with db.transaction() as tx:
            count = await phones.forget(tx, timedelta(days=older_than_days), _BATCH)
            if count:
                await audit.record(tx, [_forgotten(count, older_than_days)])
        total += count
        if count < _BATCH:
            return total


def _forgotten(count: int, days: int) -> AuditEvent:
    return AuditEvent(
        kind="personal_data_erased",
        actor="system:retention",
        detail={"phone numbers of withdrawals": count, "olderThanDays": days},
    )
