"""Credits and debits asked for by BETRIX's back end: stakes, winnings, funding."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias

from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.idempotency.domain import Answer, Keyed
from payops.infra.db import Tx
from payops.kernel.errors import PayopsError
from payops.kernel.money import Money
from payops.ledger import entries
from payops.ledger.domain import AVAILABLE, Journal, Owner, Posted, show
from payops.ledger.errors import InsufficientFunds, ReferenceReused
from payops.ledger.service import books


class Direction(StrEnum):
    CREDIT = "credit"
    DEBIT = "debit"


_JOURNAL: Final = {Direction.CREDIT: entries.credit, Direction.DEBIT: entries.debit}


@dataclass(frozen=True, slots=True)
class Movement:
    """A credit or debit asked for; ``reference`` is unique per user over both."""

    user_id: str
    direction: Direction
    amount: Money
    reference: str
    reason: str
    actor: str
    request_id: str | None

    @property
    def owner(self) -> Owner:
        return Owner(self.user_id, self.amount.currency.code)


@dataclass(frozen=True, slots=True)
class Recorded:
    """The journal of a movement, and whether this request made it."""

    posted: Posted
    is_new: bool


Result: TypeAlias = Recorded | PayopsError
Render = Callable[[Result, Movement], Answer]


class MovementDesk:
    """Decides batches of movements; the same reference again is the first journal."""

    def __init__(self, render: Render) -> None:
        self._render = render

    async def decide(self, tx: Tx, batch: Sequence[Keyed[Movement]]) -> list[Answer]:
        """One answer per movement, in order; the caller stores them and commits."""
        movements = [keyed.command for keyed in batch]
        credited = {m.owner for m in movements if m.direction is Direction.CREDIT}
        wallets = await books.lock(tx, {m.owner for m in movements}, create=credited)
        # Read after the locks: whoever had the same reference has committed by now.
        known = await books.by_reference(tx, [(m.user_id, m.reference) for m in movements])
        now: datetime = await tx.fetchval("SELECT now()")
        available = {owner: wallet.available for owner, wallet in wallets.items()}
        results: list[Result] = []
        journals: list[Journal] = []
        for movement in movements:
            result = _decided(movement, known, available)
            if isinstance(result, Journal):
                journals.append(result)
                posted = _as_posted(result, now)
                known[movement.user_id, movement.reference] = posted
                result = Recorded(posted, is_new=True)
            results.append(result)
        await books.post(tx, journals)
        await audit.record(
            tx,
            [_event(m, r) for m, r in zip(movements, results, strict=True) if _is_news(r)],
        )
        return [self._render(r, m) for r, m in zip(results, movements, strict=True)]


def _decided(
    movement: Movement,
    known: dict[tuple[str, str], Posted],
    available: dict[Owner, int],
) -> Journal | Recorded | PayopsError:
    earlier = known.get((movement.user_id, movement.reference))
    if earlier is not None:
        same = (
            earlier.kind == movement.direction
            and abs(earlier.moved(AVAILABLE, movement.amount.currency)) == movement.amount.minor
        )
        return Recorded(earlier, is_new=False) if same else ReferenceReused()
    sign = 1 if movement.direction is Direction.CREDIT else -1
    balance = available.get(movement.owner, 0) + sign * movement.amount.minor
    if balance < 0:
        return InsufficientFunds()
    available[movement.owner] = balance
    return _JOURNAL[movement.direction](
        movement.user_id,
        movement.amount,
        reference=movement.reference,
        reason=movement.reason,
    )


def _as_posted(journal: Journal, now: datetime) -> Posted:
    return Posted(
        user_id=journal.user_id,
        id=journal.id,
        kind=journal.kind,
        reference=journal.reference,
        reason=journal.reason,
        posted_at=now,
        postings=journal.postings,
    )


def _is_news(result: Result) -> bool:
    return not isinstance(result, Recorded) or result.is_new


def _event(movement: Movement, result: Result) -> AuditEvent:
    refused = result.code if isinstance(result, PayopsError) else None
    return AuditEvent(
        kind=f"wallet_{movement.direction}_{'refused' if refused else 'posted'}",
        actor=movement.actor,
        user_id=movement.user_id,
        subject=None if isinstance(result, PayopsError) else show(result.posted.id),
        request_id=movement.request_id,
        detail={
            "amountMinor": movement.amount.minor,
            "currency": movement.amount.currency.code,
            **({"code": refused} if refused else {}),
        },
    )
