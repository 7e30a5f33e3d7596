"""What a rail reports, by callback or when asked, applied to the withdrawals it concerns."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from payops.audit.domain import AuditEvent
from payops.infra.db import Tx
from payops.infra.metrics import Metrics
from payops.pii.service import PersonalData
from payops.webhooks.ports import Effect, Handled
from payops.withdrawals.domain import State, Withdrawal, read
from payops.withdrawals.errors import IllegalTransition
from payops.withdrawals.ports import Report
from payops.withdrawals.service import deciding
from payops.withdrawals.service.deciding import Policy
from payops.withdrawals.service.moving import Moved, Moves, already_claimed, contradiction
from payops.withdrawals.service.requesting import QUESTIONS
from payops.withdrawals.store import reading, writing


@dataclass(frozen=True, slots=True)
class Settlement:
    """Applies reports of one rail. A final state never changes because of one."""

    rail: str
    policy: Policy
    personal_data: PersonalData
    metrics: Metrics

    async def settle(self, tx: Tx, reports: Sequence[Report]) -> list[Handled]:
        """One result per report, in order; whatever moves, moves in the caller's transaction."""
        ids = await self._subjects(tx, reports)
        locked = await writing.lock(tx, {i for i in ids if i is not None})
        now: datetime = await tx.fetchval("SELECT now()")
        moves = Moves(locked, now, self.metrics)
        await moves.read_owners(tx, self.rail, names_in(reports))
        doubts = Doubts()
        hinted: set[str] = set()
        handled = []
        for report, withdrawal_id in zip(reports, ids, strict=True):
            withdrawal = moves.current(withdrawal_id) if withdrawal_id else None
            if withdrawal is None:
                # The path is not signed, so it proves nothing; but it says whom to ask about.
                hinted.add(report.path_txid or "")
                named = report.reference or report.txid
                handled.append(Handled(Effect.UNKNOWN, "no such withdrawal", subject=named))
                continue
            reason = self._apply(moves, withdrawal, report, doubts)
            handled.append(
                Handled(
                    Effect.PARKED if reason else Effect.APPLIED,
                    reason or "",
                    withdrawal.user_id,
                    withdrawal.txid,
                )
            )
        await moves.write(tx)
        doubts.ids |= _readable(hinted)
        await doubts.write(tx)
        return handled

    def _apply(
        self, moves: Moves, withdrawal: Withdrawal, report: Report, doubts: "Doubts"
    ) -> str | None:
        """Why the report cannot be believed, or ``None`` when it was applied."""
        actor = f"rail:{self.rail}"
        wrong = self.mismatches(moves, withdrawal, report)
        if wrong:
            moves.note(_error(withdrawal, actor, {"reason": "mismatch", "fields": wrong}))
            reason = f"mismatch: {', '.join(wrong)}"
            doubts.note(withdrawal, reason)
            doubts.alerts += self.claimed_elsewhere(moves, withdrawal, report)
            return reason
        try:
            moved = moves.observe(
                withdrawal.id, deciding.of_report(withdrawal, report, self.policy, actor)
            )
        except IllegalTransition as error:
            moves.note(contradiction(withdrawal, error, actor))
            doubts.note(withdrawal, f"contradiction: {error}")
            return f"contradiction: {error}"
        doubts.note_unforeseen(moved)
        return None

    def mismatches(self, moves: Moves, withdrawal: Withdrawal, report: Report) -> list[str]:
        """The names of what the report says otherwise than we know it.

        ``moves`` has read whose the report's payout id and receipt are.
        """
        known = withdrawal.provider_reference
        checks = {
            "rail": withdrawal.rail != self.rail,
            "id": report.txid not in (None, withdrawal.txid),
            "path": report.path_txid not in (None, withdrawal.txid),
            "reference": bool(known and report.reference and report.reference != known)
            or moves.is_of_another(withdrawal, "payout", report.reference),
            "user": report.user_id not in (None, withdrawal.user_id),
            "amount": report.amount_minor not in (None, withdrawal.amount_minor),
            # Two receipts for one payout: the customer was paid twice.
            "receipt": bool(
                withdrawal.receipt and report.receipt and report.receipt != withdrawal.receipt
            )
            or moves.is_of_another(withdrawal, "receipt", report.receipt),
            "phone": report.phone is not None
            and not withdrawal.is_phone_erased
            and not self.personal_data.is_index_of(withdrawal.phone_index, report.phone),
        }
        return [name for name, is_wrong in checks.items() if is_wrong]

    def claimed_elsewhere(
        self, moves: Moves, withdrawal: Withdrawal, report: Report
    ) -> list[Alert]:
        """An alert for each name in ``report`` that is another withdrawal's."""
        return [
            already_claimed(withdrawal, kind)
            for kind, name in sorted(names_in([report]))
            if moves.is_of_another(withdrawal, kind, name)
        ]

    async def _subjects(self, tx: Tx, reports: Sequence[Report]) -> list[UUID | None]:
        """Which withdrawal each report is about: by our id, else by the rail's."""
        unnamed = {r.reference for r in reports if r.reference and r.txid is None}
        claimed = await reading.claimed(tx, self.rail, unnamed) if unnamed else {}
        return [_subject(report, claimed.get(report.reference or "")) for report in reports]


@dataclass(slots=True)
class Doubts:
    """What in a batch cannot be true beside what is known: people are told, the rail is asked."""

    ids: set[UUID] = field(default_factory=set)
    alerts: list[Alert] = field(default_factory=list)

    def note(self, withdrawal: Withdrawal, reason: str) -> None:
        self.ids.add(withdrawal.id)
        self.alerts.append(doubted(withdrawal, reason))

    def note_unforeseen(self, moved: Moved) -> None:
        """Somebody sent what we have as never sent: our record of that is lost."""
        if moved.before.state is State.PENDING and moved.after.state is State.UNRESOLVED:
            self.note(moved.after, "the rail has it, and by our books it was never sent")

    async def write(self, tx: Tx) -> None:
        """After the moves; alerts in one order, since each is a row that others may raise too."""
        if self.ids:
            await writing.ask_now(tx, self.ids)
            tx.wake(QUESTIONS)
        for alert in sorted(self.alerts, key=lambda alert: alert.key):
            await alerts.raise_alert(tx, alert)


def names_in(reports: Iterable[Report]) -> set[tuple[str, str]]:
    """``(kind, name)`` of what must be one withdrawal's alone."""
    named = [
        (kind, name)
        for report in reports
        for kind, name in (("payout", report.reference), ("receipt", report.receipt))
    ]
    return {(kind, name) for kind, name in named if name}


def doubted(withdrawal: Withdrawal, reason: str) -> Alert:
    """Something said of a payout cannot be true beside what is known of it."""
    return Alert(
        key=doubt_key(withdrawal.txid),
        kind="withdrawal_contradiction",
        severity=Severity.CRITICAL,
        summary="A report about a payout contradicts what is known of it.",
        detail={"withdrawal": withdrawal.txid, "reason": reason},
    )


def doubt_key(txid: str) -> str:
    """The key of the alert that ``doubted`` makes."""
    return f"withdrawal_contradiction:{txid}"


def _subject(report: Report, claimed: UUID | None) -> UUID | None:
    """The body names the withdrawal, by our id or by the rail's: only the body is signed."""
    if report.txid is None:
        return claimed
    named = _readable({report.txid})
    return named.pop() if named else None


def _readable(txids: set[str]) -> set[UUID]:
    found = set()
    for txid in txids:
        with suppress(ValueError):
            found.add(read(txid))
    return found


def _error(withdrawal: Withdrawal, actor: str, detail: dict[str, object]) -> AuditEvent:
    return AuditEvent(
        kind="withdrawal_webhook_error",
        actor=actor,
        user_id=withdrawal.user_id,
        subject=withdrawal.txid,
        detail=detail,
    )
