"""What operations people see, on the wire and in the command line's JSON."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import Field

from payops.audit import service as audit
from payops.audit.domain import HOUSE
from payops.audit.domain import ID_PREFIX as AUDIT
from payops.infra.scheduling import JobHistory, Run, Status
from payops.infra.web.wire import WireReply
from payops.kernel.ids import show_id
from payops.ledger.domain import Violation
from payops.ops.service import Account
from payops.pii import service as pii
from payops.webhooks import domain as webhooks
from payops.withdrawals.schemas import WithdrawalReply

_ACCESS = "pii"


class AttemptReply(WireReply):
    number: int
    started_at: datetime
    answer: str | None = Field(None, description="Absent while it is on the wire")
    detail: str | None = None
    answered_at: datetime | None = None


class AuditReply(WireReply):
    id: str
    at: datetime
    kind: str
    actor: str
    user_id: str | None = None
    subject: str | None = None
    request_id: str | None = None
    detail: Mapping[str, Any]

    @classmethod
    def of(cls, entry: audit.Entry) -> "AuditReply":
        return cls(
            id=show_id(AUDIT, entry.id),
            at=entry.at,
            kind=entry.kind,
            actor=entry.actor,
            user_id=None if entry.user_id == HOUSE else entry.user_id,
            subject=entry.subject,
            request_id=entry.request_id,
            detail=entry.detail,
        )


class AccountReply(WithdrawalReply):
    """A withdrawal with all that is known of it."""

    caller: str
    request_id: str | None = None
    is_doubtful: bool = Field(description="An attempt may have been acted on")
    questions: int = Field(description="Status answers since the last send")
    first_sent_at: datetime | None = None
    due_at: datetime | None = Field(None, description="When it is looked at again")
    attempt_log: list[AttemptReply]
    audit_trail: list[AuditReply] = Field(description="Oldest first")

    @classmethod
    def of_account(cls, account: Account) -> "AccountReply":
        withdrawal = account.story.withdrawal
        return cls(
            **dict(WithdrawalReply.of(withdrawal)),
            caller=withdrawal.caller,
            request_id=withdrawal.request_id,
            is_doubtful=withdrawal.is_doubtful,
            questions=withdrawal.questions,
            first_sent_at=withdrawal.first_sent_at,
            due_at=withdrawal.due_at,
            attempt_log=[
                AttemptReply(
                    number=row["number"],
                    started_at=row["started_at"],
                    answer=row["answer"],
                    detail=row["detail"] or None,
                    answered_at=row["answered_at"],
                )
                for row in account.story.attempts
            ],
            audit_trail=[AuditReply.of(entry) for entry in account.trail],
        )


class WebhookReply(WireReply):
    id: str
    source: str
    state: webhooks.State
    received_at: datetime
    attempts: int
    handled_at: datetime | None = None
    reason: str | None = Field(None, description="Why it was parked, or is not known")
    subject: str | None = Field(None, description="What it was about")

    @classmethod
    def of(cls, delivery: webhooks.Delivery) -> "WebhookReply":
        return cls(
            id=webhooks.show(delivery.id),
            source=delivery.source,
            state=delivery.state,
            received_at=delivery.received_at,
            attempts=delivery.attempts,
            handled_at=delivery.handled_at,
            reason=delivery.reason or None,
            subject=delivery.subject,
        )


class RunReply(WireReply):
    slot: datetime
    started_at: datetime
    finished_at: datetime | None
    replica: str
    status: Status

    @classmethod
    def of(cls, run: Run) -> "RunReply":
        return cls(
            slot=run.slot,
            started_at=run.started_at,
            finished_at=run.finished_at,
            replica=run.replica,
            status=run.status,
        )


class JobReply(WireReply):
    name: str
    cron: str = Field(description="Five fields in UTC, or `every 5 s`")
    last_slot: datetime | None
    last_status: Status | None
    runs: list[RunReply] = Field(description="Newest first")

    @classmethod
    def of(cls, history: JobHistory) -> "JobReply":
        return cls(
            name=history.name,
            cron=history.when,
            last_slot=history.last_slot,
            last_status=history.last_status,
            runs=[RunReply.of(run) for run in history.runs],
        )


class JobsReply(WireReply):
    data: list[JobReply]


class StartedReply(RunReply):
    name: str

    @classmethod
    def of_run(cls, run: Run) -> "StartedReply":
        return cls(name=run.job, **dict(RunReply.of(run)))


class AccessReply(WireReply):
    """One read of personal data; what was read is not part of it."""

    id: str
    at: datetime
    purpose: str
    actor: str
    subject: str
    user_id: str
    field: str
    request_id: str | None = None
    origin: str
    reason: str | None = Field(None, description="In the words of the person who opened it")

    @classmethod
    def of(cls, access: pii.Recorded) -> "AccessReply":
        return cls(
            id=show_id(_ACCESS, access.id),
            at=access.at,
            purpose=access.purpose,
            actor=access.actor,
            subject=access.subject,
            user_id=access.user_id,
            field=access.field,
            request_id=access.request_id,
            origin=access.origin,
            reason=access.reason,
        )


class ViolationReply(WireReply):
    name: str
    meaning: str
    rows: list[Mapping[str, Any]] = Field(description="The first that show it")


class BooksReply(WireReply):
    ok: bool
    violations: list[ViolationReply]

    @classmethod
    def of(cls, broken: Sequence[Violation]) -> "BooksReply":
        return cls(
            ok=not broken,
            violations=[
                ViolationReply(name=v.name, meaning=v.meaning, rows=[dict(row) for row in v.rows])
                for v in broken
            ],
        )
