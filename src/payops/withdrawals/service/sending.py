"""Sending: claim, call the rail with nothing open, record what it said, and retry safely.

The database is the truth: every wait is a due time there, so that another process goes on
where this one stops. tenacity drives the loop of one withdrawal while the process lives.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import assert_never
from uuid import UUID

import structlog
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    retry_if_result,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)

from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from payops.audit.domain import AuditEvent
from payops.infra.batching import Batcher
from payops.infra.db import Database, Tx
from payops.infra.metrics import Metrics
from payops.kernel.breaker import Breaker, Circuit
from payops.withdrawals.domain import Event, State, Withdrawal
from payops.withdrawals.errors import IllegalTransition
from payops.withdrawals.ports import (
    Answer,
    AnswerLost,
    CredentialRefused,
    Declined,
    NotDelivered,
    PayoutRail,
    Taken,
)
from payops.withdrawals.service import deciding
from payops.withdrawals.service.claiming import Claimed, Claims
from payops.withdrawals.service.deciding import Policy
from payops.withdrawals.service.moving import Moves, contradiction
from payops.withdrawals.service.settling import Doubts
from payops.withdrawals.store import writing

log = structlog.get_logger(__name__)

_RECORDING_MAX = timedelta(hours=1)

# A payout takes seconds, so a few milliseconds more cost nobody anything; claims and records
# of one or two withdrawals at a time would cost a busy worker most of its core.
_CLAIMED_APART = timedelta(milliseconds=20)
_RECORDED_APART = timedelta(milliseconds=20)


@dataclass(frozen=True, slots=True)
class _Answered:
    claimed: Claimed
    answer: Answer
    breaker_wait: timedelta | None  # while the breaker is open
    resolves_credentials: bool  # the rail accepts our key (again)


class _Stopped(Exception):
    pass


class Sender:
    """Sends what is due on one rail, at most ``concurrency`` calls at a time."""

    def __init__(
        self,
        *,
        db: Database,
        rail: PayoutRail,
        breaker: Breaker,
        claims: Claims,
        policy: Policy,
        metrics: Metrics,
        concurrency: int,
    ) -> None:
        self._db = db
        self._rail = rail
        self._breaker = breaker
        self._claims = claims
        self._policy = policy
        self._metrics = metrics
        self._concurrency = concurrency
        self._calling = 0
        self._is_key_proven = False
        self._has_room = asyncio.Event()
        self._stopping = asyncio.Event()
        self._loops: set[asyncio.Task[None]] = set()
        self._records: Batcher[_Answered, timedelta | None] = Batcher(
            self._record, lanes=2, apart=_RECORDED_APART
        )

    async def send_due(self) -> int:
        """Claim what is due, as far as there is room, and begin to send it; returns how many."""
        if self._stopping.is_set():
            return 0
        was_closed = self._breaker.circuit is Circuit.CLOSED
        admitted = self._breaker.admit(self._concurrency - self._calling)
        if admitted < 1:
            if self._breaker.seconds_until_trial:
                await self._claims.without_rail()
            return 0
        claimed = await self._claims.due(admitted)
        if not claimed and not was_closed:
            self._breaker.give_back()
        for one in claimed:
            self._calling += 1
            task = asyncio.create_task(self._drive(one))
            self._loops.add(task)
            task.add_done_callback(self._loops.discard)
        return len(claimed)

    async def room(self) -> None:
        """Wait until another call may begin, and a while in which more may come due."""
        await asyncio.sleep(_CLAIMED_APART.total_seconds())
        await self._slot()

    def begin_no_more(self) -> None:
        """Claim nothing more; what waits for its next attempt is left to the queue."""
        self._stopping.set()

    async def stop(self, within_seconds: int) -> None:
        """Finish the calls on the wire, or leave them to their leases."""
        self.begin_no_more()
        if self._loops:
            _, late = await asyncio.wait(self._loops, timeout=within_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._records.drained()

    async def _slot(self) -> None:
        while self._calling >= self._concurrency:
            self._has_room.clear()
            await self._has_room.wait()

    async def _drive(self, first: Claimed) -> None:
        """One withdrawal until there is an answer; most are answered at once and need no loop."""
        try:
            wait = await self._send(first)
            if wait is not None:
                await self._try_again(first.withdrawal.id, wait)
        except _Stopped:
            log.info("withdrawal.left_to_queue", withdrawal_id=first.withdrawal.txid)
        except Exception:
            # The attempt is on record: its lease, or its due time, brings it back.
            log.exception("withdrawal.send_failed", withdrawal_id=first.withdrawal.txid)

    async def _try_again(self, withdrawal_id: UUID, first_wait: timedelta) -> None:
        """The safe loop: the same transaction id, whose first attempt is made, until answered."""
        made: timedelta | None = first_wait

        async def attempt() -> timedelta | None:
            nonlocal made
            if made is not None:
                wait, made = made, None
                return wait
            claimed = await self._next(withdrawal_id)
            return await self._send(claimed) if claimed else None

        loop = AsyncRetrying(
            retry=retry_if_result(lambda wait: wait is not None),
            wait=_told,
            stop=stop_after_attempt(self._policy.retry.attempts_max),
            sleep=self._pause,
            retry_error_callback=_leave_to_queue,
        )
        await loop(attempt)

    async def _next(self, withdrawal_id: UUID) -> Claimed | None:
        """The next attempt, written down; ``None`` leaves the withdrawal to whoever claims it."""
        await self._slot()
        if self._breaker.admit() < 1:
            return None
        self._calling += 1
        try:
            claimed = await self._claims.again(withdrawal_id)
        except BaseException:
            self._done_calling()
            raise
        if claimed is None:
            self._breaker.give_back()
            self._done_calling()
        return claimed

    async def _send(self, claimed: Claimed) -> timedelta | None:
        """Call the rail and record what it said; returns the wait before the next attempt."""
        began = time.monotonic()
        try:
            answer = await self._call(claimed)
        finally:
            self._done_calling()
        self._metrics.observe_answer(
            self._rail.name, "send", _name(answer), time.monotonic() - began
        )
        has_closed = self._count(answer)
        self._metrics.set_breaker(
            self._rail.name, is_open=self._breaker.circuit is not Circuit.CLOSED
        )
        wait = self._breaker.seconds_until_trial
        answered = _Answered(
            claimed,
            answer,
            timedelta(seconds=wait) if wait else None,
            resolves_credentials=self._accepts_key(answer) or has_closed,
        )
        try:
            return await self._records.submit(answered)
        except Exception:  # noqa: BLE001 - of any kind: what was answered must not be lost
            return await self._keep_recording(answered)

    async def _keep_recording(self, answered: _Answered) -> timedelta | None:
        """Nothing else is kept of this answer, and recording it late is safe.

        Only the open attempt moves anything. A shutdown ends the loop.
        """
        keep_trying = AsyncRetrying(
            retry=retry_if_exception_type(Exception),
            wait=wait_random_exponential(max=5),
            stop=stop_after_delay(_RECORDING_MAX),
            reraise=True,
        )
        return await keep_trying(self._records.submit, answered)

    async def _call(self, claimed: Claimed) -> Answer:
        """What the rail says; a claim that a stalled process comes back to is too old to send."""
        if time.monotonic() - claimed.claimed_at > self._claims.lease.total_seconds() / 2:
            return NotDelivered("stalled before the call", is_outage=False)
        return await self._rail.send(claimed.payout)

    def _done_calling(self) -> None:
        self._calling -= 1
        self._has_room.set()

    def _accepts_key(self, answer: Answer) -> bool:
        """Once a process: the alert may have been raised by one that a new key replaced."""
        if self._is_key_proven or not isinstance(answer, Taken | Declined):
            return False
        self._is_key_proven = True
        return True

    async def _pause(self, seconds: float) -> None:  # tidy: tenacity's unit
        """Wait between attempts; a stopping process does not."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return
        raise _Stopped

    def _count(self, answer: Answer) -> bool:
        """Tell the breaker; returns whether the rail has just come back."""
        match answer:
            case CredentialRefused():
                self._breaker.trip()
            case NotDelivered(is_outage=False):
                self._breaker.give_back()
            case NotDelivered() | AnswerLost(is_outage=True):
                self._breaker.failed()
            case Taken() | Declined() | AnswerLost():
                return self._breaker.succeeded()
            case _:
                assert_never(answer)
        return False

    async def _record(self, batch: Sequence[_Answered]) -> list[timedelta | None]:
        async def work(tx: Tx) -> list[timedelta | None]:
            moves = Moves(
                await writing.lock(tx, {one.claimed.withdrawal.id for one in batch}),
                await tx.fetchval("SELECT now()"),
                self._metrics,
            )
            closed = await writing.close_attempts(tx, [_closing(one) for one in batch])
            doubts = Doubts()
            waits = [
                self._apply(
                    moves,
                    one,
                    doubts,
                    is_open=(one.claimed.withdrawal.id, one.claimed.number) in closed,
                )
                for one in batch
            ]
            await moves.write(tx)
            await self._alert(tx, batch)
            await doubts.write(tx)
            return waits

        return await self._db.run(work)

    def _apply(
        self, moves: Moves, one: _Answered, doubts: Doubts, *, is_open: bool
    ) -> timedelta | None:
        """Only the open attempt moves the withdrawal; a late answer may still name the payout."""
        withdrawal = moves.current(one.claimed.withdrawal.id)
        if withdrawal is None or not (is_open or isinstance(one.answer, Taken)):
            return None
        seen = deciding.of_answer(
            withdrawal,
            one.answer,
            self._policy,
            deduplicates=self._rail.deduplicates,
            breaker_wait=one.breaker_wait,
            is_only=not one.claimed.withdrawal.is_doubtful,
        )
        moves.note(_answer_event(withdrawal, one))
        try:
            moved = moves.observe(withdrawal.id, seen)
        except IllegalTransition as error:
            moves.note(contradiction(withdrawal, error, seen.actor))
            doubts.note(withdrawal, f"the reply to the send: {error}")
            log.warning("withdrawal.contradiction", withdrawal_id=withdrawal.txid, seen=error.event)
            return None
        retries = seen.event is Event.RETRYING and moved.after.state is State.SENDING
        return seen.due_in if retries else None

    async def _alert(self, tx: Tx, batch: Sequence[_Answered]) -> None:
        key = f"rail_credentials:{self._rail.name}"
        if any(isinstance(one.answer, CredentialRefused) for one in batch):
            await alerts.raise_alert(
                tx,
                Alert(
                    key=key,
                    kind="rail_credentials",
                    severity=Severity.CRITICAL,
                    summary="The payout rail refuses our credentials; withdrawals wait.",
                    detail={"rail": self._rail.name},
                ),
            )
        elif any(one.resolves_credentials for one in batch):
            await alerts.resolve_alert(tx, key)


def _told(state: RetryCallState) -> float:  # tidy: tenacity's unit
    wait: timedelta | None = state.outcome.result() if state.outcome else None
    return wait.total_seconds() if wait else 0


def _leave_to_queue(_: RetryCallState) -> None:
    """Out of tries in this loop: the due time in the database stands."""


def _name(answer: Answer) -> str:
    match answer:
        case Taken():
            return "taken"
        case Declined():
            return "declined"
        case NotDelivered():
            return "not_delivered"
        case CredentialRefused():
            return "credential_refused"
        case AnswerLost():
            return "lost"
        case _:
            assert_never(answer)


def _why(answer: Answer) -> str:
    """What may be kept of an answer: never the rail's own words about a person."""
    match answer:
        case NotDelivered(why) | CredentialRefused(why) | AnswerLost(why):
            return why
        case Declined(code):
            return deciding.shown_code(code)
        case Taken():
            return ""
        case _:
            assert_never(answer)


def _closing(one: _Answered) -> tuple[Withdrawal, int, str, str]:
    return one.claimed.withdrawal, one.claimed.number, _name(one.answer), _why(one.answer)


def _answer_event(withdrawal: Withdrawal, one: _Answered) -> AuditEvent:
    return AuditEvent(
        kind="withdrawal_attempt_answered",
        actor=f"rail:{withdrawal.rail}",
        user_id=withdrawal.user_id,
        subject=withdrawal.txid,
        request_id=withdrawal.request_id,
        detail={
            "number": one.claimed.number,
            "answer": _name(one.answer),
            "why": _why(one.answer),
        },
    )
