"""Accepting withdrawals: limits, hold, row, audit, answer and key in one commit."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, TypeAlias

from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.fraud.domain.assessing import Ask, Assessor, Checks, View
from payops.fraud.domain.decisions import Decision, Outcome
from payops.fraud.domain.devices import Origin, Policy
from payops.fraud.domain.rules import Action, Scope
from payops.fraud.errors import UnusualActivity
from payops.fraud.service.guarding import Guard
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
from payops.switches.domain import WITHDRAWALS
from payops.switches.service import Switchboard
from payops.withdrawals.domain import State, Withdrawal, show
from payops.withdrawals.errors import AmountOutOfRange, WithdrawalsHalted
from payops.withdrawals.store import reading, writing

OPERATION: Final = "withdrawal"
DUE: Final = "withdrawals"  # the topic that wakes the dispatcher
QUESTIONS: Final = "questions"  # the topic that wakes whoever asks

PHONE_PLACE: Final = ("withdrawals", "phone_sealed")


@dataclass(frozen=True, slots=True)
class Request:
    """A withdrawal asked for; ``amount_minor`` is KES cents, ``origin`` where it comes from."""

    user_id: str
    amount_minor: int
    phone: Msisdn
    actor: str
    request_id: str | None
    origin: Origin = field(default_factory=Origin)


@dataclass(frozen=True, slots=True)
class AmountLimits:
    """Per withdrawal, whole shillings, both ends included."""

    min_kes: int
    max_kes: int

    def check(self, amount_minor: int) -> None:
        """Raises ``AmountOutOfRange``."""
        if not self.min_kes * 100 <= amount_minor <= self.max_kes * 100:
            raise AmountOutOfRange(f"A withdrawal is KES {self.min_kes:,} to KES {self.max_kes:,}.")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A withdrawal whose money is held; ``remaining`` tells what the limits leave."""

    withdrawal: Withdrawal
    txid: str  # shown in five places, and made once
    hold: Journal
    remaining: str = ""


Result: TypeAlias = Accepted | PayopsError
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
        guard: Guard,
        switchboard: Switchboard,
        personal_data: PersonalData,
        render: Render,
    ) -> None:
        self._rail = rail
        self._amounts = amounts
        self._guard = guard
        self._switchboard = switchboard
        self._personal_data = personal_data
        self._render = render

    async def decide(self, tx: Tx, batch: Sequence[Keyed[Request]]) -> list[Answer]:
        """One answer per request, in order; the caller stores them and commits."""
        requests = [keyed.command for keyed in batch]
        wallets = await ledger.lock(tx, {Owner(r.user_id, KES.code) for r in requests})
        asks = [self._ask(request) for request in requests]
        view = await self._guard.look(tx, asks)
        assessor = await self._assessor(tx, asks, view)
        books = _Books(
            {owner.user_id: wallet.available for owner, wallet in wallets.items()},
            assessor,
            view.now,
            is_halted=await self._switchboard.halted(tx, (WITHDRAWALS, self._rail)) is not None,
        )
        decided = [self._decided(n, request, books) for n, request in enumerate(requests)]
        decided = [
            await self._challenged(tx, one, ask) for one, ask in zip(decided, asks, strict=True)
        ]
        accepted = [one.result for one in decided if isinstance(one.result, Accepted)]
        if accepted:
            await ledger.post(tx, [one.hold for one in accepted])
            await writing.insert(tx, [one.withdrawal for one in accepted])
            tx.wake(DUE)
        policy = self._guard.policy
        await audit.record(tx, [event for one in decided for event in _events(one, policy)])
        decisions = [_decision(one) for one in decided]
        await self._guard.record(tx, view, decisions, assessor.first_devices)
        return [self._render(one.result, one.request) for one in decided]

    def _ask(self, request: Request) -> Ask:
        phones = self._personal_data
        return Ask(
            request.user_id,
            phones.phone_indexes(request.phone),
            phones.slot_indexes(request.phone),
            request.origin,
        )

    async def _assessor(self, tx: Tx, asks: Sequence[Ask], view: View) -> Assessor:
        # Read after the locks, in a snapshot of its own: no race can pass a limit.
        histories = await reading.histories(
            tx,
            {ask.user_id for ask in asks},
            view.since(Scope.USER),
            {index for ask in asks for index in ask.recipient},
            view.since(Scope.RECIPIENT),
        )
        return self._guard.assessor(asks, view, histories.of_users, histories.of_recipients)

    def _decided(self, number: int, request: Request, books: "_Books") -> "_Decided":
        checks = Checks()
        try:
            if books.is_halted:
                raise WithdrawalsHalted
            self._amounts.check(request.amount_minor)
            checks = books.assessor.check(number, request.amount_minor)
            if checks.refusal is not None:
                raise checks.refusal
            if books.available.get(request.user_id, 0) < request.amount_minor:
                raise InsufficientFunds
        except PayopsError as error:
            return _Decided(request, error, checks)
        books.available[request.user_id] -= request.amount_minor
        books.assessor.accept(number, request.amount_minor, checks)
        return self._accepted(request, checks, books.now)

    async def _challenged(self, tx: Tx, one: "_Decided", ask: Ask) -> "_Decided":
        """As decided; a request from somewhere unknown gets its way out."""
        if not isinstance(one.result, UnusualActivity):
            return one
        return replace(one, result=await self._guard.challenge(tx, ask))

    def _accepted(self, request: Request, checks: Checks, now: datetime) -> "_Decided":
        withdrawal_id = new_id()
        phone = self._personal_data.seal_phone(
            Place(*PHONE_PLACE, request.user_id, withdrawal_id), request.phone
        )
        txid = show(withdrawal_id)
        hold = entries.withdrawal_held(
            request.user_id, Money(request.amount_minor, KES), reference=txid
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
        accepted = Accepted(withdrawal, txid, hold, checks.assessment.header)
        return _Decided(request, accepted, checks)


@dataclass(frozen=True, slots=True)
class _Decided:
    request: Request
    result: Result
    checks: Checks


@dataclass(frozen=True, slots=True)
class _Books:
    """What the batch has left so far."""

    available: dict[str, int]  # per user
    assessor: Assessor
    now: datetime
    is_halted: bool


def _decision(one: _Decided) -> Decision:
    request, result, checks = one.request, one.result, one.checks
    outcome, code, subject = Outcome.ACCEPTED, "", None
    match result:
        case Accepted():
            subject = result.txid
        case UnusualActivity():
            outcome, code, subject = Outcome.CHALLENGED, result.code, result.verification_id
        case _:
            outcome, code = Outcome.REFUSED, result.code
    return Decision(
        user_id=request.user_id,
        action=Action.WITHDRAWAL,
        outcome=outcome,
        code=code,
        subject=subject,
        request_id=request.request_id,
        amount_minor=request.amount_minor,
        findings=checks.assessment.findings,
        seen=checks.seen,
        device_id=checks.device_id,
    )


def _events(one: _Decided, policy: Policy) -> Iterator[AuditEvent]:
    """What is recorded of one request; also what is unusual and only watched."""
    seen, result = one.checks.seen, one.result
    subject = result.txid if isinstance(result, Accepted) else None
    if seen is not None and seen.is_unusual:
        challenge = result.verification_id if isinstance(result, UnusualActivity) else subject
        found = {"why": seen.value, "policy": policy.value}
        yield _event("unusual_activity", one.request, challenge, found)
    if isinstance(result, Accepted):
        yield _event("withdrawal_initiated", one.request, subject, {})
    elif not isinstance(result, UnusualActivity):
        yield _event("withdrawal_refused", one.request, None, {"code": result.code})


def _event(
    kind: str, request: Request, subject: str | None, detail: Mapping[str, object]
) -> AuditEvent:
    return AuditEvent(
        kind=kind,
        actor=request.actor,
        user_id=request.user_id,
        subject=subject,
        request_id=request.request_id,
        detail={"amountMinor": request.amount_minor, **detail},
    )
