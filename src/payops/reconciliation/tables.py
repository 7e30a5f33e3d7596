"""Breaks: at most one open row a difference."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from payops.infra.db import metadata

_moment = TIMESTAMP(timezone=True)

reconciliation_breaks = sa.Table(
    "reconciliation_breaks",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("detail", JSONB, nullable=False),
    sa.Column("owner", sa.Text),
    sa.Column("opened_at", _moment, nullable=False, server_default=sa.func.now()),
    sa.Column("last_seen_at", _moment, nullable=False, server_default=sa.func.now()),
    sa.Column("closed_at", _moment),
    sa.Column("closed_by", sa.Text),
    sa.Column("explanation", sa.Text),
    sa.Index(
        "uq_reconciliation_breaks_open",
        "provider",
        "kind",
        "subject",
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
    ),
)
