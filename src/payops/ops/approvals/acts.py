"""The acts themselves, as executors: each takes its locks and looks anew before it moves."""

from collections.abc import Mapping
from dataclasses import dataclass

from payops.approvals.domain import Action, Approval, Effect, Person
from payops.approvals.errors import Overtaken
from payops.approvals.ports import Executor
from payops.deposits.domain import invoices
from payops.deposits.domain.invoices import Invoice
from payops.deposits.service import reviewing
from payops.fraud.service import blocking
from payops.infra.db import Tx
from payops.infra.metrics import Metrics
from payops.ops.approvals import payloads
from payops.switches import service as switches
from payops.switches.domain import Switch
from payops.withdrawals import domain as withdrawals
from payops.withdrawals.domain import Withdrawal
from payops.withdrawals.service import resolving, writing_off


@dataclass(frozen=True, slots=True)
class Acts:
    """One per process."""

    metrics: Metrics

    def executors(self) -> Mapping[Action, Executor]:
        return {
            Action.WITHDRAWAL_RESOLVE: self.resolve,
            Action.WITHDRAWAL_REFUND: self.refund,
            Action.WITHDRAWAL_WRITE_OFF: write_off,
            Action.DEPOSIT_RESOLVE: review,
            Action.SWITCH_RESUME: resume,
            Action.USER_UNBLOCK: unblock,
        }

    async def resolve(self, tx: Tx, approval: Approval, by: Person) -> Effect:
        """Only on what was known when it was asked for: the rail may have answered since."""
        withdrawal_id = withdrawals.read(approval.wanted.subject)
        payout = await resolving.locked(tx, withdrawal_id)
        if payloads.stood(payout) != approval.wanted.payload.get("stood"):
            raise Overtaken("More is known of the payout than when it was asked for.")
        moved = await resolving.resolve(
            tx,
            withdrawal_id,
            payloads.resolution_of(approval.wanted.payload),
            actor=by.actor,
            detail=_origin(approval),
            metrics=self.metrics,
        )
        return Effect(_payout(moved.before), _payout(moved.after))

    async def refund(self, tx: Tx, approval: Approval, by: Person) -> Effect:
        moved = await resolving.refund(
            tx,
            withdrawals.read(approval.wanted.subject),
            payloads.bearer_of(approval.wanted.payload),
            actor=by.actor,
            detail=_origin(approval),
            metrics=self.metrics,
        )
        return Effect(_payout(moved.before), _payout(moved.after))


async def write_off(tx: Tx, approval: Approval, by: Person) -> Effect:
    withdrawal_id = withdrawals.read(approval.wanted.subject)
    before = await resolving.locked(tx, withdrawal_id)
    after = await writing_off.write_off(
        tx,
        withdrawal_id,
        payloads.receipt_of(approval.wanted.payload),
        actor=by.actor,
        detail=_origin(approval),
    )
    return Effect(_payout(before), {**_payout(after), "lossMinor": after.amount_minor})


async def review(tx: Tx, approval: Approval, by: Person) -> Effect:
    """Only on what was known when it was asked for: more may have come, or less, since."""
    invoice_id = invoices.read(approval.wanted.subject)
    asked = payloads.review_of(approval.wanted.payload)
    if not await reviewing.still_stands(tx, invoice_id, asked):
        raise Overtaken("More is known of the deposit than when it was asked for.")
    before, after = await reviewing.decide(tx, invoice_id, asked, actor=by.actor)
    return Effect(_deposit(before), _deposit(after))


async def resume(tx: Tx, approval: Approval, by: Person) -> Effect:
    """Only what was halted when it was asked for: a later halt has reasons of its own."""
    name = approval.wanted.subject
    before = await switches.locked(tx, name)
    if not before.is_halted or halted_at(before) != approval.wanted.payload.get("haltedAt"):
        raise Overtaken("The switch was thrown since it was asked for.")
    await switches.resume(tx, name, reason=approval.wanted.reason, actor=by.actor)
    return Effect({"halted": True, "reason": before.reason}, {"halted": False})


async def unblock(tx: Tx, approval: Approval, by: Person) -> Effect:
    """Only the block that stood when it was asked for."""
    user_id = approval.wanted.user_id
    lifted = await blocking.unblock(tx, user_id, reason=approval.wanted.reason, by=by.actor)
    if str(lifted.id) != approval.wanted.payload.get("block"):
        raise Overtaken("The user was blocked anew since it was asked for.")
    return Effect({"blocked": True, "reason": lifted.reason}, {"blocked": False})


def halted_at(switch: Switch) -> str:
    """When a switch was thrown last, as an approval remembers it."""
    return switch.changed_at.isoformat() if switch.changed_at else ""


def _origin(approval: Approval) -> dict[str, object]:
    return {
        "approval": approval.shown_id,
        "askedBy": approval.asked_owner,
        "reason": approval.wanted.reason,
    }


def _payout(withdrawal: Withdrawal) -> dict[str, object]:
    return {"status": withdrawal.state.value, "receipt": withdrawal.receipt}


def _deposit(invoice: Invoice) -> dict[str, object]:
    return {
        "status": invoice.state.value,
        "reasons": list(invoice.reasons),
        "creditedMinor": invoice.credited_minor,
    }
