"""Changing rules: what is stricter acts at once, what is looser waits for a second person."""

from typing import Final
from uuid import UUID

import asyncpg

from payops.access.domain import person_of
from payops.access.errors import FourEyesRequired
from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from payops.approvals import service as approvals
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
from payops.infra.db import Tx
from payops.kernel.errors import Fault
from payops.kernel.ids import new_id

LISTED_MAX: Final = 200
_REASON_LENGTH_MAX: Final = 500


class Changing:
    """Changes of the rules over those that ``velocity`` was given.

    ``person`` is who acts: an API key's owner, or the person at the command line; ``actor``
    is what the audit log calls them.
    """

    def __init__(self, velocity: Velocity) -> None:
        self._given = velocity.given

    async def rules(self, tx: Tx) -> tuple[Rule, ...]:
        """All rules as they stand, those that are off included."""
        return merged(self._given, await store.current(tx))

    async def make(self, tx: Tx, rule: Rule, *, reason: str, person: str, actor: str) -> Version:
        """A new rule, in force at once.

        Raises:
            RuleInvalid: there can be no such rule.
            RuleExists: one of this name.
        """
        _check_reason(reason)
        checked(rule)
        if any(rule.name == known.name for known in await self.rules(tx)):
            raise RuleExists
        return await _apply(
            tx, Version(_next(rule, rule.limit, rule.mode), None, reason, person_of(person)), actor
        )

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
    ) -> Version | Change:
        """Another limit or mode; a ``Version`` is in force, a ``Change`` waits for approval.

        ``limit`` is a count, or whole shillings.

        Raises:
            RuleNotFound, RuleInvalid: no such rule, or there can be none like that.
            RuleChanged, ChangePending: somebody else was first.
        """
        _check_reason(reason)
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
            return await _propose(tx, wanted, actor)
        version = Version(after, before.as_json(), reason, person_of(person))
        return await _apply(tx, version, actor)

    async def approve(self, tx: Tx, change_id: UUID, *, person: str, actor: str) -> Version:
        """Put a change into force.

        Raises:
            ChangeNotFound, ChangeDecided: there is none that waits.
            FourEyesRequired: the person is who proposed it.
            RuleChanged: the rule is not what it was when the change was proposed.
        """
        change = await _waiting(tx, change_id)
        if person_of(person) == change.proposed_by:
            raise FourEyesRequired
        before = await self._rule(tx, change.name)
        if before.version != change.base_version:
            raise RuleChanged
        await store.decide(tx, change.id, ChangeState.APPROVED, person_of(person))
        version = Version(
            _next(before, change.limit, change.mode),
            before.as_json(),
            change.reason,
            change.proposed_by,
            person_of(person),
        )
        applied = await _apply(tx, version, actor)
        await alerts.resolve_alert(tx, approvals.alert_key(change.shown_id))
        return applied

    async def reject(self, tx: Tx, change_id: UUID, *, person: str, actor: str) -> Change:
        """Close a change without effect; who proposed it may take it back like this.

        Raises:
            ChangeNotFound, ChangeDecided: there is none that waits.
        """
        change = await _waiting(tx, change_id)
        await store.decide(tx, change.id, ChangeState.REJECTED, person_of(person))
        await audit.record(tx, [_event("velocity_change_rejected", change, actor)])
        await alerts.resolve_alert(tx, approvals.alert_key(change.shown_id))
        decided = await store.lock_change(tx, change_id)
        return decided or change

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


async def _propose(tx: Tx, change: Change, actor: str) -> Change:
    try:
        await store.propose(tx, change)
    except asyncpg.UniqueViolationError as error:
        raise ChangePending from error
    await audit.record(tx, [_event("velocity_change_proposed", change, actor)])
    await alerts.raise_alert(
        tx,
        Alert(
            key=approvals.alert_key(change.shown_id),
            kind=approvals.WAITING,
            severity=Severity.WARNING,
            summary="A looser velocity rule waits for another person's approval.",
            detail={"approval": change.shown_id, "rule": change.name},
        ),
    )
    return change


async def _apply(tx: Tx, version: Version, actor: str) -> Version:
    try:
        await store.insert(tx, version)
    except asyncpg.UniqueViolationError as error:
        raise RuleChanged from error
    event = AuditEvent(
        kind="velocity_rule_changed",
        actor=actor,
        subject=version.rule.name,
        detail={
            "version": version.rule.version,
            "before": version.before,
            "after": version.rule.as_json(),
            "reason": version.reason,
            "changedBy": version.changed_by,
            "approvedBy": version.approved_by,
        },
    )
    await audit.record(tx, [event])
    tx.wake(RULES_TOPIC)
    return version


async def _waiting(tx: Tx, change_id: UUID) -> Change:
    change = await store.lock_change(tx, change_id)
    if change is None:
        raise ChangeNotFound
    if change.state is not ChangeState.PENDING:
        raise ChangeDecided(f"The change was {change.state} already.")
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


def _event(kind: str, change: Change, actor: str) -> AuditEvent:
    return AuditEvent(
        kind=kind,
        actor=actor,
        subject=change.shown_id,
        detail={
            "rule": change.name,
            "limit": change.shown_limit,
            "mode": change.mode.value,
            "reason": change.reason,
        },
    )


def _check_reason(reason: str) -> None:
    if not 1 <= len(reason.strip()) <= _REASON_LENGTH_MAX:
        raise RuleInvalid(faults=[Fault("/reason", f"is 1 to {_REASON_LENGTH_MAX} characters")])
