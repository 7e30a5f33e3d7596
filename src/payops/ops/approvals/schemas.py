"""Approvals, and what is asked for, on the wire."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from payops.approvals.domain import Action, Approval, State
from payops.audit.domain import HOUSE
from payops.deposits.service import reviewing
from payops.fraud.domain.changes import Change
from payops.idempotency.domain import Answer
from payops.infra.reasons import REASON_LENGTH_MAX
from payops.infra.web.amounts import MoneyText
from payops.infra.web.problem import problem_body, problem_headers, status_of
from payops.infra.web.replies import body_of
from payops.infra.web.wire import Wire, WireReply
from payops.kernel.errors import Fault, Invalid
from payops.ops.approvals.refunding import RefundAsked, Result
from payops.ops.approvals.service import Listed, Verdict
from payops.withdrawals.service import resolving
from payops.withdrawals.service.deciding import Bearer
from payops.withdrawals.service.resolving import Resolution

Reason = Annotated[
    str,
    Field(
        min_length=1,
        max_length=REASON_LENGTH_MAX,
        pattern=r"\S",
        description="Kept in the audit log: name no customer in it",
    ),
]
Receipt = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{2,63}$", description="M-Pesa's, if they have it"),
    AfterValidator(str.upper),  # people type it either way, and it is claimed once
]
Coins = Annotated[
    str,
    Field(
        pattern=r"^(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?$",
        description="How many coins came, where no arrival is on record",
    ),
]


class ResolveRequest(Wire):
    outcome: Annotated[resolving.Verdict, Field(strict=False)]
    reason: Reason
    receipt: Receipt | None = None

    def resolution(self) -> Resolution:
        """Raises ``Invalid`` for a receipt of something that was not paid."""
        if self.receipt is not None and self.outcome is resolving.Verdict.FAILED:
            raise Invalid(faults=[Fault("/receipt", "means nothing for what was not paid")])
        return Resolution(self.outcome, self.receipt)


class WriteOffRequest(Wire):
    receipt: Receipt
    reason: Reason


class RefundRequest(Wire):
    reason: Reason
    borne_by: Annotated[
        Bearer,
        Field(strict=False, description="`rail` where the money is back in our float, else ours"),
    ] = Bearer.HOUSE


class ReviewRequest(Wire):
    outcome: Annotated[reviewing.Verdict, Field(strict=False)]
    reason: Reason
    reference: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=128,
            description="The payment or arrival; may be left out when only one is in review",
        ),
    ] = None
    amount: Annotated[
        MoneyText | None, Field(description="What is credited, in the invoice's currency")
    ] = None
    arrived: Coins | None = None

    def verdict(self) -> Verdict:
        """Raises ``Invalid`` for an arrival of nothing."""
        arrived = None if self.arrived is None else Decimal(self.arrived)
        if arrived is not None and not arrived:
            raise Invalid(faults=[Fault("/arrived", "must be more than zero")])
        return Verdict(self.outcome, self.reason, self.reference or "", self.amount, arrived)


class DecisionRequest(Wire):
    reason: Annotated[str | None, Field(max_length=REASON_LENGTH_MAX)] = None


class PendingReply(WireReply):
    """What was asked for waits for another person."""

    approval_id: str
    status: Literal["pending_approval"] = "pending_approval"

    @classmethod
    def of(cls, approval: Approval) -> "PendingReply":
        return cls(approval_id=approval.shown_id)


class ApprovalReply(WireReply):
    approval_id: str
    action: Action | Literal["velocity_loosen"]
    subject: str = Field(description="What it is about: an id of ours, or a name")
    user_id: str | None = None
    asked: Mapping[str, Any] = Field(
        description="What exactly is to be done, and how things stood when it was asked for"
    )
    reason: str
    status: State
    asked_by: str = Field(description="The person, who may not decide on it")
    asked_at: datetime | None = None
    expires_at: datetime | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    decision_reason: str | None = None

    @classmethod
    def of(cls, listed: Listed) -> "ApprovalReply":
        if isinstance(listed, Change):
            return cls._of_change(listed)
        wanted = listed.wanted
        return cls(
            approval_id=listed.shown_id,
            action=wanted.action,
            subject=wanted.subject,
            user_id=None if wanted.user_id == HOUSE else wanted.user_id,
            asked=wanted.payload,
            reason=wanted.reason,
            status=listed.state,
            asked_by=listed.asked_owner,
            asked_at=listed.asked_at,
            expires_at=listed.expires_at,
            decided_by=listed.decided_owner or listed.decided_by,
            decided_at=listed.decided_at,
            decision_reason=listed.decision_reason,
        )

    @classmethod
    def _of_change(cls, change: Change) -> "ApprovalReply":
        return cls(
            approval_id=change.shown_id,
            action="velocity_loosen",
            subject=change.name,
            asked={
                "limit": change.shown_limit,
                "mode": change.mode.value,
                "baseVersion": change.base_version,
            },
            reason=change.reason,
            status=State(change.state.value),
            asked_by=change.proposed_by,
            asked_at=change.proposed_at,
            expires_at=change.expires_at,
            decided_by=change.decided_by,
            decided_at=change.decided_at,
            decision_reason=change.decision_reason,
        )


def rendered(result: Result, asked: RefundAsked) -> Answer:
    """The answer to a request for a refund. A refusal says how things stand, so it is not kept."""
    if isinstance(result, Approval):
        return Answer(202, body_of(PendingReply.of(result)), resource=result.shown_id)
    return Answer(
        status_of(result),
        problem_body(result, asked.request_id or ""),
        problem_headers(result),
        is_kept=False,
    )


def rebuilt(given: Answer) -> Answer:
    """An answer past its retention: what was asked for, by the id that is kept for ever."""
    reply = PendingReply(approval_id=given.resource or "")
    return Answer(given.status, body_of(reply), is_replay=True)
