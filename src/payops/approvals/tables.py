"""Approvals: only a pending one changes, once, and only by its decision."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from payops.infra.db import metadata

_moment = TIMESTAMP(timezone=True)

approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("payload", JSONB, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("asked_by", sa.Text, nullable=False),
    sa.Column("asked_owner", sa.Text, nullable=False),
    sa.Column("asked_at", _moment, nullable=False, server_default=sa.func.now()),
    sa.Column("expires_at", _moment, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("decided_by", sa.Text),
    sa.Column("decided_owner", sa.Text),
    sa.Column("decided_at", _moment),
    sa.Column("decision_reason", sa.Text),
    sa.CheckConstraint("decided_owner <> asked_owner", name="four_eyes"),
    sa.Index(
        "uq_approvals_one_pending",
        "action",
        "subject",
        unique=True,
        postgresql_where=sa.text("state = 'pending'"),
    ),
    sa.Index(
        "ix_approvals_expires_at", "expires_at", postgresql_where=sa.text("state = 'pending'")
    ),
)
