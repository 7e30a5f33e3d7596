"""Velocity rules on the wire. Limits are counts, or whole shillings for sums."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from payops.fraud.domain.backtesting import Backtest
from payops.fraud.domain.changes import Change, ChangeState, Version
from payops.fraud.domain.rules import (
    HOURS_MAX,
    LIMIT_MAX,
    NAME_PATTERN,
    Action,
    Measure,
    Mode,
    Rule,
    Scope,
    Window,
)
from payops.fraud.service.decisions import Hits
from payops.infra.web.replies import MoneyReply
from payops.infra.web.wire import Wire, WireReply
from payops.kernel.money import KES, Money
from payops.ops.velocity.service import DAYS_MAX, Report

Limit = Annotated[int, Field(ge=1, le=LIMIT_MAX // 100, description="Count, or whole shillings")]
Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]


class _Definition(Wire):
    scope: Annotated[Scope, Field(strict=False)] = Scope.USER
    measure: Annotated[Measure, Field(strict=False)]
    window_hours: Annotated[
        int | None,
        Field(ge=1, le=HOURS_MAX, description="The last so many hours; left out: Nairobi's day"),
    ] = None
    limit: Limit
    counts_failed: Annotated[bool, Field(description="Whether failed withdrawals count")] = True

    def rule(self, name: str, action: Action, mode: Mode) -> Rule:
        size = self.limit * self.measure.unit
        window = Window(self.window_hours)
        return Rule(name, self.scope, action, self.measure, window, size, mode, self.counts_failed)


class RuleRequest(_Definition):
    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    action: Annotated[Action, Field(strict=False)] = Action.WITHDRAWAL
    mode: Annotated[Mode, Field(strict=False)] = Mode.SHADOW
    reason: Reason


class BacktestRequest(_Definition):
    days: Annotated[int, Field(ge=1, le=DAYS_MAX)] = 30


class ChangeRequest(Wire):
    limit: Limit | None = None
    mode: Annotated[Mode, Field(strict=False)] | None = None
    reason: Reason


class RuleReply(WireReply):
    name: str
    version: int = Field(description="0: as the settings have it")
    scope: Scope
    action: Action
    measure: Measure
    window_hours: int | None = Field(None, description="Absent: the day in Nairobi")
    limit: int = Field(description="Count, or whole shillings")
    mode: Mode
    counts_failed: bool
    says: str = Field(description="What who meets it is told")

    @classmethod
    def of(cls, rule: Rule) -> "RuleReply":
        return cls(
            name=rule.name,
            version=rule.version,
            scope=rule.scope,
            action=rule.action,
            measure=rule.measure,
            window_hours=rule.window.hours,
            limit=rule.shown_limit,
            mode=rule.mode,
            counts_failed=rule.counts_failed,
            says=rule.refusal,
        )


class HitsReply(WireReply):
    hour: datetime
    rule: str
    version: int
    mode: Mode
    hits: int
    users: int
    amount: MoneyReply = Field(description="Of the requests that met it")

    @classmethod
    def of(cls, hits: Hits) -> "HitsReply":
        return cls(
            hour=hits.hour,
            rule=hits.name,
            version=hits.version,
            mode=Mode(hits.mode),
            hits=hits.hits,
            users=hits.users,
            amount=MoneyReply.of(Money(hits.amount_minor, KES)),
        )


class ReportReply(WireReply):
    since: datetime
    rules: list[RuleReply]
    data: list[HitsReply] = Field(description="By hour and rule, the newest hour first")

    @classmethod
    def of(cls, report: Report) -> "ReportReply":
        return cls(
            since=report.since,
            rules=[RuleReply.of(rule) for rule in report.rules],
            data=[HitsReply.of(hits) for hits in report.hits],
        )


class VersionReply(WireReply):
    """A change that was made."""

    rule: RuleReply
    before: Mapping[str, Any] | None = None
    reason: str
    changed_by: str
    approved_by: str | None = None
    at: datetime | None = None

    @classmethod
    def of(cls, version: Version) -> "VersionReply":
        return cls(
            rule=RuleReply.of(version.rule),
            before=version.before,
            reason=version.reason,
            changed_by=version.changed_by,
            approved_by=version.approved_by,
            at=version.at,
        )


class VersionsReply(WireReply):
    data: list[VersionReply]


class PendingReply(WireReply):
    change_id: str
    status: Literal["pending_approval"] = "pending_approval"


class ChangeReply(WireReply):
    change_id: str
    rule: str
    base_version: int
    limit: int = Field(description="Count, or whole shillings")
    mode: Mode
    reason: str
    state: ChangeState
    proposed_by: str
    proposed_at: datetime | None = None
    expires_at: datetime | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    decision_reason: str | None = None

    @classmethod
    def of(cls, change: Change) -> "ChangeReply":
        return cls(
            change_id=change.shown_id,
            rule=change.name,
            base_version=change.base_version,
            limit=change.shown_limit,
            mode=change.mode,
            reason=change.reason,
            state=change.state,
            proposed_by=change.proposed_by,
            proposed_at=change.proposed_at,
            expires_at=change.expires_at,
            decided_by=change.decided_by,
            decided_at=change.decided_at,
            decision_reason=change.decision_reason,
        )


class ChangesReply(WireReply):
    data: list[ChangeReply]


class BacktestReply(WireReply):
    since: datetime
    considered: int = Field(description="Withdrawals accepted in that time")
    stopped: int
    stopped_amount: MoneyReply
    users: int = Field(description="Users who would have met it")
    recipients: int | None = Field(None, description="Numbers that would have met it")

    @classmethod
    def of(cls, found: Backtest, scope: Scope) -> "BacktestReply":
        return cls(
            since=found.since,
            considered=found.considered,
            stopped=found.stopped,
            stopped_amount=MoneyReply.of(Money(found.stopped_minor, KES)),
            users=len(found.users),
            recipients=len(found.whom) if scope is Scope.RECIPIENT else None,
        )
