"""What people are told of alerts: an outbox, and what became of each message.

Why: an alert that commits with its cause must also reach somebody, however often the
process dies on the way. A notice is written with the alert; what is told of it, to whom and
whether it got there, is decided and recorded afterwards.
Locks: adds columns with constant defaults to alerts, which is short of a rewrite, and
creates tables. Open alerts get their first notice: nobody was told of them yet.
Down: drops the tables and the columns. They tell of messages, the alerts stay.
"""

from alembic import op

revision = "0010"
down_revision = "0009"

UP = """
ALTER TABLE alerts
    ADD COLUMN severity_at_count integer NOT NULL DEFAULT 1,
    ADD COLUMN acknowledged_at timestamptz,
    ADD COLUMN acknowledged_by text;

CREATE TABLE alert_notices (
    id uuid NOT NULL,
    alert_id uuid NOT NULL,
    alert_key text NOT NULL,
    seq integer NOT NULL,
    kind text NOT NULL,
    severity text NOT NULL,
    summary text NOT NULL,
    detail jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    verdict text,
    decided_at timestamptz,
    CONSTRAINT pk_alert_notices PRIMARY KEY (id),
    CONSTRAINT uq_alert_notices_alert_key_seq UNIQUE (alert_key, seq),
    CONSTRAINT fk_alert_notices_alerts FOREIGN KEY (alert_id) REFERENCES alerts (id),
    CONSTRAINT ck_alert_notices_kind_known CHECK (kind IN ('raised', 'worsened', 'escalated',
        'acknowledged', 'resolved')),
    CONSTRAINT ck_alert_notices_severity_known
        CHECK (severity IN ('info', 'warning', 'critical')),
    CONSTRAINT ck_alert_notices_verdict_known CHECK (verdict IN ('tell', 'keep_quiet')),
    CONSTRAINT ck_alert_notices_decided_with_verdict
        CHECK ((verdict IS NULL) = (decided_at IS NULL))
);
CREATE INDEX ix_alert_notices_undecided ON alert_notices (alert_key, seq)
    WHERE decided_at IS NULL;

CREATE TABLE alert_episodes (
    id uuid NOT NULL,
    alert_key text NOT NULL,
    severity text NOT NULL,
    opened_by uuid NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT now(),
    acknowledged_at timestamptz,
    escalate_at timestamptz,
    escalations integer NOT NULL DEFAULT 0,
    closed_at timestamptz,
    CONSTRAINT pk_alert_episodes PRIMARY KEY (id),
    CONSTRAINT fk_alert_episodes_alert_notices FOREIGN KEY (opened_by)
        REFERENCES alert_notices (id),
    CONSTRAINT ck_alert_episodes_severity_known
        CHECK (severity IN ('info', 'warning', 'critical')),
    CONSTRAINT ck_alert_episodes_escalates_while_open
        CHECK (escalate_at IS NULL OR (closed_at IS NULL AND acknowledged_at IS NULL))
);
CREATE UNIQUE INDEX uq_alert_episodes_one_open_per_key ON alert_episodes (alert_key)
    WHERE closed_at IS NULL;
CREATE INDEX ix_alert_episodes_escalate_at ON alert_episodes (escalate_at)
    WHERE escalate_at IS NOT NULL;

CREATE TABLE alert_deliveries (
    notice_id uuid NOT NULL,
    channel text NOT NULL,
    episode_id uuid NOT NULL,
    alert_key text NOT NULL,
    seq integer NOT NULL,
    is_sequel boolean NOT NULL,
    state text NOT NULL DEFAULT 'pending',
    attempts integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now(),
    leased_until timestamptz,
    reason text,
    created_at timestamptz NOT NULL DEFAULT now(),
    done_at timestamptz,
    CONSTRAINT pk_alert_deliveries PRIMARY KEY (notice_id, channel),
    CONSTRAINT fk_alert_deliveries_alert_notices FOREIGN KEY (notice_id)
        REFERENCES alert_notices (id),
    CONSTRAINT fk_alert_deliveries_alert_episodes FOREIGN KEY (episode_id)
        REFERENCES alert_episodes (id),
    CONSTRAINT ck_alert_deliveries_state_known
        CHECK (state IN ('pending', 'delivered', 'parked', 'skipped')),
    CONSTRAINT ck_alert_deliveries_done_when_not_pending
        CHECK ((state = 'pending') = (done_at IS NULL)),
    CONSTRAINT ck_alert_deliveries_leased_while_pending
        CHECK (leased_until IS NULL OR state = 'pending')
);
CREATE INDEX ix_alert_deliveries_pending ON alert_deliveries (channel, alert_key, seq)
    WHERE state = 'pending';
CREATE INDEX ix_alert_deliveries_episode_id_channel ON alert_deliveries (episode_id, channel);

INSERT INTO alert_notices (id, alert_id, alert_key, seq, kind, severity, summary, detail)
SELECT gen_random_uuid(), id, key, 1, 'raised', severity, summary, detail
FROM alerts WHERE resolved_at IS NULL;
"""

DOWN = """
DROP TABLE alert_deliveries, alert_episodes, alert_notices;
ALTER TABLE alerts
    DROP COLUMN severity_at_count, DROP COLUMN acknowledged_at, DROP COLUMN acknowledged_by;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
