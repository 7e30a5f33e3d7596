"""Alerts: at most one open row a key."""

from sqlalchemy import CheckConstraint, Column, Index, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from payops.infra.db import metadata

alerts = Table(
    "alerts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("key", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
    Column("raised_at", TIMESTAMP(timezone=True), nullable=False, server_default=text("now()")),
    Column("last_seen_at", TIMESTAMP(timezone=True), nullable=False, server_default=text("now()")),
    Column("count", Integer, nullable=False, server_default=text("1")),
    Column("resolved_at", TIMESTAMP(timezone=True)),
    CheckConstraint("severity IN ('info', 'warning', 'critical')", name="severity_known"),
    CheckConstraint("count > 0", name="count_positive"),
)
Index(
    "uq_alerts_one_open_per_key",
    alerts.c.key,
    unique=True,
    postgresql_where=alerts.c.resolved_at.is_(None),
)
