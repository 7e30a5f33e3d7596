"""Asking the rail about payouts that are not settled, and recording what it says.

Asking is harmless, so it may happen twice; what an answer moves, it moves once.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, assert_never
from uuid import UUID

import structlog

from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from payops.audit.domain import AuditEvent
from payops.infra.batching import Batcher
from payops.infra.db import Database, Tx
from payops.infra.metrics import Metrics
from payops.pii.domain import Access, Place, Purpose
from payops.pii.service import PersonalData
from payops.withdrawals.domain import FINAL, State, Withdrawal
from payops.withdrawals.errors import IllegalTransition
from payops.withdrawals.ports import (
    Candidates,
    NoAnswer,
    NotKnown,
    PayoutRail,
    Question,
    Report,
    StatusAnswer,
)
from payops.withdrawals.service import deciding
from payops.withdrawals.service.claiming import unreadable_phone
from payops.withdrawals.service.deciding import Policy
from payops.withdrawals.service.moving import Moved, Moves, contradiction
from payops.withdrawals.service.requesting import PHONE_PLACE
from payops.withdrawals.service.settling import Doubts, Settlement, doubted, names_in
from payops.withdrawals.store import reading, writing

log = structlog.get_logger(__name__)

ACTOR: Final = "system:reconciliation"

# Longer than a question takes: another replica does not ask the same meanwhile.
_ASKING_LEASE: Final = timedelta(minutes=2)
ASKABLE: Final = (
    State.UNRESOLVED,
    State.SENT,
    State.REVIEW,
    State.COMPLETED,
    State.FAILED,
    State.REVERSED,
)


class Finding(StrEnum):
    """What asking about one payout came to."""

    COMPLETED = "completed"
    FAILED = "failed"
    UNRESOLVED = "unresolved"  # still open, or not known
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class _Asked:
    withdrawal: Withdrawal
    answer: StatusAnswer
    purpose: str


class Inquiry:
    """Questions to one rail. ``finding`` never raises for what the rail does."""

    def __init__(
        self,
        *,
        db: Database,
        rail: PayoutRail,
        policy: Policy,
        personal_data: PersonalData,
        settlement: Settlement,
        metrics: Metrics,
    ) -> None:
        self._db = db
        self._rail = rail
        self._policy = policy
        self._personal_data = personal_data
        self._settlement = settlement
        self._metrics = metrics
        self._records: Batcher[_Asked, Finding] = Batcher(self._record, lanes=2)

    @property
    def rail_name(self) -> str:
        return self._rail.name

    async def due(self, limit: int) -> list[Withdrawal]:
        """Withdrawals a question is due for, put off meanwhile so that nobody else asks."""

        async def work(tx: Tx) -> list[Withdrawal]:
            rows = await writing.claim(tx, ASKABLE, self._rail.name, limit)
            await writing.put_off(tx, rows, _ASKING_LEASE)
            return rows

        return await self._db.run(work)

    async def open_after(
        self, *, min_age_seconds: int, after: UUID, limit: int
    ) -> list[Withdrawal]:
        """A page of everything sent and not final, for a full reconciliation."""
        async with self._db.transaction(read_only=True) as tx:
            return await reading.open_after(
                tx, min_age_seconds=min_age_seconds, after=after, limit=limit
            )

    async def questions(
        self, withdrawals: Sequence[Withdrawal], *, origin: str
    ) -> list[tuple[Withdrawal, Question]]:
        """The questions to put, phone numbers opened and that recorded, in one transaction.

        None for a withdrawal whose number cannot be opened: that raises an alert instead.
        """

        async def work(tx: Tx) -> list[tuple[Withdrawal, Question]]:
            phones = await self._personal_data.try_phones(
                tx,
                [
                    (
                        Place(*PHONE_PLACE, w.user_id, w.id),
                        w.phone_sealed,
                        Access(ACTOR, Purpose.RECONCILIATION, w.txid, origin=origin),
                    )
                    for w in withdrawals
                ],
            )
            for withdrawal, phone in zip(withdrawals, phones, strict=True):
                if phone is None:
                    await alerts.raise_alert(tx, unreadable_phone(withdrawal))
            return [
                (
                    w,
                    Question(
                        w.txid,
                        phone,
                        w.amount_minor // 100,
                        w.first_sent_at or w.created_at,
                        w.provider_reference,
                    ),
                )
                for w, phone in zip(withdrawals, phones, strict=True)
                if phone is not None
            ]

        return await self._db.run(work)

    async def finding(self, withdrawal: Withdrawal, question: Question, *, origin: str) -> Finding:
        """Ask about one payout and record the answer; an error is that payout's alone."""
        try:
            began = time.monotonic()
            answer = await self._rail.ask(question)
            self._metrics.observe_answer(
                self._rail.name, "ask", _name(answer), time.monotonic() - began
            )
            return await self._records.submit(_Asked(withdrawal, answer, origin))
        except Exception:
            log.exception("reconciliation.item_failed", withdrawal_id=withdrawal.txid)
            return Finding.ERROR

    async def _record(self, batch: Sequence[_Asked]) -> list[Finding]:
        async def work(tx: Tx) -> list[Finding]:
            now: datetime = await tx.fetchval("SELECT now()")
            locked = await writing.lock(tx, {one.withdrawal.id for one in batch})
            moves = Moves(locked, now, self._metrics)
            reports = [report for one in batch for report in _reports_in(one.answer)]
            await moves.read_owners(tx, self._rail.name, names_in(reports))
            doubts = Doubts()
            findings = [self._apply(moves, one, now, doubts) for one in batch]
            doubts.alerts += self._alerts(moves, batch)
            await moves.write(tx)
            await doubts.write(tx)
            return findings

        return await self._db.run(work)

    def _apply(self, moves: Moves, one: _Asked, now: datetime, doubts: Doubts) -> Finding:
        withdrawal = moves.current(one.withdrawal.id)
        if withdrawal is None:
            return Finding.ERROR
        answer = _chosen(one.answer, moves, withdrawal)
        moves.note(_check_event(withdrawal, answer, one.purpose))
        try:
            moved = self._observe(moves, withdrawal, answer, now)
        except IllegalTransition as error:
            moves.note(contradiction(withdrawal, error, ACTOR))
            moved = None
        if moved is None:
            # Not noted as one to ask at once: it was asked, and this is what came of it.
            doubts.alerts.append(doubted(withdrawal, "the rail's own answer"))
            for report in _reports_in(answer):
                doubts.alerts += self._settlement.claimed_elsewhere(moves, withdrawal, report)
            moves.observe(withdrawal.id, deciding.of_disbelief(withdrawal, self._policy))
        else:
            doubts.note_unforeseen(moved)
            if isinstance(answer, Report):
                moves.rest(withdrawal.id)
        if moved is None or isinstance(answer, NoAnswer):
            return Finding.ERROR
        return _finding(moved.after.state)

    def _observe(
        self, moves: Moves, withdrawal: Withdrawal, answer: StatusAnswer, now: datetime
    ) -> Moved | None:
        match answer:
            case Report():
                wrong = self._settlement.mismatches(moves, withdrawal, answer)
                if wrong:
                    moves.note(_error_event(withdrawal, {"reason": "mismatch", "fields": wrong}))
                    return None
                seen = deciding.of_report(withdrawal, answer, self._policy, ACTOR)
                return moves.observe(withdrawal.id, seen)
            case Candidates():
                return moves.observe(
                    withdrawal.id, deciding.of_ambiguity(withdrawal, len(answer.reports))
                )
            case NotKnown() | NoAnswer():
                seen = deciding.of_no_report(withdrawal, answer, self._policy, now)
                return moves.observe(withdrawal.id, seen)
            case _:
                assert_never(answer)

    def _alerts(self, moves: Moves, batch: Sequence[_Asked]) -> list[Alert]:
        stuck = {one.withdrawal.id for one in batch}
        reviewed = [
            w for i in stuck if (w := moves.current(i)) is not None and w.state is State.REVIEW
        ]
        return [
            Alert(
                key=f"withdrawal_review:{w.txid}",
                kind="withdrawal_review",
                severity=Severity.CRITICAL,
                summary="A payout could not be cleared up by asking; a person must decide.",
                detail={"withdrawal": w.txid, "amountMinor": w.amount_minor},
            )
            for w in reviewed
        ]


def _reports_in(answer: StatusAnswer) -> Sequence[Report]:
    match answer:
        case Report():
            return (answer,)
        case Candidates(reports):
            return reports
        case NotKnown() | NoAnswer():
            return ()
        case _:
            assert_never(answer)


def _chosen(answer: StatusAnswer, moves: Moves, withdrawal: Withdrawal) -> StatusAnswer:
    """Of candidates, the only one that no other withdrawal has claimed."""
    if not isinstance(answer, Candidates):
        return answer
    free = tuple(
        report
        for report in answer.reports
        if not moves.is_of_another(withdrawal, "payout", report.reference)
    )
    if not free:
        return NotKnown()
    return free[0] if len(free) == 1 else Candidates(free)


def _finding(state: State) -> Finding:
    if state in (State.COMPLETED, State.REVERSED):
        return Finding.COMPLETED
    return Finding.FAILED if state in FINAL else Finding.UNRESOLVED


def _name(answer: StatusAnswer) -> str:
    match answer:
        case Report():
            return answer.outcome.value
        case Candidates():
            return "ambiguous"
        case NotKnown():
            return "not_known"
        case NoAnswer():
            return "no_answer"
        case _:
            assert_never(answer)


def _check_event(withdrawal: Withdrawal, answer: StatusAnswer, origin: str) -> AuditEvent:
    detail: dict[str, object] = {
        "state": withdrawal.state.value,
        "origin": origin,
        "answer": _name(answer),
    }
    if isinstance(answer, NoAnswer):
        return _error_event(withdrawal, {**detail, "why": answer.why})
    return AuditEvent(
        kind="reconciliation_check",
        actor=ACTOR,
        user_id=withdrawal.user_id,
        subject=withdrawal.txid,
        detail=detail,
    )


def _error_event(withdrawal: Withdrawal, detail: dict[str, object]) -> AuditEvent:
    return AuditEvent(
        kind="reconciliation_error",
        actor=ACTOR,
        user_id=withdrawal.user_id,
        subject=withdrawal.txid,
        detail=detail,
    )
