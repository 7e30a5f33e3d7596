"""Rules and their changes, decisions, devices and their verifications, blocks.

``velocity_rules`` and ``fraud_decisions`` are append-only: triggers refuse anything else.
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from payops.infra.db import metadata

_moment = TIMESTAMP(timezone=True)


def _at(name: str = "at") -> sa.Column[object]:
    return sa.Column(name, _moment, nullable=False, server_default=sa.func.now())


# Each version of a rule is a row; the newest is in force.
velocity_rules = sa.Table(
    "velocity_rules",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("measure", sa.Text, nullable=False),
    sa.Column("window_hours", sa.SmallInteger),
    sa.Column("limit_value", sa.BigInteger, nullable=False),
    sa.Column("mode", sa.Text, nullable=False),
    sa.Column("counts_failed", sa.Boolean, nullable=False),
    sa.Column("before", JSONB),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("changed_by", sa.Text, nullable=False),
    sa.Column("approved_by", sa.Text),
    _at(),
    sa.CheckConstraint("version > 0", name="version_positive"),
    sa.CheckConstraint("limit_value > 0", name="limit_positive"),
    sa.CheckConstraint("mode IN ('enforce', 'shadow', 'off')", name="mode_known"),
    sa.CheckConstraint("approved_by <> changed_by", name="four_eyes"),
)

velocity_rule_changes = sa.Table(
    "velocity_rule_changes",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("base_version", sa.Integer, nullable=False),
    sa.Column("measure", sa.Text, nullable=False),
    sa.Column("limit_value", sa.BigInteger, nullable=False),
    sa.Column("mode", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("proposed_by", sa.Text, nullable=False),
    _at("proposed_at"),
    sa.Column("decided_by", sa.Text),
    sa.Column("decided_at", _moment),
    sa.Column("decision_reason", sa.Text),
    sa.Column("expires_at", _moment),
    sa.CheckConstraint(
        "state IN ('pending', 'approved', 'rejected', 'expired', 'overtaken')", name="state_known"
    ),
    sa.CheckConstraint("state <> 'approved' OR decided_by <> proposed_by", name="four_eyes"),
    sa.CheckConstraint("(state = 'pending') = (decided_by IS NULL)", name="decided_by_somebody"),
    sa.Index(
        "uq_velocity_rule_changes_one_pending",
        "name",
        unique=True,
        postgresql_where=sa.text("state = 'pending'"),
    ),
)

# One row a recipient, and a depositor: locked while their limits are decided.
velocity_locks = sa.Table(
    "velocity_locks",
    metadata,
    sa.Column("key", sa.LargeBinary, primary_key=True),
    _at("taken_at"),
)

fraud_decisions = sa.Table(
    "fraud_decisions",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("id", sa.Uuid, primary_key=True),
    _at(),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("subject", sa.Text),
    sa.Column("request_id", sa.Text),
    sa.Column("amount", sa.BigInteger),
    sa.Column("rules", JSONB, nullable=False),
    sa.Column("hits", ARRAY(sa.Text), nullable=False),
    sa.Column("seen", sa.Text),
    sa.Column("device_id", sa.Uuid),
    sa.CheckConstraint("outcome IN ('accepted', 'refused', 'challenged')", name="outcome_known"),
    sa.CheckConstraint("(outcome = 'accepted') = (code = '')", name="refusal_explained"),
    sa.Index("ix_fraud_decisions_at", "at", postgresql_where=sa.text("hits <> '{}'")),
)

devices = sa.Table(
    "devices",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    sa.Column("how", sa.Text, nullable=False),
    _at("known_since"),
    sa.Column("removed_at", _moment),
    sa.CheckConstraint("how IN ('first', 'verified')", name="how_known"),
    sa.CheckConstraint("octet_length(fingerprint) IN (0, 32)", name="fingerprint_hashed"),
    sa.UniqueConstraint("user_id", "fingerprint"),
    sa.Index(
        "uq_devices_one_first", "user_id", unique=True, postgresql_where=sa.text("how = 'first'")
    ),
)

device_networks = sa.Table(
    "device_networks",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("network", sa.LargeBinary, primary_key=True),
    _at("known_since"),
    sa.CheckConstraint("octet_length(network) IN (0, 32)", name="network_hashed"),
)

device_verifications = sa.Table(
    "device_verifications",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    sa.Column("network", sa.LargeBinary, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("tries", sa.SmallInteger, nullable=False, server_default=sa.text("0")),
    _at("created_at"),
    sa.Column("expires_at", _moment, nullable=False),
    sa.Column("ended_at", _moment),
    sa.CheckConstraint("state IN ('open', 'confirmed', 'failed', 'expired')", name="state_known"),
    sa.CheckConstraint("tries BETWEEN 0 AND 20", name="tries_bounded"),
    sa.CheckConstraint("(state = 'open') = (ended_at IS NULL)", name="end_dated"),
    sa.Index("ix_device_verifications_id", "id"),
    sa.Index(
        "uq_device_verifications_one_open",
        "user_id",
        "fingerprint",
        "network",
        unique=True,
        postgresql_where=sa.text("state = 'open'"),
    ),
)

device_messages = sa.Table(
    "device_messages",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("verification_id", sa.Uuid, primary_key=True),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("address_sealed", sa.LargeBinary),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("tries", sa.SmallInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("due_at", _moment),
    _at("created_at"),
    sa.Column("ended_at", _moment),
    sa.ForeignKeyConstraint(
        ["user_id", "verification_id"],
        ["device_verifications.user_id", "device_verifications.id"],
    ),
    sa.CheckConstraint("channel IN ('email', 'event')", name="channel_known"),
    sa.CheckConstraint("state IN ('due', 'delivered', 'dropped')", name="state_known"),
    sa.CheckConstraint("state = 'due' OR address_sealed IS NULL", name="address_wiped"),
    sa.CheckConstraint("(state = 'due') = (due_at IS NOT NULL)", name="due_dated"),
    sa.Index("ix_device_messages_due_at", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
)

user_blocks = sa.Table(
    "user_blocks",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("blocked_by", sa.Text, nullable=False),
    _at("blocked_at"),
    sa.Column("until", _moment),
    sa.Column("lifted_at", _moment),
    sa.Column("lifted_by", sa.Text),
    sa.Column("lift_reason", sa.Text),
    sa.CheckConstraint(
        "(lifted_at IS NULL) = (lifted_by IS NULL) AND (lifted_at IS NULL) = (lift_reason IS NULL)",
        name="lifting_explained",
    ),
    sa.Index(
        "uq_user_blocks_one_open",
        "user_id",
        unique=True,
        postgresql_where=sa.text("lifted_at IS NULL"),
    ),
)
