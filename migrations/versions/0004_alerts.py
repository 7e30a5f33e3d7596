"""Alerts: what operations people must know, as rows.

Why: an alert that commits with its cause is neither lost in a crash nor raised for nothing.
Locks: creates a table; touches no existing row.
Down: drops the table. Alerts tell of trouble that is on record elsewhere as well.
"""

from alembic import op

revision = "0004"
down_revision = "0003"

UP = """
CREATE TABLE alerts (
    id uuid NOT NULL,
    key text NOT NULL,
    kind text NOT NULL,
    severity text NOT NULL,
    summary text NOT NULL,
    detail jsonb NOT NULL,
    raised_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    count integer NOT NULL DEFAULT 1,
    resolved_at timestamptz,
    CONSTRAINT pk_alerts PRIMARY KEY (id),
    CONSTRAINT ck_alerts_severity_known CHECK (severity IN ('info', 'warning', 'critical')),
    CONSTRAINT ck_alerts_count_positive CHECK (count > 0)
);
CREATE UNIQUE INDEX uq_alerts_one_open_per_key ON alerts (key) WHERE resolved_at IS NULL;
"""

DOWN = "DROP TABLE alerts"


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
