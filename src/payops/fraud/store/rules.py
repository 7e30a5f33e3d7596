"""Versions of velocity rules, and changes that wait for a second person."""

import json
from datetime import timedelta
from uuid import UUID

from payops.fraud.domain.changes import Change, ChangeState, Version
from payops.fraud.domain.rules import Action, Measure, Mode, Rule, Scope, Window
from payops.infra.db import Record, Tx

_RULE = "name, version, scope, action, measure, window_hours, limit_value, mode, counts_failed"

_CURRENT = f"SELECT DISTINCT ON (name) {_RULE} FROM velocity_rules ORDER BY name, version DESC"  # noqa: S608 - constants only

_INSERT = """
INSERT INTO velocity_rules (name, version, scope, action, measure, window_hours, limit_value, mode,
    counts_failed, before, reason, changed_by, approved_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::jsonb, $11, $12, $13)
"""

_VERSIONS = f"""
SELECT {_RULE}, before, reason, changed_by, approved_by, at FROM velocity_rules
WHERE $1::text IS NULL OR name = $1 ORDER BY at DESC, name, version DESC LIMIT $2
"""  # noqa: S608 - constants only

_CHANGE = (
    "id, name, base_version, measure, limit_value, mode, reason, state, proposed_by, proposed_at, "
    "decided_by, decided_at, decision_reason, expires_at, expires_at <= now() AS is_over"
)

_PROPOSE = """
INSERT INTO velocity_rule_changes
    (id, name, base_version, measure, limit_value, mode, reason, state, proposed_by, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', $8, now() + $9::interval)
"""

_DECIDE = f"""
UPDATE velocity_rule_changes
SET state = $2, decided_by = $3, decided_at = now(), decision_reason = $4 WHERE id = $1
RETURNING {_CHANGE}
"""  # noqa: S608 - constants only

# Those that somebody is deciding on at this moment are left to them.
_EXPIRE = f"""
UPDATE velocity_rule_changes SET state = 'expired', decided_by = $1, decided_at = now()
WHERE id IN (
    SELECT id FROM velocity_rule_changes
    WHERE state = 'pending' AND expires_at <= now() AND ($2::text IS NULL OR name = $2)
    ORDER BY id FOR UPDATE SKIP LOCKED)
RETURNING {_CHANGE}
"""  # noqa: S608 - constants only

_OVERTAKE = f"""
UPDATE velocity_rule_changes
SET state = 'overtaken', decided_by = $1, decided_at = now(), decision_reason = $4
WHERE name = $2 AND state = 'pending' AND base_version < $3
RETURNING {_CHANGE}
"""  # noqa: S608 - constants only


async def current(tx: Tx) -> dict[str, Rule]:
    """The newest version of each rule that was ever changed or made here."""
    return {row["name"]: _rule(row) for row in await tx.fetch(_CURRENT)}


async def insert(tx: Tx, version: Version) -> None:
    """Raises asyncpg's UniqueViolationError when somebody else's change came first."""
    rule = version.rule
    await tx.execute(
        _INSERT,
        rule.name,
        rule.version,
        rule.scope,
        rule.action,
        rule.measure,
        rule.window.hours,
        rule.limit,
        rule.mode,
        rule.counts_failed,
        None if version.before is None else json.dumps(dict(version.before)),
        version.reason,
        version.changed_by,
        version.approved_by,
    )


async def versions(tx: Tx, name: str | None, limit: int) -> list[Version]:
    """What was changed, newest first."""
    return [
        Version(
            _rule(row),
            row["before"],
            row["reason"],
            row["changed_by"],
            row["approved_by"],
            row["at"],
        )
        for row in await tx.fetch(_VERSIONS, name, limit)
    ]


async def propose(tx: Tx, change: Change, lasts: timedelta) -> None:
    """Raises asyncpg's UniqueViolationError when another change of the rule waits."""
    await tx.execute(
        _PROPOSE,
        change.id,
        change.name,
        change.base_version,
        change.measure,
        change.limit,
        change.mode,
        change.reason,
        change.proposed_by,
        lasts,
    )


async def lock_change(tx: Tx, change_id: UUID) -> Change | None:
    row = await tx.fetchrow(
        f"SELECT {_CHANGE} FROM velocity_rule_changes WHERE id = $1 FOR UPDATE",  # noqa: S608 - constants only
        change_id,
    )
    return _change(row) if row else None


async def decide(tx: Tx, change_id: UUID, state: ChangeState, person: str, reason: str) -> Change:
    """Of a locked, pending one."""
    return _change(await tx.fetchrow(_DECIDE, change_id, state, person, reason or None))


async def expire(tx: Tx, by: str, name: str | None = None) -> list[Change]:
    """What has waited for too long: of one rule or of all. One waits per rule at most."""
    return [_change(row) for row in await tx.fetch(_EXPIRE, by, name)]


async def overtake(tx: Tx, by: str, name: str, version: int, why: str) -> list[Change]:
    """What waits although the rule is at ``version``, which it was not asked of."""
    return [_change(row) for row in await tx.fetch(_OVERTAKE, by, name, version, why)]


async def change_of(tx: Tx, change_id: UUID) -> Change | None:
    row = await tx.fetchrow(
        f"SELECT {_CHANGE} FROM velocity_rule_changes WHERE id = $1",  # noqa: S608 - constants only
        change_id,
    )
    return _change(row) if row else None


async def changes(tx: Tx, state: ChangeState | None, limit: int) -> list[Change]:
    """Newest first."""
    rows = await tx.fetch(
        f"SELECT {_CHANGE} FROM velocity_rule_changes "  # noqa: S608 - constants only
        "WHERE $1::text IS NULL OR state = $1 ORDER BY id DESC LIMIT $2",
        state,
        limit,
    )
    return [_change(row) for row in rows]


def _rule(row: Record) -> Rule:
    return Rule(
        name=row["name"],
        scope=Scope(row["scope"]),
        action=Action(row["action"]),
        measure=Measure(row["measure"]),
        window=Window(row["window_hours"]),
        limit=row["limit_value"],
        mode=Mode(row["mode"]),
        counts_failed=row["counts_failed"],
        version=row["version"],
    )


def _change(row: Record) -> Change:
    return Change(
        id=row["id"],
        name=row["name"],
        base_version=row["base_version"],
        measure=Measure(row["measure"]),
        limit=row["limit_value"],
        mode=Mode(row["mode"]),
        reason=row["reason"],
        proposed_by=row["proposed_by"],
        state=ChangeState(row["state"]),
        proposed_at=row["proposed_at"],
        decided_by=row["decided_by"],
        decided_at=row["decided_at"],
        decision_reason=row["decision_reason"],
        expires_at=row["expires_at"],
        is_over=bool(row["is_over"]),
    )
