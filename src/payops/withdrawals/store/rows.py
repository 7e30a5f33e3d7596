"""From a database row to a ``Withdrawal``."""

from collections.abc import Sequence
from typing import Final

from payops.infra.db import Record
from payops.withdrawals.domain import Failure, State, Withdrawal

NAMES: Final = (
    "user_id",
    "id",
    "state",
    "amount",
    "rail",
    "hold_id",
    "phone_sealed",
    "phone_index",
    "phone_masked",
    "caller",
    "request_id",
    "attempts",
    "tries",
    "is_doubtful",
    "questions",
    "unknown_answers",
    "unknown_at",
    "first_sent_at",
    "provider_reference",
    "receipt",
    "failure_code",
    "failure_message",
    "failure_provider_code",
    "due_at",
    "created_at",
    "updated_at",
)

COLUMNS: Final = ", ".join(f"w.{name}" for name in NAMES)


def withdrawal(row: Record) -> Withdrawal:
    code = row["failure_code"]
    return Withdrawal(
        user_id=row["user_id"],
        id=row["id"],
        state=State(row["state"]),
        amount_minor=row["amount"],
        rail=row["rail"],
        hold_id=row["hold_id"],
        phone_sealed=row["phone_sealed"],
        phone_index=row["phone_index"],
        phone_masked=row["phone_masked"],
        caller=row["caller"],
        request_id=row["request_id"],
        attempts=row["attempts"],
        tries=row["tries"],
        is_doubtful=row["is_doubtful"],
        questions=row["questions"],
        unknown_answers=row["unknown_answers"],
        unknown_at=row["unknown_at"],
        first_sent_at=row["first_sent_at"],
        provider_reference=row["provider_reference"],
        receipt=row["receipt"],
        failure=Failure(code, row["failure_message"], row["failure_provider_code"] or "")
        if code
        else None,
        due_at=row["due_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def withdrawals(rows: Sequence[Record]) -> list[Withdrawal]:
    return [withdrawal(row) for row in rows]
