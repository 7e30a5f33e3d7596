"""Every journal payops can make; ``docs/money.md`` shows each as a T-account."""

from uuid import UUID

from payops.kernel.money import Money
from payops.ledger.domain import (
    AVAILABLE,
    HELD,
    MPESA_CLEARING,
    PLATFORM,
    Journal,
    Posted,
    Posting,
)


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


def reversal(posted: Posted, *, reason: str) -> Journal:
    """The opposite of ``posted``, pointing at it; a second one cannot be posted."""
    lines = tuple(Posting(line.account, -line.amount) for line in posted.postings)
    return Journal(
        posted.user_id, "reversal", str(posted.id), lines, reason=reason, closes=posted.id
    )
