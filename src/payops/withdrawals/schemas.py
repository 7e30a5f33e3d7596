"""Withdrawals on the wire."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from payops.fraud.errors import UnusualActivity
from payops.idempotency.domain import Answer
from payops.infra.web.amounts import WholeShillings
from payops.infra.web.problem import problem_body, problem_headers, status_of
from payops.infra.web.replies import MoneyReply, body_of
from payops.infra.web.wire import Wire, WireReply
from payops.kernel.errors import Forbidden, Unavailable
from payops.kernel.money import KES, Money
from payops.withdrawals.domain import Failure, State, Withdrawal
from payops.withdrawals.service.requesting import Accepted, Request, Result

ACCEPTED = 202

# Not what the request is, but how things stand: see docs/decisions/0023.
_LIFTED = (Forbidden, Unavailable, UnusualActivity)


class WithdrawalRequest(Wire):
    user_id: Annotated[str, Field(max_length=64)] | None = None
    amount_kes: Annotated[WholeShillings, Field(alias="amountKES")]
    phone_number: Annotated[
        str,
        Field(
            description="A Kenyan mobile number, however it is written",
            examples=["0712345678", "+254 712 345 678"],
        ),
    ]


class FailureReply(WireReply):
    code: str
    message: str
    provider_code: str | None = None

    @classmethod
    def of(cls, failure: Failure) -> "FailureReply":
        return cls(
            code=failure.code,
            message=failure.message,
            provider_code=failure.provider_code or None,
        )


class WithdrawalReply(WireReply):
    tx_id: str
    user_id: str
    amount: MoneyReply
    phone_number: str = Field(description="Masked")
    provider: str
    status: State
    created_at: datetime
    updated_at: datetime
    attempts: int = Field(description="Sends begun")
    provider_reference: str | None = None
    receipt: str | None = None
    failure: FailureReply | None = None

    @classmethod
    def of(cls, withdrawal: Withdrawal) -> "WithdrawalReply":
        return cls(
            tx_id=withdrawal.txid,
            user_id=withdrawal.user_id,
            amount=MoneyReply.of(Money(withdrawal.amount_minor, KES)),
            phone_number=withdrawal.phone_masked,
            provider=withdrawal.rail,
            status=withdrawal.state,
            created_at=withdrawal.created_at,
            updated_at=withdrawal.updated_at,
            attempts=withdrawal.attempts,
            provider_reference=withdrawal.provider_reference,
            receipt=withdrawal.receipt,
            failure=FailureReply.of(withdrawal.failure) if withdrawal.failure else None,
        )


def location(txid: str) -> str:
    return f"/api/withdrawals/{txid}"


def rendered(result: Result, request: Request) -> Answer:
    """The answer to a request, as it is stored under its key.

    A refusal that somebody can lift is not kept: the same request, with the same key, passes
    once the user is not blocked any more, or the device is confirmed.
    """
    if isinstance(result, Accepted):
        return _accepted(result)
    return Answer(
        status_of(result),
        problem_body(result, request.request_id or ""),
        problem_headers(result),
        is_kept=not isinstance(result, _LIFTED),
    )


def _accepted(accepted: Accepted) -> Answer:
    headers = {"Location": location(accepted.txid)}
    if accepted.remaining:
        headers["RateLimit"] = accepted.remaining
    body = body_of(WithdrawalReply.of(accepted.withdrawal))
    return Answer(ACCEPTED, body, headers, resource=accepted.txid)
