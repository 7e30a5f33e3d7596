"""The inbox: every signed notification, kept before it is acknowledged.

Why: a notification must not be lost when its effect fails, nor have it twice.
Locks: creates a table; touches no existing row.
Down: refuses when it holds notifications that have not had their effect.
"""

from alembic import op

revision = "0008"
down_revision = "0007"

UP = """
CREATE TABLE webhook_deliveries (
    source text NOT NULL,
    id uuid NOT NULL,
    dedupe_key bytea NOT NULL,
    path_reference text,
    body_sealed bytea,
    state text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    errors integer NOT NULL DEFAULT 0,
    due_at timestamptz,
    reason text,
    user_id text,
    subject text,
    received_at timestamptz NOT NULL DEFAULT now(),
    handled_at timestamptz,
    CONSTRAINT pk_webhook_deliveries PRIMARY KEY (id),
    CONSTRAINT uq_webhook_deliveries_source_dedupe_key UNIQUE (source, dedupe_key),
    CONSTRAINT ck_webhook_deliveries_state_known CHECK (state IN ('pending', 'applied', 'parked',
        'unknown', 'rejected')),
    CONSTRAINT ck_webhook_deliveries_open_is_due
        CHECK ((due_at IS NOT NULL) = (state IN ('pending', 'unknown')))
) WITH (fillfactor = 70);
CREATE INDEX ix_webhook_deliveries_due_at ON webhook_deliveries (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX ix_webhook_deliveries_state ON webhook_deliveries (state, id) WHERE state <> 'applied';
CREATE INDEX ix_webhook_deliveries_received_at ON webhook_deliveries USING brin (received_at);
"""

DOWN = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM webhook_deliveries WHERE state IN ('pending', 'unknown', 'parked')) THEN
        RAISE EXCEPTION 'webhook_deliveries holds notifications without effect; handle them first';
    END IF;
END $$;
DROP TABLE webhook_deliveries;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
