"""Changing rules: what is stricter acts at once, what is looser waits for a second person.

It waits as long as any approval does, and holds for the version of the rule it was asked of:
whatever is past either is closed, so that it never stands in the way of the next.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import asyncpg

from payops.access.domain import person_of
from payops.access.errors import FourEyesRequired
from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from payops.approvals import service as approvals
from payops.approvals.errors import ApprovalExpired
from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.fraud.domain.changes import Change, ChangeState, Version
from payops.fraud.domain.rules import Mode, Rule, checked, loosens, merged
from payops.fraud.errors import (
    ChangeDecided,
    ChangeNotFound,
    ChangePending,
    RuleChanged,
    RuleExists,
    RuleInvalid,
    RuleNotFound,
)
from payops.fraud.service.velocity import RULES_TOPIC, Velocity
from payops.fraud.store import rules as store
from payops.infra.db import Database, Tx
from payops.infra.logging.redaction import clean_text
from payops.infra.reasons import REASON_LENGTH_MAX
from payops.kernel.errors import Fault
from payops.kernel.ids import new_id

LISTED_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Decision:
    """Who decides on a change, and why: ``person`` and ``actor`` as in ``Changing``."""

    person: str
    actor: str
    reason: str = ""
    request_id: str | None = None


class Changing:
    """Changes of the rules over those that ``velocity`` was given.

    ``lasts`` is how long a loosening waits for the second person.

    ``person`` is who acts: an API key's owner, or the person at the command line; ``actor``
    is what the audit log calls them.
    """

    def __init__(self, velocity: Velocity, lasts: timedelta) -> None:
        self._given = velocity.given
        self._lasts = lasts

    async def rules(self, tx: Tx) -> tuple[Rule, ...]:
        """All rules as they stand, those that are off included."""
        return merged(self._given, await store.current(tx))

    async def make(
        self,
        tx: Tx,
        rule: Rule,
        *,
        reason: str,
        person: str,
        actor: str,
        request_id: str | None = None,
    ) -> Version:
        """A new rule, in force at once.

        Raises:
            RuleInvalid: there can be no such rule.
            RuleExists: one of this name.
        """
        reason = _kept(reason)
        checked(rule)
        if any(rule.name == known.name for known in await self.rules(tx)):
            raise RuleExists
        version = Version(_next(rule, rule.limit, rule.mode), None, reason, person_of(person))
        return await _apply(tx, version, actor, request_id)

    async def change(
        self,
        tx: Tx,
        name: str,
        *,
        limit: int | None,
        mode: Mode | None,
        reason: str,
        person: str,
        actor: str,
        request_id: str | None = None,
    ) -> Version | Change:
        """Another limit or mode; a ``Version`` is in force, a ``Change`` waits for approval.

        ``limit`` is a count, or whole shillings.

        Raises:
            RuleNotFound, RuleInvalid: no such rule, or there can be none like that.
            RuleChanged, ChangePending: somebody else was first.
        """
        reason = _kept(reason)
        before = await self._rule(tx, name)
        size = before.limit if limit is None else limit * before.measure.unit
        after = checked(_next(before, size, mode or before.mode))
        if (after.limit, after.mode) == (before.limit, before.mode):
            raise RuleInvalid(faults=[Fault("", "changes nothing")])
        if loosens(before, after):
            wanted = Change(
                id=new_id(),
                name=name,
                base_version=before.version,
                measure=before.measure,
                limit=after.limit,
                mode=after.mode,
                reason=reason,
                proposed_by=person_of(person),
            )
            return await self._propose(tx, wanted, actor, request_id)
        version = Version(after, before.as_json(), reason, person_of(person))
        return await _apply(tx, version, actor, request_id)

    async def approve(self, tx: Tx, change_id: UUID, decision: Decision) -> Version:
        """Put a change into force.

        Raises:
            ChangeNotFound, ChangeDecided, ApprovalExpired: there is none that waits.
            FourEyesRequired: the person is who proposed it.
            RuleChanged: the rule is not what it was when the change was proposed; the caller
                closes it with ``overtake``, in a transaction of its own.
        """
        change = await _waiting(tx, change_id)
        person = person_of(decision.person)
        if person == change.proposed_by:
            raise FourEyesRequired
        before = await self._rule(tx, change.name)
        if before.version != change.base_version:
            raise RuleChanged
        reason = clean_text(decision.reason)
        decided = await store.decide(tx, change.id, ChangeState.APPROVED, person, reason)
        version = Version(
            _next(before, change.limit, change.mode),
            before.as_json(),
            change.reason,
            change.proposed_by,
            person,
        )
        applied = await _apply(tx, version, decision.actor, decision.request_id, decided)
        await alerts.resolve_alert(tx, approvals.alert_key(change.shown_id))
        return applied

    async def reject(self, tx: Tx, change_id: UUID, decision: Decision) -> Change:
        """Close a change without effect; who proposed it may take it back like this.

        Raises:
            ChangeNotFound, ChangeDecided, ApprovalExpired: there is none that waits.
        """
        change = await _waiting(tx, change_id)
        decided = await store.decide(
            tx,
            change.id,
            ChangeState.REJECTED,
            person_of(decision.person),
            clean_text(decision.reason),
        )
        await _close(tx, "velocity_change_rejected", decided, decision.actor, decision.request_id)
        return decided

    async def overtake(self, tx: Tx, change_id: UUID, request_id: str | None = None) -> None:
        """Close a change that waits although its rule has another version by now."""
        change = await store.change_of(tx, change_id)
        if change is not None:
            rule = await self._rule(tx, change.name)
            await _overtake(tx, change.name, rule.version, request_id)

    async def _propose(self, tx: Tx, change: Change, actor: str, request_id: str | None) -> Change:
        """Whatever waits for the same rule and cannot come about any more makes room."""
        for lapsed in await store.expire(tx, approvals.CLOSER, change.name):
            await _close(tx, "velocity_change_expired", lapsed, approvals.CLOSER, request_id)
        await _overtake(tx, change.name, change.base_version, request_id)
        try:
            await store.propose(tx, change, self._lasts)
        except asyncpg.UniqueViolationError as error:
            raise ChangePending from error
        await audit.record(tx, [_event("velocity_change_proposed", change, actor, request_id)])
        await alerts.raise_alert(tx, _waiting_alert(change))
        return change

    async def _rule(self, tx: Tx, name: str) -> Rule:
        for rule in await self.rules(tx):
            if rule.name == name:
                return rule
        raise RuleNotFound


async def history(tx: Tx, name: str | None = None) -> list[Version]:
    """What was changed, newest first; of one rule or of all."""
    return await store.versions(tx, name, LISTED_MAX)


async def changes(tx: Tx, state: ChangeState | None = None) -> list[Change]:
    """Loosenings that were asked for, newest first."""
    return await store.changes(tx, state, LISTED_MAX)


async def change_of(tx: Tx, change_id: UUID) -> Change:
    """Raises ``ChangeNotFound``."""
    found = await store.change_of(tx, change_id)
    if found is None:
        raise ChangeNotFound
    return found


async def approve(db: Database, rules: Changing, change_id: UUID, decision: Decision) -> Version:
    """``rules.approve``; a change whose rule has moved on is closed, and refused all the same."""
    try:
        return await db.run(lambda tx: rules.approve(tx, change_id, decision))
    except RuleChanged:
        await db.run(lambda tx: rules.overtake(tx, change_id, decision.request_id))
        raise


async def expire(db: Database) -> int:
    """Close what waited for too long; returns how many."""

    async def work(tx: Tx) -> int:
        lapsed = await store.expire(tx, approvals.CLOSER)
        for one in sorted(lapsed, key=lambda one: one.shown_id):
            await _close(tx, "velocity_change_expired", one, approvals.CLOSER, None)
        return len(lapsed)

    return await db.run(work)


async def _overtake(tx: Tx, name: str, version: int, request_id: str | None) -> None:
    why = "The rule has been changed meanwhile."
    for one in await store.overtake(tx, approvals.CLOSER, name, version, why):
        await _close(tx, "velocity_change_overtaken", one, approvals.CLOSER, request_id)


async def _close(tx: Tx, kind: str, closed: Change, actor: str, request_id: str | None) -> None:
    await audit.record(tx, [_event(kind, closed, actor, request_id)])
    await alerts.resolve_alert(tx, approvals.alert_key(closed.shown_id))


async def _apply(
    tx: Tx,
    version: Version,
    actor: str,
    request_id: str | None,
    approved: Change | None = None,
) -> Version:
    """``approved`` is what it was asked for as, where two people decided."""
    try:
        await store.insert(tx, version)
    except asyncpg.UniqueViolationError as error:
        raise RuleChanged from error
    detail: dict[str, object] = {
        "version": version.rule.version,
        "before": version.before,
        "after": version.rule.as_json(),
        "reason": version.reason,
        "changedBy": version.changed_by,
        "approvedBy": version.approved_by,
    }
    if approved is not None:
        detail |= {"approval": approved.shown_id, "decisionReason": approved.decision_reason}
    event = AuditEvent(
        kind="velocity_rule_changed",
        actor=actor,
        subject=version.rule.name,
        request_id=request_id,
        detail=detail,
    )
    await audit.record(tx, [event])
    tx.wake(RULES_TOPIC)
    return version


async def _waiting(tx: Tx, change_id: UUID) -> Change:
    change = await store.lock_change(tx, change_id)
    if change is None:
        raise ChangeNotFound
    if change.state is ChangeState.EXPIRED:
        raise ApprovalExpired
    if change.state is not ChangeState.PENDING:
        raise ChangeDecided(f"The change was {change.state} already.")
    if change.is_over:
        raise ApprovalExpired
    return change


def _next(before: Rule, limit: int, mode: Mode) -> Rule:
    return Rule(
        before.name,
        before.scope,
        before.action,
        before.measure,
        before.window,
        limit,
        mode,
        before.counts_failed,
        before.version + 1,
    )


def _event(kind: str, change: Change, actor: str, request_id: str | None) -> AuditEvent:
    detail: dict[str, object] = {
        "rule": change.name,
        "limit": change.shown_limit,
        "mode": change.mode.value,
        "reason": change.reason,
    }
    if change.decision_reason:
        detail["decisionReason"] = change.decision_reason
    return AuditEvent(
        kind=kind, actor=actor, subject=change.shown_id, request_id=request_id, detail=detail
    )


def _waiting_alert(change: Change) -> Alert:
    return Alert(
        key=approvals.alert_key(change.shown_id),
        kind=approvals.WAITING,
        severity=Severity.WARNING,
        summary="A looser velocity rule waits for another person's approval.",
        detail={"approval": change.shown_id, "rule": change.name},
    )


def _kept(reason: str) -> str:
    """As ``kept_reason``, with this slice's refusal."""
    if not 1 <= len(reason.strip()) <= REASON_LENGTH_MAX:
        raise RuleInvalid(faults=[Fault("/reason", f"is 1 to {REASON_LENGTH_MAX} characters")])
    return clean_text(reason)
