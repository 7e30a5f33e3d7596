"""Withdrawals, attempts, and the lookup tables of what is unique per rail."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TIMESTAMP

from payops.infra.db import metadata

_moment = TIMESTAMP(timezone=True)
_now = sa.func.now()


def _zero() -> sa.TextClause:
    return sa.text("0")


def _of_withdrawal() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["user_id", "withdrawal_id"], ["withdrawals.user_id", "withdrawals.id"]
    )


withdrawals = sa.Table(
    "withdrawals",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("rail", sa.Text, nullable=False),
    sa.Column("hold_id", sa.Uuid, nullable=False),
    sa.Column("phone_sealed", sa.LargeBinary, nullable=False),  # empty once it was erased
    sa.Column("phone_index", sa.LargeBinary, nullable=False),
    sa.Column("phone_masked", sa.Text, nullable=False),
    sa.Column("caller", sa.Text, nullable=False),
    sa.Column("request_id", sa.Text),
    sa.Column("attempts", sa.SmallInteger, nullable=False, server_default=_zero()),
    sa.Column("tries", sa.SmallInteger, nullable=False, server_default=_zero()),
    sa.Column("is_doubtful", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("questions", sa.Integer, nullable=False, server_default=_zero()),
    sa.Column("unknown_answers", sa.SmallInteger, nullable=False, server_default=_zero()),
    sa.Column("unknown_at", _moment),
    sa.Column("first_sent_at", _moment),
    sa.Column("provider_reference", sa.Text),
    sa.Column("receipt", sa.Text),
    sa.Column("failure_code", sa.Text),
    sa.Column("failure_message", sa.Text),
    sa.Column("failure_provider_code", sa.Text),
    sa.Column("due_at", _moment),
    sa.Column("created_at", _moment, nullable=False, server_default=_now),
    sa.Column("updated_at", _moment, nullable=False, server_default=_now),
    sa.ForeignKeyConstraint(["user_id", "hold_id"], ["journals.user_id", "journals.id"]),
    sa.CheckConstraint(
        "(octet_length(phone_sealed) = 0) = (phone_masked = 'erased')"
        " AND (octet_length(phone_sealed) = 0) = (octet_length(phone_index) = 0)",
        name="phone_whole_or_erased",
    ),
    sa.CheckConstraint(
        "octet_length(phone_sealed) > 0"
        " OR state IN ('completed', 'failed', 'cancelled', 'reversed')",
        name="phone_while_open",
    ),
    sa.Index("ix_withdrawals_id", "id"),
    sa.Index("ix_withdrawals_phone_index_id", "phone_index", "id"),
    sa.Index(
        "ix_withdrawals_state_due_at",
        "state",
        "due_at",
        postgresql_where=sa.text("due_at IS NOT NULL"),
    ),
    sa.Index(
        "ix_withdrawals_state_created_at",
        "state",
        "created_at",
        postgresql_where=sa.text("state NOT IN ('completed', 'failed', 'cancelled', 'reversed')"),
    ),
)

payout_attempts = sa.Table(
    "payout_attempts",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("withdrawal_id", sa.Uuid, primary_key=True),
    sa.Column("number", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("started_at", _moment, nullable=False, server_default=_now),
    sa.Column("answer", sa.Text),
    sa.Column("detail", sa.Text),
    sa.Column("answered_at", _moment),
    _of_withdrawal(),
    sa.Index(
        "uq_payout_attempts_one_open",
        "user_id",
        "withdrawal_id",
        unique=True,
        postgresql_where=sa.text("answer IS NULL"),
    ),
)

payout_references = sa.Table(
    "payout_references",
    metadata,
    sa.Column("rail", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("reference", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("withdrawal_id", sa.Uuid, nullable=False),
    _of_withdrawal(),
)

payout_slots = sa.Table(
    "payout_slots",
    metadata,
    sa.Column("rail", sa.Text, primary_key=True),
    sa.Column("phone_index", sa.LargeBinary, primary_key=True),
    sa.Column("amount", sa.BigInteger, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("withdrawal_id", sa.Uuid, nullable=False),
    _of_withdrawal(),
)
