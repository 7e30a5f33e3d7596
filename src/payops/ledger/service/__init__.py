"""Moving money, reading balances, and checking that the books are right."""

from payops.ledger.service.books import (
    INVARIANTS,
    by_reference,
    closing,
    fold_house,
    found,
    history,
    house_balances,
    journal_of,
    lock,
    post,
    reverse,
    verify,
    wallets,
)
from payops.ledger.service.movements import Direction, Movement, MovementDesk

__all__ = [
    "INVARIANTS",
    "Direction",
    "Movement",
    "MovementDesk",
    "by_reference",
    "closing",
    "fold_house",
    "found",
    "history",
    "house_balances",
    "journal_of",
    "lock",
    "post",
    "reverse",
    "verify",
    "wallets",
]
