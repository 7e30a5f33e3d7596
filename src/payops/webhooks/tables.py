"""The inbox table."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TIMESTAMP

from payops.infra.db import metadata

_moment = TIMESTAMP(timezone=True)

webhook_deliveries = sa.Table(
    "webhook_deliveries",
    metadata,
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("dedupe_key", sa.LargeBinary, nullable=False),
    sa.Column("path_reference", sa.Text),
    sa.Column("body_sealed", sa.LargeBinary),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.Column("errors", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.Column("due_at", _moment),
    sa.Column("reason", sa.Text),
    sa.Column("user_id", sa.Text),
    sa.Column("subject", sa.Text),
    sa.Column("received_at", _moment, nullable=False, server_default=sa.func.now()),
    sa.Column("handled_at", _moment),
    sa.UniqueConstraint("source", "dedupe_key"),
    sa.Index(
        "ix_webhook_deliveries_due_at", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")
    ),
    sa.Index(
        "ix_webhook_deliveries_state", "state", "id", postgresql_where=sa.text("state <> 'applied'")
    ),
    sa.Index("ix_webhook_deliveries_received_at", "received_at", postgresql_using="brin"),
)
