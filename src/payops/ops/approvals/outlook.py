"""What an act is about as things stand, what it makes of them, and what that is in money.

For whoever decides on it; the act itself looks anew, under its locks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from payops.approvals.domain import Action, Wanted
from payops.deposits.domain import invoices
from payops.deposits.domain.invoices import ReceiptState
from payops.deposits.service import keeping as deposits
from payops.deposits.service import reviewing
from payops.fraud.domain.changes import Change
from payops.fraud.domain.rules import Measure, Mode
from payops.fraud.service import blocking
from payops.infra.db import Tx
from payops.kernel.money import CURRENCIES, KES, Money
from payops.ledger import service as ledger
from payops.ops.approvals import payloads
from payops.ops.approvals.service import ApprovalDesk, Listed
from payops.switches import service as switches
from payops.withdrawals import domain as withdrawals
from payops.withdrawals.domain import State
from payops.withdrawals.service import keeping as payouts
from payops.withdrawals.service import resolving
from payops.withdrawals.service.deciding import Bearer


@dataclass(frozen=True, slots=True)
class Outlook:
    """``now`` is read now, so of what was decided it is what became of it."""

    now: str
    then: str
    effect: str


async def outlooks(desk: ApprovalDesk, listed: Sequence[Listed]) -> list[Outlook]:
    """One for each of ``listed``, in their order."""
    async with desk.db.transaction(read_only=True) as tx:
        return [
            await _of_change(desk, tx, one)
            if isinstance(one, Change)
            else await _of(tx, one.wanted)
            for one in listed
        ]


async def _of(tx: Tx, wanted: Wanted) -> Outlook:
    match wanted.action:
        case Action.WITHDRAWAL_RESOLVE:
            return await _of_resolution(tx, wanted)
        case Action.WITHDRAWAL_REFUND:
            return await _of_refund(tx, wanted)
        case Action.WITHDRAWAL_WRITE_OFF:
            return await _of_write_off(tx, wanted)
        case Action.DEPOSIT_RESOLVE:
            return await _of_review(tx, wanted)
        case Action.SWITCH_RESUME:
            return await _of_switch(tx, wanted)
        case Action.USER_UNBLOCK:
            return await _of_user(tx, wanted)
        case unknown:
            assert_never(unknown)


async def _of_resolution(tx: Tx, wanted: Wanted) -> Outlook:
    payout = await payouts.get(tx, withdrawals.read(wanted.subject), user_id=None)
    asked, money = payloads.resolution_of(wanted.payload), Money(payout.amount_minor, KES)
    if asked.verdict is resolving.Verdict.FAILED:
        effect = f"{money} goes back to what the user can spend."
        return Outlook(payout.state.value, State.FAILED.value, effect)
    receipt = f", receipt {asked.receipt}" if asked.receipt else ""
    effect = f"{money} that is held counts as paid out."
    return Outlook(payout.state.value, f"{State.COMPLETED.value}{receipt}", effect)


async def _of_refund(tx: Tx, wanted: Wanted) -> Outlook:
    payout = await payouts.get(tx, withdrawals.read(wanted.subject), user_id=None)
    is_rails = payloads.bearer_of(wanted.payload) is Bearer.RAIL
    cost = "the rail has put it back into our float" if is_rails else "at the house's cost"
    effect = f"{Money(payout.amount_minor, KES)} goes to the user; {cost}."
    return Outlook(payout.state.value, State.REVERSED.value, effect)


async def _of_write_off(tx: Tx, wanted: Wanted) -> Outlook:
    payout = await payouts.get(tx, withdrawals.read(wanted.subject), user_id=None)
    receipt = payloads.receipt_of(wanted.payload)
    effect = f"{Money(payout.amount_minor, KES)} that was paid out counts as the house's loss."
    return Outlook(payout.state.value, f"{payout.state.value}, receipt {receipt}", effect)


async def _of_review(tx: Tx, wanted: Wanted) -> Outlook:
    story = await deposits.story(tx, invoices.read(wanted.subject))
    asked = payloads.review_of(wanted.payload)
    is_credited = asked.verdict is reviewing.Verdict.CREDIT
    # What was credited and then taken back by the provider is a loss: the only question is whose.
    lost = [
        receipt.credited
        for receipt in story.receipts
        if receipt.reference == asked.reference and receipt.state is ReceiptState.REVERSED
    ]
    if lost and is_credited:
        effect = f"The user keeps {lost[0]}, at the house's cost."
    elif lost:
        effect = f"{lost[0]} is taken back from the user."
    elif is_credited:
        effect = f"{asked.amount} is credited to the user."
    else:
        effect = "Nothing is credited."
    now = f"{story.invoice.state.value}: {asked.reason}"
    return Outlook(now, "credited" if is_credited else "dismissed", effect)


async def _of_switch(tx: Tx, wanted: Wanted) -> Outlook:
    (switch,) = await switches.every(tx, [wanted.subject])
    now = f"halted: {switch.reason}" if switch.is_halted else "on"
    return Outlook(now, "on", "None by itself; money moves again where it was halted.")


async def _of_user(tx: Tx, wanted: Wanted) -> Outlook:
    block = (await blocking.active(tx, [wanted.user_id])).get(wanted.user_id)
    at_stake = [
        str(Money(wallet.available + wallet.held, CURRENCIES[wallet.owner.currency]))
        for wallet in await ledger.wallets(tx, wanted.user_id)
    ]
    now = f"blocked: {block.reason}" if block else "not blocked"
    effect = f"The user can take out {' and '.join(at_stake) or 'nothing yet'} again."
    return Outlook(now, "not blocked", effect)


async def _of_change(desk: ApprovalDesk, tx: Tx, change: Change) -> Outlook:
    now = [rule for rule in await desk.rules.rules(tx) if rule.name == change.name]
    return Outlook(
        ", ".join(_limit(rule.measure, rule.shown_limit, rule.mode) for rule in now),
        _limit(change.measure, change.shown_limit, change.mode),
        "None by itself; requests that are refused now will pass.",
    )


def _limit(measure: Measure, shown: int, mode: Mode) -> str:
    return f"{'KES ' if measure is Measure.SUM else ''}{shown:,}, {mode.value}"
