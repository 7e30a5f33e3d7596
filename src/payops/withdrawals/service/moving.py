"""Moves: what a batch of observations does to withdrawals, and to the money they hold.

State, ledger and audit change together, in the caller's transaction, whoever observed:
the sender, a callback, a question, a person. There is no other way to move a withdrawal.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.infra.db import Tx
from payops.infra.metrics import Metrics
from payops.kernel.money import KES, Money
from payops.ledger import entries
from payops.ledger import service as ledger
from payops.ledger.domain import MPESA_CLEARING, Journal, Owner
from payops.webhooks import service as webhooks
from payops.withdrawals.domain import FINAL, Event, State, Withdrawal, advance
from payops.withdrawals.errors import IllegalTransition
from payops.withdrawals.service.deciding import Bearer, Observation
from payops.withdrawals.store import reading, writing

log = structlog.get_logger(__name__)

# Raised while a payout is unclear, by whoever notices; over when it is final.
UNCLEAR: Final = (State.SENT, State.UNRESOLVED, State.REVIEW)
UNCLEAR_ALERTS: Final = ("withdrawal_unclear", "withdrawal_review")

_AUDIT_KIND: Final[Mapping[State, str]] = {
    State.COMPLETED: "withdrawal_success",
    State.FAILED: "withdrawal_failed",
    State.CANCELLED: "withdrawal_cancelled",
    State.UNRESOLVED: "withdrawal_unresolved",
    State.REVIEW: "withdrawal_review",
    State.SENT: "withdrawal_sent",
    State.PENDING: "withdrawal_requeued",
    State.REVERSED: "withdrawal_reversed",
}


@dataclass(frozen=True, slots=True)
class Moved:
    """What an observation did: ``after`` is the withdrawal as it is now."""

    before: Withdrawal
    after: Withdrawal


class Moves:
    """Collects the effects of observations on locked withdrawals and writes them at once.

    Several observations of one withdrawal in a batch see each other's effect.
    """

    def __init__(self, locked: Iterable[Withdrawal], now: datetime, metrics: Metrics) -> None:
        self._now = now
        self._metrics = metrics
        self._rows = {w.id: w for w in locked}
        self._changed: set[UUID] = set()
        self._journals: list[Journal] = []
        self._references: list[tuple[Withdrawal, str, str]] = []
        self._events: list[AuditEvent] = []
        self._log: list[tuple[Withdrawal, State]] = []
        self._freed: set[UUID] = set()
        self._doubted: list[Withdrawal] = []
        self._owners: dict[tuple[str, str, str], UUID | None] = {}  # as far as they were read
        self._cleared: set[str] = set()  # alerts that are over

    def current(self, withdrawal_id: UUID) -> Withdrawal | None:
        return self._rows.get(withdrawal_id)

    async def read_owners(self, tx: Tx, rail: str, named: Collection[tuple[str, str]]) -> None:
        """Learn whose the names ``(kind, reference)`` are, before anything is decided by them.

        To be called with the withdrawals locked. Should another transaction claim one of them
        before ``write``, the whole work is done again, and finds it taken.
        """
        if named:
            self._owners |= {(rail, *name): None for name in named}
            found = await reading.owners(tx, rail, named)
            self._owners |= {(rail, *name): owner for name, owner in found.items()}

    def is_of_another(self, withdrawal: Withdrawal, kind: str, reference: str | None) -> bool:
        """Whether another withdrawal has claimed it, also within this batch."""
        if reference is None:
            return False
        owner = self._owners.get((withdrawal.rail, kind, reference))
        return owner not in (None, withdrawal.id)

    def observe(
        self, withdrawal_id: UUID, seen: Observation, *, request_id: str | None = None
    ) -> Moved:
        """Apply one observation.

        Raises:
            IllegalTransition: it contradicts the state; nothing was changed.
        """
        before = self._rows[withdrawal_id]
        state = advance(before.state, seen.event) if seen.event else before.state
        if before.state is state and state in FINAL:
            after = self._asked_about(before, seen)
        else:
            after = self._changed_by(before, seen, state)
        if after != before:
            self._rows[withdrawal_id] = after
            self._changed.add(withdrawal_id)
        self._note_references(before, after)
        if state is not before.state:
            self._settle(after, seen, request_id)
            self._log.append((after, before.state))
            if before.state in UNCLEAR and state in FINAL:
                self._cleared |= {f"{kind}:{after.txid}" for kind in UNCLEAR_ALERTS}
        return Moved(before, after)

    def rest(self, withdrawal_id: UUID) -> None:
        """The question about a final one is answered: nothing is due any more."""
        row = self._rows[withdrawal_id]
        if row.state in FINAL and row.due_at is not None:
            self._rows[withdrawal_id] = replace(row, due_at=None)
            self._changed.add(withdrawal_id)

    def note(self, event: AuditEvent) -> None:
        """An audit record that goes with these moves."""
        self._events.append(event)

    async def write(self, tx: Tx) -> None:
        """Everything observed, in a fixed number of statements."""
        if self._journals:
            await ledger.lock(tx, {Owner(j.user_id, KES.code) for j in self._journals})
            await ledger.post(tx, self._journals)
        if self._changed:
            await writing.update(tx, [self._rows[i] for i in sorted(self._changed)])
        if self._references:
            taken = await writing.keep_references(tx, self._references)
            self._check_still_free(taken)
            for rail in {withdrawal.rail for withdrawal, _, _ in self._references}:
                named = {
                    name for w, kind, name in self._references if (w.rail, kind) == (rail, "payout")
                }
                await webhooks.rematch(tx, rail, named)
            for withdrawal, kind, _ in taken:
                await alerts.raise_alert(tx, already_claimed(withdrawal, kind))
        if self._doubted:
            # Where equal payouts cannot be told apart, no other goes out meanwhile.
            await writing.take_slots(tx, [(w, [w.phone_index]) for w in self._doubted])
        if self._freed:
            await writing.free_slots(tx, self._freed)
        await audit.record(tx, self._events)
        await alerts.resolve_alerts(tx, self._cleared)
        tx.after_commit(self._log_moves)

    def _check_still_free(self, taken: Sequence[tuple[Withdrawal, str, str]]) -> None:
        """Raises ``SerializationError``: a name that was read as free was claimed meanwhile."""
        for withdrawal, kind, reference in taken:
            if (withdrawal.rail, kind, reference) in self._owners:
                raise asyncpg.SerializationError("a reference was claimed by another transaction")

    def _asked_about(self, before: Withdrawal, seen: Observation) -> Withdrawal:
        """A final one stays as it is; a question that nobody answered is put again."""
        filled = self._filled(before, seen)
        if seen.event is not None:
            return filled
        questions = before.questions if seen.questions is None else seen.questions
        return replace(filled, due_at=_later(self._now, seen.due_in), questions=questions)

    def _changed_by(self, before: Withdrawal, seen: Observation, state: State) -> Withdrawal:
        at_rest = state in FINAL or state is State.REVIEW
        due_at = None if at_rest else _later(self._now, seen.due_in) or before.due_at
        return replace(
            self._filled(before, seen),
            state=state,
            due_at=due_at,
            attempts=before.attempts + (seen.event is Event.CLAIMED),
            first_sent_at=before.first_sent_at
            or (self._now if seen.event is Event.CLAIMED else None),
            tries=before.tries if seen.tries is None else seen.tries,
            is_doubtful=before.is_doubtful or seen.is_doubtful,
            questions=before.questions if seen.questions is None else seen.questions,
            unknown_answers=before.unknown_answers
            if seen.unknown_answers is None
            else seen.unknown_answers,
            unknown_at=before.unknown_at if seen.unknown_answers is None else self._now,
            failure=seen.failure if state is State.FAILED else None,
            updated_at=self._now if state is not before.state else before.updated_at,
        )

    def _filled(self, before: Withdrawal, seen: Observation) -> Withdrawal:
        """Names the rail gave are kept even from an echo, the first of each kind."""
        reference = before.provider_reference or seen.reference
        receipt = before.receipt or seen.receipt
        if (reference, receipt) == (before.provider_reference, before.receipt):
            return before
        return replace(before, provider_reference=reference, receipt=receipt)

    def _note_references(self, before: Withdrawal, after: Withdrawal) -> None:
        names = [
            ("payout", after.provider_reference, before.provider_reference),
            ("receipt", after.receipt, before.receipt),
        ]
        for kind, name, known in names:
            if name and name != known:
                self._references.append((after, kind, name))
                if self._owners.get((after.rail, kind, name), after.id) is None:
                    self._owners[after.rail, kind, name] = after.id

    def _settle(self, after: Withdrawal, seen: Observation, request_id: str | None) -> None:
        amount = Money(after.amount_minor, KES)
        if after.state is State.COMPLETED:
            self._journals.append(
                entries.withdrawal_paid(
                    after.user_id, amount, reference=after.txid, hold=after.hold_id
                )
            )
        elif after.state in (State.FAILED, State.CANCELLED):
            self._journals.append(
                entries.withdrawal_released(
                    after.user_id, amount, reference=after.txid, hold=after.hold_id
                )
            )
        elif seen.refund is not None:
            account = MPESA_CLEARING if seen.refund.bearer is Bearer.RAIL else entries.MPESA_LOSSES
            self._journals.append(
                entries.withdrawal_refunded(
                    after.user_id,
                    amount,
                    reference=after.txid,
                    paid=seen.refund.paid,
                    account=account,
                )
            )
        if after.state in FINAL or after.state is State.PENDING:
            self._freed.add(after.id)
        elif seen.event is Event.DOUBTED:
            self._doubted.append(after)
        if after.state is State.SENDING:
            return  # the attempt has a record of its own
        self._events.append(
            AuditEvent(
                kind=_AUDIT_KIND[after.state],
                actor=seen.actor,
                user_id=after.user_id,
                subject=after.txid,
                request_id=request_id,
                detail=_detail(after, seen),
            )
        )

    def _log_moves(self) -> None:
        for withdrawal, before in self._log:
            self._metrics.count_outcome(withdrawal.rail, withdrawal.state.value)
            log.info(
                "withdrawal.moved",
                withdrawal_id=withdrawal.txid,
                user_id=withdrawal.user_id,
                before=before.value,
                after=withdrawal.state.value,
            )


def contradiction(withdrawal: Withdrawal, error: IllegalTransition, actor: str) -> AuditEvent:
    """The record of an observation that could not be true; it changes nothing."""
    return AuditEvent(
        kind="withdrawal_webhook_error",
        actor=actor,
        user_id=withdrawal.user_id,
        subject=withdrawal.txid,
        detail={"reason": "contradiction", "state": error.state, "event": error.event},
    )


def already_claimed(withdrawal: Withdrawal, kind: str) -> Alert:
    """The rail gave one payout id, or one receipt, for two withdrawals: it paid one of them."""
    return Alert(
        key=f"payout_reference:{withdrawal.txid}:{kind}",
        kind="payout_reference",
        severity=Severity.CRITICAL,
        summary="The rail names the same payout or receipt for two withdrawals.",
        detail={"withdrawal": withdrawal.txid, "kind": kind},
    )


def _later(now: datetime, wait: timedelta | None) -> datetime | None:
    return None if wait is None else now + wait


def _detail(after: Withdrawal, seen: Observation) -> dict[str, object]:
    detail: dict[str, object] = {
        "amountMinor": after.amount_minor,
        "event": (seen.event or Event.CLAIMED).value,
        **seen.detail,
    }
    if after.failure:
        detail["failure"] = after.failure.code
    return detail
