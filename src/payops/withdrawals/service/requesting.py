"""Accepting withdrawals: limits, hold, row, audit, answer and key in one commit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.fraud.domain import Done, WithdrawalLimits, window_start
from payops.idempotency.domain import Answer, Keyed
from payops.infra.db import Tx
from payops.kernel.errors import PayopsError
from payops.kernel.ids import new_id
from payops.kernel.money import KES, Money
from payops.ledger import entries
from payops.ledger import service as ledger
from payops.ledger.domain import Journal, Owner
from payops.ledger.errors import InsufficientFunds
from payops.pii.domain import Msisdn, Place
from payops.pii.service import PersonalData
from payops.withdrawals.domain import State, Withdrawal, show
from payops.withdrawals.errors import AmountOutOfRange
from payops.withdrawals.store import reading, writing

OPERATION: Final = "withdrawal"
DUE: Final = "withdrawals"  # the topic that wakes the dispatcher
QUESTIONS: Final = "questions"  # the topic that wakes whoever asks

PHONE_PLACE: Final = ("withdrawals", "phone_sealed")


@dataclass(frozen=True, slots=True)
class Request:
    """A withdrawal asked for; ``amount_minor`` is KES cents."""

    user_id: str
    amount_minor: int
    phone: Msisdn
    actor: str
    request_id: str | None


@dataclass(frozen=True, slots=True)
class AmountLimits:
    """Per withdrawal, whole shillings, both ends included."""

    min_kes: int
    max_kes: int

    def check(self, amount_minor: int) -> None:
        """Raises ``AmountOutOfRange``."""
        if not self.min_kes * 100 <= amount_minor <= self.max_kes * 100:
            raise AmountOutOfRange(f"A withdrawal is KES {self.min_kes:,} to KES {self.max_kes:,}.")


Result: TypeAlias = Withdrawal | PayopsError
Render = Callable[[Result, Request], Answer]


class Acceptance:
    """Decides batches of requests; the money is held before anybody is told so.

    Decisions are pure and come before any write, each seeing what the ones before it in
    the batch took; so one refusal is that request's alone and needs no rollback.
    """

    def __init__(
        self,
        *,
        rail: str,
        amounts: AmountLimits,
        velocity: WithdrawalLimits,
        personal_data: PersonalData,
        render: Render,
    ) -> None:
        self._rail = rail
        self._amounts = amounts
        self._velocity = velocity
        self._personal_data = personal_data
        self._render = render

    async def decide(self, tx: Tx, batch: Sequence[Keyed[Request]]) -> list[Answer]:
        """One answer per request, in order; the caller stores them and commits."""
        requests = [keyed.command for keyed in batch]
        wallets = await ledger.lock(tx, {Owner(r.user_id, KES.code) for r in requests})
        now: datetime = await tx.fetchval("SELECT now()")
        # Read after the locks, in a snapshot of its own: no race can pass a limit.
        users = set() if self._velocity.are_off else {request.user_id for request in requests}
        history = await reading.history(tx, users, window_start(now)) if users else {}
        books = _Books(
            available={owner.user_id: wallet.available for owner, wallet in wallets.items()},
            done={
                user: [Done(usage.created_at, usage.amount_minor) for usage in usages]
                for user, usages in history.items()
            },
        )
        results = [self._decided(request, books, now) for request in requests]
        accepted = [result for result in results if isinstance(result, _Accepted)]
        if accepted:
            await ledger.post(tx, [one.hold for one in accepted])
            await writing.insert(tx, [one.withdrawal for one in accepted])
            tx.wake(DUE)
        await audit.record(
            tx, [_event(r, result) for r, result in zip(requests, results, strict=True)]
        )
        return [
            self._render(result.withdrawal if isinstance(result, _Accepted) else result, request)
            for request, result in zip(requests, results, strict=True)
        ]

    def _decided(
        self, request: Request, books: "_Books", now: datetime
    ) -> "_Accepted | PayopsError":
        try:
            self._amounts.check(request.amount_minor)
            done = books.done.setdefault(request.user_id, [])
            self._velocity.check(done, request.amount_minor, now)
            if books.available.get(request.user_id, 0) < request.amount_minor:
                raise InsufficientFunds
        except PayopsError as error:
            return error
        books.available[request.user_id] -= request.amount_minor
        done.append(Done(now, request.amount_minor))
        return self._accepted(request, new_id(), now)

    def _accepted(self, request: Request, withdrawal_id: UUID, now: datetime) -> "_Accepted":
        phone = self._personal_data.seal_phone(
            Place(*PHONE_PLACE, request.user_id, withdrawal_id), request.phone
        )
        hold = entries.withdrawal_held(
            request.user_id, Money(request.amount_minor, KES), reference=show(withdrawal_id)
        )
        withdrawal = Withdrawal(
            user_id=request.user_id,
            id=withdrawal_id,
            state=State.PENDING,
            amount_minor=request.amount_minor,
            rail=self._rail,
            hold_id=hold.id,
            phone_sealed=phone.sealed,
            phone_index=phone.index,
            phone_masked=phone.masked,
            caller=request.actor,
            request_id=request.request_id,
            created_at=now,
            updated_at=now,
            due_at=now,
        )
        return _Accepted(withdrawal, hold)


@dataclass(frozen=True, slots=True)
class _Accepted:
    withdrawal: Withdrawal
    hold: Journal


@dataclass(frozen=True, slots=True)
class _Books:
    """What the batch has left so far, per user."""

    available: dict[str, int]
    done: dict[str, list[Done]]


def _event(request: Request, result: "_Accepted | PayopsError") -> AuditEvent:
    detail: Mapping[str, object] = {"amountMinor": request.amount_minor}
    if isinstance(result, PayopsError):
        return AuditEvent(
            kind="withdrawal_refused",
            actor=request.actor,
            user_id=request.user_id,
            request_id=request.request_id,
            detail={**detail, "code": result.code},
        )
    return AuditEvent(
        kind="withdrawal_initiated",
        actor=request.actor,
        user_id=request.user_id,
        subject=result.withdrawal.txid,
        request_id=request.request_id,
        detail=detail,
    )
