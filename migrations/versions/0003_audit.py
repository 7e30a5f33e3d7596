"""The audit log, and the seals that chain its rows.

Why: what was done must stay as it was written, and show it when it does not.
Locks: creates tables; touches no existing row.
Down: refuses when anything was recorded: the log is evidence and has no other copy.
"""

from alembic import op

revision = "0003"
down_revision = "0002"

UP = """
CREATE TABLE audit_log (
    user_id text NOT NULL,
    id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    kind text NOT NULL,
    actor text NOT NULL,
    subject text,
    request_id text,
    detail text NOT NULL,
    CONSTRAINT pk_audit_log PRIMARY KEY (user_id, id)
);
CREATE INDEX ix_audit_log_id ON audit_log (id);
CREATE INDEX ix_audit_log_subject_id ON audit_log (subject, id);
CREATE INDEX ix_audit_log_at ON audit_log (at);

CREATE TABLE audit_seals (
    seq bigint NOT NULL,
    sealed_at timestamptz NOT NULL,
    reaches timestamptz NOT NULL,
    row_ids uuid[] NOT NULL,
    row_hashes bytea NOT NULL,
    prev_hash bytea NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT pk_audit_seals PRIMARY KEY (seq)
);
CREATE INDEX ix_audit_seals_reaches ON audit_seals (reaches);

CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION payops_refuse_change();
CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION payops_refuse_change();
CREATE TRIGGER audit_seals_append_only BEFORE UPDATE OR DELETE ON audit_seals
    FOR EACH STATEMENT EXECUTE FUNCTION payops_refuse_change();
CREATE TRIGGER audit_seals_no_truncate BEFORE TRUNCATE ON audit_seals
    FOR EACH STATEMENT EXECUTE FUNCTION payops_refuse_change();
"""

DOWN = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM audit_log) OR EXISTS (SELECT FROM audit_seals) THEN
        RAISE EXCEPTION 'audit_log holds rows; export them first';
    END IF;
END $$;
DROP TABLE audit_seals, audit_log;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
