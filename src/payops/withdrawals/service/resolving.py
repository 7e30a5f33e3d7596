"""What two people decide about a payout: that it was paid or not, or that it is given back.

They move it as a report of the rail would, through the same door; what the rail says
afterwards is held against their decision and, if it differs, raised as a contradiction.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from payops.alerts import service as alerts
from payops.infra.db import Tx
from payops.infra.metrics import Metrics
from payops.ledger import service as ledger
from payops.withdrawals.domain import Event, Failure, State, Withdrawal
from payops.withdrawals.errors import (
    NotRefundable,
    NotResolvable,
    ReceiptTaken,
    WithdrawalNotFound,
)
from payops.withdrawals.service.deciding import Bearer, Observation, Refund
from payops.withdrawals.service.moving import Moved, Moves
from payops.withdrawals.service.settling import doubt_key
from payops.withdrawals.store import reading, writing

RESOLVABLE: Final = (State.SENT, State.UNRESOLVED, State.REVIEW)
_NOT_PAID: Final = Failure("payout_failed", "The payout was found not to have been made.")


class Verdict(StrEnum):
    """What people found out about a payout."""

    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Resolution:
    verdict: Verdict
    receipt: str | None = None  # M-Pesa's, if they have it


async def resolvable(tx: Tx, withdrawal_id: UUID) -> Withdrawal:
    """The withdrawal, if people may decide on it as it stands.

    Raises:
        WithdrawalNotFound, NotResolvable: they may not.
    """
    return _checked_open(await _found(tx, withdrawal_id))


async def refundable(tx: Tx, withdrawal_id: UUID) -> Withdrawal:
    """Raises ``WithdrawalNotFound`` or ``NotRefundable``."""
    return _checked_paid(await _found(tx, withdrawal_id))


async def locked(tx: Tx, withdrawal_id: UUID) -> Withdrawal:
    """As it stands, whatever its state, until ``tx`` ends. Raises ``WithdrawalNotFound``."""
    found = await writing.lock(tx, [withdrawal_id])
    if not found:
        raise WithdrawalNotFound
    return found[0]


async def resolve(
    tx: Tx,
    withdrawal_id: UUID,
    resolution: Resolution,
    *,
    actor: str,
    detail: Mapping[str, object],
    metrics: Metrics,
) -> Moved:
    """Settle a payout that the rail leaves unclear.

    Raises:
        WithdrawalNotFound, NotResolvable: it is not open any more, or not yet.
        ReceiptTaken: the receipt is another withdrawal's, or this one has another.
    """
    withdrawal = _checked_open(await locked(tx, withdrawal_id))
    if await writing.open_numbers(tx, [withdrawal]):
        # A callback can overtake the reply: sent, and still on the wire.
        raise NotResolvable("An attempt is on the wire; it ends with an answer or its lease.")
    if resolution.receipt is not None:
        await _claim(tx, withdrawal, resolution.receipt)
    is_paid = resolution.verdict is Verdict.COMPLETED
    seen = Observation(
        Event.REPORTED_PAID if is_paid else Event.REPORTED_FAILED,
        actor,
        receipt=resolution.receipt,
        failure=None if is_paid else _NOT_PAID,
        detail=detail,
    )
    return await _move(tx, withdrawal, seen, metrics)


async def refund(
    tx: Tx,
    withdrawal_id: UUID,
    bearer: Bearer,
    *,
    actor: str,
    detail: Mapping[str, object],
    metrics: Metrics,
) -> Moved:
    """Give back what was reported as paid, once.

    The journal closes the one that paid, and a journal is closed at most once: whoever
    comes second finds the state moved, and if not that, the unique index.

    Raises:
        WithdrawalNotFound, NotRefundable: it is not completed, or was given back before.
        AlreadyPosted: likewise, as the ledger says it.
    """
    withdrawal = _checked_paid(await locked(tx, withdrawal_id))
    paid = await ledger.closing(tx, withdrawal.user_id, withdrawal.hold_id)
    seen = Observation(Event.REFUNDED, actor, refund=Refund(paid.id, bearer), detail=detail)
    return await _move(tx, withdrawal, seen, metrics)


async def _found(tx: Tx, withdrawal_id: UUID) -> Withdrawal:
    found = await reading.by_id(tx, withdrawal_id)
    if found is None:
        raise WithdrawalNotFound
    return found


def _checked_open(withdrawal: Withdrawal) -> Withdrawal:
    if withdrawal.state not in RESOLVABLE:
        raise NotResolvable(f"The withdrawal is {withdrawal.state.value}.")
    return withdrawal


def _checked_paid(withdrawal: Withdrawal) -> Withdrawal:
    if withdrawal.state is not State.COMPLETED:
        raise NotRefundable(f"The withdrawal is {withdrawal.state.value}.")
    return withdrawal


async def _claim(tx: Tx, withdrawal: Withdrawal, receipt: str) -> None:
    """Take the receipt before anything else: of two who type the same one, one is told."""
    if withdrawal.receipt not in (None, receipt):
        raise ReceiptTaken("The withdrawal has another receipt.")
    if await writing.keep_references(tx, [(withdrawal, "receipt", receipt)]):
        raise ReceiptTaken


async def _move(tx: Tx, withdrawal: Withdrawal, seen: Observation, metrics: Metrics) -> Moved:
    moves = Moves([withdrawal], await tx.fetchval("SELECT now()"), metrics)
    moved = moves.observe(withdrawal.id, seen)
    await moves.write(tx)
    # What contradicted the books before is what these people have decided on.
    await alerts.resolve_alert(tx, doubt_key(withdrawal.txid))
    return moved
