"""Who read whose personal data, and why.

Why: every decryption is answered for; the row commits with whatever the value was read for.
Locks: creates a table; touches no existing row.
Down: refuses when a read was recorded: the law asks for these rows, and nothing else has them.
"""

from alembic import op

revision = "0006"
down_revision = "0005"

UP = """
CREATE TABLE pii_access (
    user_id text NOT NULL,
    id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    purpose text NOT NULL,
    subject text NOT NULL,
    field text NOT NULL,
    request_id text,
    origin text NOT NULL,
    CONSTRAINT pk_pii_access PRIMARY KEY (user_id, id),
    CONSTRAINT ck_pii_access_purpose_known CHECK (purpose IN (
        'payout_send', 'payout_status', 'webhook_processing', 'reconciliation',
        'customer_support', 'investigation', 'legal_request', 'key_rotation'
    ))
);
CREATE INDEX ix_pii_access_id ON pii_access (id);

CREATE TRIGGER pii_access_append_only BEFORE UPDATE OR DELETE ON pii_access
    FOR EACH STATEMENT EXECUTE FUNCTION payops_refuse_change();
CREATE TRIGGER pii_access_no_truncate BEFORE TRUNCATE ON pii_access
    FOR EACH STATEMENT EXECUTE FUNCTION payops_refuse_change();
"""

DOWN = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pii_access) THEN
        RAISE EXCEPTION 'pii_access holds rows; export them first';
    END IF;
END $$;
DROP TABLE pii_access;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
