"""What two people accept of a payout: it was paid although its money was given back.

The rail said, or they were sure, that it was not paid; then a receipt turned up. What the user
has is not taken back. The state stays as it is: it says what the user was told.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from uuid import UUID

from payops.alerts import service as alerts
from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.infra.db import Tx
from payops.kernel.money import KES, Money
from payops.ledger import service as ledger
from payops.ledger.domain import Posted
from payops.ledger.entries import withdrawal_written_off
from payops.ledger.errors import JournalNotFound
from payops.withdrawals.domain import State, Withdrawal
from payops.withdrawals.errors import NotWritableOff, ReceiptTaken
from payops.withdrawals.service import keeping, resolving
from payops.withdrawals.service.settling import doubt_key
from payops.withdrawals.store import writing

WRITABLE_OFF: Final = (State.FAILED, State.CANCELLED)


async def writable_off(tx: Tx, withdrawal_id: UUID) -> Withdrawal:
    """The withdrawal, if people may accept that it was paid all the same.

    Raises:
        WithdrawalNotFound, NotWritableOff: they may not.
    """
    withdrawal = await keeping.get(tx, withdrawal_id, user_id=None)
    await _released(tx, withdrawal)
    return withdrawal


async def write_off(
    tx: Tx, withdrawal_id: UUID, receipt: str, *, actor: str, detail: Mapping[str, object]
) -> Withdrawal:
    """Book the loss, once, and end the alert: nothing about it contradicts the books any more.

    The journal closes the one that gave the money back, and a journal is closed at most once.
    The receipt is claimed, so that one payment of the rail stands for one withdrawal.

    Raises:
        WithdrawalNotFound, NotWritableOff: it is not of this kind, or was written off before.
        AlreadyPosted: likewise, as the ledger says it.
        ReceiptTaken: the receipt is another withdrawal's, or this one has another.
    """
    withdrawal = await resolving.locked(tx, withdrawal_id)
    released = await _released(tx, withdrawal)
    if withdrawal.receipt not in (None, receipt):
        raise ReceiptTaken("The withdrawal has another receipt.")
    if await writing.keep_references(tx, [(withdrawal, "receipt", receipt)]):
        raise ReceiptTaken
    journal = withdrawal_written_off(
        withdrawal.user_id,
        Money(withdrawal.amount_minor, KES),
        reference=withdrawal.txid,
        released=released.id,
    )
    await ledger.post(tx, [journal])
    # What the rail would be asked is answered.
    known = replace(withdrawal, receipt=receipt, due_at=None)
    await writing.update(tx, [known])
    event = AuditEvent(
        kind="withdrawal_written_off",
        actor=actor,
        user_id=withdrawal.user_id,
        subject=withdrawal.txid,
        detail={**detail, "receipt": receipt, "amountMinor": withdrawal.amount_minor},
    )
    await audit.record(tx, [event])
    await alerts.resolve_alert(tx, doubt_key(withdrawal.txid))
    return known


async def _released(tx: Tx, withdrawal: Withdrawal) -> Posted:
    """The journal that gave the money back. Raises ``NotWritableOff``."""
    if withdrawal.state not in WRITABLE_OFF:
        raise NotWritableOff(f"The withdrawal is {withdrawal.state.value}.")
    released = await ledger.closing(tx, withdrawal.user_id, withdrawal.hold_id)
    try:
        await ledger.closing(tx, withdrawal.user_id, released.id)
    except JournalNotFound:
        return released
    raise NotWritableOff("The withdrawal was written off already.")
