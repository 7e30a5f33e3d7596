"""Taking due withdrawals up: the attempt is on record, with a lease, before anything is sent."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.fraud.service import blocking
from payops.infra.db import Database, Tx
from payops.infra.metrics import Metrics
from payops.pii.domain import Access, Msisdn, Place, Purpose
from payops.pii.service import PersonalData, Sealed
from payops.switches.domain import WITHDRAWALS
from payops.switches.service import Switchboard
from payops.withdrawals.domain import Event, State, Withdrawal
from payops.withdrawals.ports import Payout
from payops.withdrawals.service import deciding
from payops.withdrawals.service.deciding import UNAVAILABLE, Observation, Policy
from payops.withdrawals.service.moving import Moves
from payops.withdrawals.service.requesting import PHONE_PLACE
from payops.withdrawals.store import writing

ACTOR: Final = "system:dispatcher"
_SLOT_WAIT: Final = timedelta(seconds=5)
_BLOCKED_WAIT: Final = timedelta(minutes=1)
_CLEAN_UP_MAX: Final = 100
_UNREADABLE_WAIT: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Claimed:
    """One attempt that is written down and may be sent now."""

    withdrawal: Withdrawal
    payout: Payout
    claimed_at: float = field(default_factory=time.monotonic)  # tidy: a monotonic clock's unit

    @property
    def number(self) -> int:
        return self.withdrawal.attempts


@dataclass(frozen=True, slots=True)
class Claims:
    """How one rail's due withdrawals are claimed; ``lease`` exceeds the rail's time-out."""

    db: Database
    rail: str
    deduplicates: bool
    policy: Policy
    lease: timedelta
    pending_max: timedelta
    personal_data: PersonalData
    metrics: Metrics
    switchboard: Switchboard

    async def due(self, limit: int) -> list[Claimed]:
        """Up to ``limit`` withdrawals that are due to be sent, each with a fresh attempt.

        On the way, attempts whose lease ran out become ``unresolved``. While the rail is
        halted none is sent: what waits is kept, however long.
        """

        async def work(tx: Tx) -> list[Claimed]:
            if await self._is_halted(tx):
                await self._clean_up(tx, gives_up=False)
                return []
            # What is between two attempts, or lost its sender, goes before what is new.
            rows = await writing.claim(tx, (State.SENDING, State.PENDING), self.rail, limit)
            return await self._begin(tx, rows) if rows else []

        return await self.db.run(work)

    async def again(self, withdrawal_id: UUID) -> Claimed | None:
        """The next attempt of a withdrawal between two; ``None`` when it is not ours any more."""

        async def work(tx: Tx) -> list[Claimed]:
            if await self._is_halted(tx):
                return []
            row = await writing.claim_one(tx, withdrawal_id)
            return await self._begin(tx, [row]) if row else []

        claimed = await self.db.run(work)
        return claimed[0] if claimed else None

    async def without_rail(self) -> int:
        """What can be done while nothing may be sent: end leases, give up what waited too long."""

        async def work(tx: Tx) -> int:
            return await self._clean_up(tx, gives_up=not await self._is_halted(tx))

        return await self.db.run(work)

    async def _is_halted(self, tx: Tx) -> bool:
        return await self.switchboard.halted(tx, (WITHDRAWALS, self.rail)) is not None

    async def _clean_up(self, tx: Tx, *, gives_up: bool) -> int:
        sending = await writing.claim(tx, (State.SENDING,), self.rail, _CLEAN_UP_MAX)
        stale = (
            await writing.claim_stale(tx, self.rail, self.pending_max, _CLEAN_UP_MAX)
            if gives_up
            else []
        )
        if not sending and not stale:
            return 0
        now = await _now(tx)
        moves = Moves([*sending, *stale], now, self.metrics)
        for withdrawal in await self._end_leases(tx, sending, moves):
            moves.observe(withdrawal.id, self._between_attempts(withdrawal, now))
        for withdrawal in stale:
            gone = Observation(Event.GAVE_UP, ACTOR, failure=UNAVAILABLE)
            moves.observe(withdrawal.id, gone)
        await moves.write(tx)
        return len(sending) + len(stale)

    def _between_attempts(self, withdrawal: Withdrawal, now: datetime) -> Observation:
        """Back into the queue if nothing can have been acted on; else wait, and ask in the end."""
        if not withdrawal.is_doubtful:
            return Observation(Event.TURNED_AWAY, ACTOR, due_in=_SLOT_WAIT)
        if self._is_late(withdrawal, now):
            return deciding.of_silence(withdrawal, self.policy)
        return Observation(Event.RETRYING, ACTOR, due_in=_SLOT_WAIT)

    async def _begin(self, tx: Tx, rows: Sequence[Withdrawal]) -> list[Claimed]:
        now = await _now(tx)
        moves = Moves(rows, now, self.metrics)
        ready = await self._end_leases(tx, rows, moves)
        ready = self._repeatable(ready, moves, now)
        ready = await self._unblocked(tx, ready, moves)
        phones = await self._phones(tx, ready, moves)
        unreadable = [w for w in ready if w.id not in phones]
        ready = await self._alone(tx, [w for w in ready if w.id in phones], phones, moves)
        for withdrawal in ready:
            moves.observe(withdrawal.id, Observation(Event.CLAIMED, ACTOR, due_in=self.lease))
        begun = [moved for w in ready if (moved := moves.current(w.id))]
        for withdrawal in begun:
            moves.note(_attempt_event(withdrawal))
        await moves.write(tx)
        if begun:
            await writing.open_attempts(tx, begun)
        for withdrawal in unreadable:
            await alerts.raise_alert(tx, unreadable_phone(withdrawal))
        return [
            Claimed(w, Payout(w.txid, w.user_id, phones[w.id], w.amount_minor // 100))
            for w in begun
        ]

    def _repeatable(
        self, rows: Sequence[Withdrawal], moves: Moves, now: datetime
    ) -> list[Withdrawal]:
        """Those that may go out. Where, or when, a repeat could pay again, a doubt is asked about.

        The rail need not remember our id for ever, and its dialect may have been changed
        since the doubt arose.
        """
        kept = []
        for withdrawal in rows:
            if withdrawal.is_doubtful and (not self.deduplicates or self._is_late(withdrawal, now)):
                moves.observe(withdrawal.id, deciding.of_silence(withdrawal, self.policy))
            else:
                kept.append(withdrawal)
        return kept

    async def _unblocked(
        self, tx: Tx, rows: Sequence[Withdrawal], moves: Moves
    ) -> list[Withdrawal]:
        """What blocked users have that was never sent waits: whoever blocked them gives it back.

        What may have been sent is followed to its end all the same.
        """
        pending = {w.user_id for w in rows if w.state is State.PENDING}
        blocked = await blocking.active(tx, pending) if pending else {}
        kept = []
        for withdrawal in rows:
            if withdrawal.state is State.PENDING and withdrawal.user_id in blocked:
                moves.observe(withdrawal.id, Observation(None, ACTOR, due_in=_BLOCKED_WAIT))
            else:
                kept.append(withdrawal)
        return kept

    def _is_late(self, withdrawal: Withdrawal, now: datetime) -> bool:
        since = withdrawal.first_sent_at or withdrawal.created_at
        return now - since > self.pending_max

    async def _phones(self, tx: Tx, rows: Sequence[Withdrawal], moves: Moves) -> dict[UUID, Msisdn]:
        """The numbers to pay; one that cannot be read waits, and stops nobody else."""
        phones = await self.personal_data.try_phones(tx, [_sealed_phone(w) for w in rows])
        for withdrawal, phone in zip(rows, phones, strict=True):
            if phone is None:
                moves.observe(withdrawal.id, Observation(None, ACTOR, due_in=_UNREADABLE_WAIT))
        return {w.id: p for w, p in zip(rows, phones, strict=True) if p is not None}

    async def _end_leases(
        self, tx: Tx, rows: Sequence[Withdrawal], moves: Moves
    ) -> list[Withdrawal]:
        """Those of ``rows`` that have no attempt open; the others' leases have run out."""
        sending = [w for w in rows if w.state is State.SENDING]
        still_open = await writing.open_numbers(tx, sending) if sending else {}
        expired = [w for w in sending if w.id in still_open]
        if expired:
            await writing.close_attempts(
                tx, [(w, still_open[w.id], "lease_expired", "") for w in expired]
            )
        for withdrawal in expired:
            moves.observe(withdrawal.id, deciding.of_silence(withdrawal, self.policy))
        return [w for w in rows if w.id not in still_open]

    async def _alone(
        self,
        tx: Tx,
        rows: Sequence[Withdrawal],
        phones: Mapping[UUID, Msisdn],
        moves: Moves,
    ) -> list[Withdrawal]:
        """Without a reference of ours, two equal payouts at once could not be told apart."""
        if self.deduplicates or not rows:
            return list(rows)
        taken = await writing.take_slots(
            tx, [(w, self.personal_data.slot_indexes(phones[w.id])) for w in rows]
        )
        for withdrawal in rows:
            if withdrawal.id not in taken:
                moves.observe(withdrawal.id, Observation(None, ACTOR, due_in=_SLOT_WAIT))
        return [w for w in rows if w.id in taken]


async def close_forgotten(db: Database, *, lease: timedelta) -> int:
    """End attempts whose lease is over and whose withdrawal went on without their answer.

    A callback or a question had moved it on before its sender died. Until the attempt is
    closed, people may not decide about it. Nothing moves by this; returns how many.
    """

    async def work(tx: Tx) -> int:
        rows = await writing.claim_forgotten(tx, lease, _CLEAN_UP_MAX)
        numbers = await writing.open_numbers(tx, rows) if rows else {}
        ended = [(w, numbers[w.id], "lease_expired", "") for w in rows if w.id in numbers]
        if ended:
            await writing.close_attempts(tx, ended)
            await audit.record(tx, [_ended_event(w, number) for w, number, _, _ in ended])
        return len(ended)

    return await db.run(work)


def _sealed_phone(withdrawal: Withdrawal) -> Sealed:
    place = Place(*PHONE_PLACE, withdrawal.user_id, withdrawal.id)
    access = Access(ACTOR, Purpose.PAYOUT_SEND, withdrawal.txid, withdrawal.request_id)
    return place, withdrawal.phone_sealed, access


def unreadable_phone(withdrawal: Withdrawal) -> Alert:
    """Its key is missing, or it was tampered with: the log says which."""
    return Alert(
        key=f"phone_unreadable:{withdrawal.txid}",
        kind="phone_unreadable",
        severity=Severity.CRITICAL,
        summary="The phone number of a withdrawal cannot be opened; it waits.",
        detail={"withdrawal": withdrawal.txid},
    )


def _attempt_event(withdrawal: Withdrawal) -> AuditEvent:
    return AuditEvent(
        kind="withdrawal_attempt",
        actor=ACTOR,
        user_id=withdrawal.user_id,
        subject=withdrawal.txid,
        request_id=withdrawal.request_id,
        detail={"number": withdrawal.attempts, "rail": withdrawal.rail},
    )


def _ended_event(withdrawal: Withdrawal, number: int) -> AuditEvent:
    return AuditEvent(
        kind="withdrawal_attempt_answered",
        actor="system:lease",
        user_id=withdrawal.user_id,
        subject=withdrawal.txid,
        request_id=withdrawal.request_id,
        detail={"number": number, "answer": "lease_expired", "why": ""},
    )


async def _now(tx: Tx) -> datetime:
    now: datetime = await tx.fetchval("SELECT now()")
    return now
