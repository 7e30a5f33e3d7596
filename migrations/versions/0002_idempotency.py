"""The key that makes a repeated request the same request.

Why: key, effect and answer commit together; the primary key is what makes it once.
Locks: creates a table; touches no existing row.
Down: refuses when a key is tied to money: without it a retry would pay again.
"""

from alembic import op

revision = "0002"
down_revision = "0001"

UP = """
CREATE TABLE idempotency_keys (
    user_id text NOT NULL,
    caller text NOT NULL,
    operation text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    resource text,
    status smallint NOT NULL,
    headers jsonb,
    body bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_idempotency_keys PRIMARY KEY (user_id, caller, operation, key)
);
-- What retention has still to forget.
CREATE INDEX ix_idempotency_keys_created_at ON idempotency_keys (created_at)
    WHERE body IS NOT NULL;
"""

DOWN = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM idempotency_keys WHERE resource IS NOT NULL) THEN
        RAISE EXCEPTION 'idempotency_keys guards payments; export them first';
    END IF;
END $$;
DROP TABLE idempotency_keys;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
