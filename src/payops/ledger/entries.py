"""Every journal payops can make; ``docs/money.md`` shows each as a T-account."""

from uuid import UUID

from payops.kernel.money import Money
from payops.ledger.domain import (
    AVAILABLE,
    HELD,
    MPESA_CLEARING,
    PLATFORM,
    SUSPENSE,
    Journal,
    Posted,
    Posting,
    clearing,
    fees,
    losses,
)

MPESA_LOSSES = losses("mpesa")


def credit(user_id: str, amount: Money, *, reference: str, reason: str) -> Journal:
    """The platform gives: funding, winnings, a correction in the user's favour."""
    lines = (Posting(PLATFORM, -amount), Posting(AVAILABLE, amount))
    return Journal(user_id, "credit", reference, lines, reason)


def debit(user_id: str, amount: Money, *, reference: str, reason: str) -> Journal:
    """The platform takes: a stake, a fee."""
    lines = (Posting(AVAILABLE, -amount), Posting(PLATFORM, amount))
    return Journal(user_id, "debit", reference, lines, reason)


def withdrawal_held(user_id: str, amount: Money, *, reference: str) -> Journal:
    """Set money aside so that it cannot be spent twice while a payout is on its way."""
    lines = (Posting(AVAILABLE, -amount), Posting(HELD, amount))
    return Journal(user_id, "withdrawal_held", reference, lines)


def withdrawal_paid(user_id: str, amount: Money, *, reference: str, hold: UUID) -> Journal:
    """The rail paid: the held money has left through its float."""
    lines = (Posting(HELD, -amount), Posting(MPESA_CLEARING, amount))
    return Journal(user_id, "withdrawal_paid", reference, lines, closes=hold)


def withdrawal_released(user_id: str, amount: Money, *, reference: str, hold: UUID) -> Journal:
    """Nothing was paid, for certain: the held money is the user's again."""
    lines = (Posting(HELD, -amount), Posting(AVAILABLE, amount))
    return Journal(user_id, "withdrawal_released", reference, lines, closes=hold)


def withdrawal_refunded(
    user_id: str, amount: Money, *, reference: str, paid: UUID, account: str = MPESA_LOSSES
) -> Journal:
    """Given back after it was reported as paid: the house bears it until it gets it back.

    ``account`` is the rail's clearing where the rail itself has returned the money.
    """
    lines = (Posting(account, -amount), Posting(AVAILABLE, amount))
    return Journal(user_id, "withdrawal_refunded", reference, lines, closes=paid)


def withdrawal_written_off(
    user_id: str, amount: Money, *, reference: str, released: UUID
) -> Journal:
    """It was given back as not paid, and then found to have been paid: the house bears it."""
    lines = (Posting(MPESA_LOSSES, -amount), Posting(MPESA_CLEARING, amount))
    return Journal(user_id, "withdrawal_written_off", reference, lines, closes=released)


def deposit_credited(user_id: str, amount: Money, *, provider: str, reference: str) -> Journal:
    """A provider has settled an arrival of coins: it owes us, and we owe the user."""
    lines = (Posting(clearing(provider), -amount), Posting(AVAILABLE, amount))
    return Journal(user_id, "deposit_credited", f"{provider}:{reference}", lines)


def deposit_fee(user_id: str, amount: Money, *, provider: str, reference: str) -> Journal:
    """What the provider kept of an arrival: the house bears it, the provider owes us less."""
    lines = (Posting(fees(provider), -amount), Posting(clearing(provider), amount))
    return Journal(user_id, "deposit_fee", f"{provider}:{reference}", lines)


def deposit_taken_back(
    user_id: str, amount: Money, *, provider: str, reference: str, credit: UUID
) -> Journal:
    """The provider gave back money that was credited: it owes us nothing for it any more.

    The user keeps the credit until people decide; meanwhile the loss is in suspense.
    """
    lines = (Posting(SUSPENSE, -amount), Posting(clearing(provider), amount))
    return Journal(user_id, "deposit_taken_back", f"{provider}:{reference}", lines, closes=credit)


def deposit_loss_borne(
    user_id: str, amount: Money, *, provider: str, reference: str, taken: UUID
) -> Journal:
    """People decided that the user keeps a credit whose money went back: the house bears it."""
    lines = (Posting(losses(provider), -amount), Posting(SUSPENSE, amount))
    return Journal(user_id, "deposit_loss_borne", f"{provider}:{reference}", lines, closes=taken)


def deposit_loss_recovered(
    user_id: str, amount: Money, *, provider: str, reference: str, taken: UUID
) -> Journal:
    """People decided that a credit whose money went back is taken from the user again."""
    lines = (Posting(AVAILABLE, -amount), Posting(SUSPENSE, amount))
    return Journal(
        user_id, "deposit_loss_recovered", f"{provider}:{reference}", lines, closes=taken
    )


def reversal(posted: Posted, *, reason: str) -> Journal:
    """The opposite of ``posted``, pointing at it; a second one cannot be posted."""
    lines = tuple(Posting(line.account, -line.amount) for line in posted.postings)
    return Journal(
        posted.user_id, "reversal", str(posted.id), lines, reason=reason, closes=posted.id
    )
