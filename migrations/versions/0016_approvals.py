"""What one person asked for and another decided.

Why: resolving, refunding, resuming and unblocking move money or let it move; the database
itself refuses a decision by who asked, a second decision, and a change of what was asked.
Locks: creates a table, its indexes and a function; touches no existing row. Safe while serving.
Down: refuses when there are rows: they are the record of who allowed what.
"""

from alembic import op

revision = "0016"
down_revision = "0015"

UP = """
CREATE TABLE approvals (
    id uuid NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    user_id text NOT NULL,
    payload jsonb NOT NULL,
    reason text NOT NULL,
    asked_by text NOT NULL,
    asked_owner text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    state text NOT NULL,
    decided_by text,
    decided_owner text,
    decided_at timestamptz,
    decision_reason text,
    CONSTRAINT pk_approvals PRIMARY KEY (id),
    CONSTRAINT ck_approvals_action_known CHECK (action IN ('withdrawal_resolve',
        'withdrawal_refund', 'deposit_resolve', 'switch_resume', 'user_unblock')),
    CONSTRAINT ck_approvals_state_known
        CHECK (state IN ('pending', 'approved', 'rejected', 'expired')),
    CONSTRAINT ck_approvals_four_eyes CHECK (decided_owner <> asked_owner),
    CONSTRAINT ck_approvals_persons_named CHECK (asked_owner <> '' AND decided_owner <> ''),
    CONSTRAINT ck_approvals_decided_by_a_person
        CHECK ((state IN ('approved', 'rejected')) = (decided_owner IS NOT NULL)),
    CONSTRAINT ck_approvals_decision_whole CHECK ((state = 'pending') = (decided_at IS NULL)
        AND (decided_at IS NULL) = (decided_by IS NULL)),
    CONSTRAINT ck_approvals_approved_in_time
        CHECK (state <> 'approved' OR decided_at < expires_at)
);
-- One act on one thing waits at a time.
CREATE UNIQUE INDEX uq_approvals_one_pending ON approvals (action, subject)
    WHERE state = 'pending';
CREATE INDEX ix_approvals_expires_at ON approvals (expires_at) WHERE state = 'pending';

CREATE FUNCTION payops_decide_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'pending' OR NEW.state = 'pending'
        OR (NEW.id, NEW.action, NEW.subject, NEW.user_id, NEW.payload, NEW.reason, NEW.asked_by,
            NEW.asked_owner, NEW.asked_at, NEW.expires_at)
        IS DISTINCT FROM (OLD.id, OLD.action, OLD.subject, OLD.user_id, OLD.payload, OLD.reason,
            OLD.asked_by, OLD.asked_owner, OLD.asked_at, OLD.expires_at)
    THEN
        RAISE EXCEPTION 'an approval is decided once, and what was asked stays'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER approvals_decided_once BEFORE UPDATE ON approvals
    FOR EACH ROW EXECUTE FUNCTION payops_decide_once();
CREATE TRIGGER approvals_no_delete BEFORE DELETE ON approvals
    FOR EACH STATEMENT EXECUTE FUNCTION payops_refuse_change();
CREATE TRIGGER approvals_no_truncate BEFORE TRUNCATE ON approvals
    FOR EACH STATEMENT EXECUTE FUNCTION payops_refuse_change();
"""

DOWN = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM approvals) THEN
        RAISE EXCEPTION 'approvals holds rows; export them first';
    END IF;
END $$;
DROP TABLE approvals;
DROP FUNCTION payops_decide_once();
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
