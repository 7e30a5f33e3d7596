"""Alerts: at most one open row a key. Notices, episodes and deliveries: what people hear."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from payops.infra.db import metadata

_SEVERITY = "severity IN ('info', 'warning', 'critical')"


def _moment() -> TIMESTAMP:
    return TIMESTAMP(timezone=True)


alerts = Table(
    "alerts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("key", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
    Column("raised_at", _moment(), nullable=False, server_default=text("now()")),
    Column("last_seen_at", _moment(), nullable=False, server_default=text("now()")),
    Column("count", Integer, nullable=False, server_default=text("1")),
    Column("resolved_at", _moment()),
    # The count at which it became as severe as it is, or somebody else's: equal to ``count``
    # when that is news.
    Column("severity_at_count", Integer, nullable=False, server_default=text("1")),
    Column("acknowledged_at", _moment()),
    Column("acknowledged_by", Text),
    CheckConstraint(_SEVERITY, name="severity_known"),
    CheckConstraint("count > 0", name="count_positive"),
)
Index(
    "uq_alerts_one_open_per_key",
    alerts.c.key,
    unique=True,
    postgresql_where=alerts.c.resolved_at.is_(None),
)

alert_notices = Table(
    "alert_notices",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("alert_id", Uuid, nullable=False),
    Column("alert_key", Text, nullable=False),
    Column("seq", Integer, nullable=False),  # per key, given while its open alert is locked
    Column("kind", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
    Column("created_at", _moment(), nullable=False, server_default=text("now()")),
    Column("verdict", Text),
    Column("decided_at", _moment()),
    UniqueConstraint("alert_key", "seq"),
    ForeignKeyConstraint(["alert_id"], ["alerts.id"]),
    CheckConstraint(
        "kind IN ('raised', 'worsened', 'renewed', 'escalated', 'acknowledged', 'resolved')",
        name="kind_known",
    ),
    CheckConstraint(_SEVERITY, name="severity_known"),
    CheckConstraint("verdict IN ('tell', 'keep_quiet')", name="verdict_known"),
    CheckConstraint("(verdict IS NULL) = (decided_at IS NULL)", name="decided_with_verdict"),
)
Index(
    "ix_alert_notices_undecided",
    alert_notices.c.alert_key,
    alert_notices.c.seq,
    postgresql_where=alert_notices.c.decided_at.is_(None),
)

alert_episodes = Table(
    "alert_episodes",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("alert_key", Text, nullable=False),
    Column("severity", Text, nullable=False),  # the worst that people were told of
    Column("opened_by", Uuid, nullable=False),
    Column("opened_at", _moment(), nullable=False, server_default=text("now()")),
    Column("acknowledged_at", _moment()),
    Column("escalate_at", _moment()),
    Column("escalations", Integer, nullable=False, server_default=text("0")),
    Column("closed_at", _moment()),
    ForeignKeyConstraint(["opened_by"], ["alert_notices.id"]),
    CheckConstraint(_SEVERITY, name="severity_known"),
    CheckConstraint(
        "escalate_at IS NULL OR (closed_at IS NULL AND acknowledged_at IS NULL)",
        name="escalates_while_open",
    ),
)
Index(
    "uq_alert_episodes_one_open_per_key",
    alert_episodes.c.alert_key,
    unique=True,
    postgresql_where=alert_episodes.c.closed_at.is_(None),
)
Index(
    "ix_alert_episodes_escalate_at",
    alert_episodes.c.escalate_at,
    postgresql_where=alert_episodes.c.escalate_at.is_not(None),
)

alert_deliveries = Table(
    "alert_deliveries",
    metadata,
    Column("notice_id", Uuid, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("episode_id", Uuid, nullable=False),
    Column("alert_key", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("is_sequel", Boolean, nullable=False),  # only for those told of the trouble
    Column("state", Text, nullable=False, server_default=text("'pending'")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("due_at", _moment(), nullable=False, server_default=text("now()")),
    Column("leased_until", _moment()),
    Column("reason", Text),
    Column("created_at", _moment(), nullable=False, server_default=text("now()")),
    Column("done_at", _moment()),
    ForeignKeyConstraint(["notice_id"], ["alert_notices.id"]),
    ForeignKeyConstraint(["episode_id"], ["alert_episodes.id"]),
    CheckConstraint("state IN ('pending', 'delivered', 'parked', 'skipped')", name="state_known"),
    CheckConstraint("(state = 'pending') = (done_at IS NULL)", name="done_when_not_pending"),
    CheckConstraint("leased_until IS NULL OR state = 'pending'", name="leased_while_pending"),
)
Index(
    "ix_alert_deliveries_pending",
    alert_deliveries.c.channel,
    alert_deliveries.c.alert_key,
    alert_deliveries.c.seq,
    postgresql_where=alert_deliveries.c.state == "pending",
)
Index(
    "ix_alert_deliveries_episode_id_channel",
    alert_deliveries.c.episode_id,
    alert_deliveries.c.channel,
)
