"""Let what waits for a second person end because time or the facts have passed it by.

Why: an approval whose subject has changed since must not be approved later by chance, and a
loosening of a rule that nobody decides on must not stand in the way of the next one.
What waits already gets the day that it would have been given when it was asked for.
Locks: holds ACCESS EXCLUSIVE on `approvals` and `velocity_rule_changes` while it reads both once
and rewrites the second; they hold what people typed, so that is an instant.
Down: refuses while a row has ended in a way the older release does not know.
"""

from alembic import op

revision = "0022"
down_revision = "0021"

# A constraint that is exchanged in one statement is never gone, and the rows are few.
UP = """
ALTER TABLE approvals
    -- squawk-ignore ban-drop-constraint
    DROP CONSTRAINT ck_approvals_state_known,
    -- squawk-ignore constraint-missing-not-valid
    ADD CONSTRAINT ck_approvals_state_known
        CHECK (state IN ('pending', 'approved', 'rejected', 'expired', 'overtaken'));
ALTER TABLE velocity_rule_changes ADD COLUMN decision_reason text;
ALTER TABLE velocity_rule_changes ADD COLUMN expires_at timestamptz;
UPDATE velocity_rule_changes SET expires_at = proposed_at + interval '1 day';
ALTER TABLE velocity_rule_changes
    -- squawk-ignore ban-drop-constraint
    DROP CONSTRAINT ck_velocity_rule_changes_state_known,
    -- squawk-ignore constraint-missing-not-valid
    ADD CONSTRAINT ck_velocity_rule_changes_state_known
        CHECK (state IN ('pending', 'approved', 'rejected', 'expired', 'overtaken'));
"""

DOWN = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM approvals WHERE state = 'overtaken')
        OR EXISTS (SELECT FROM velocity_rule_changes WHERE state IN ('expired', 'overtaken'))
    THEN
        RAISE EXCEPTION 'approvals or rule changes were overtaken or expired; export them first';
    END IF;
END $$;
ALTER TABLE velocity_rule_changes DROP CONSTRAINT ck_velocity_rule_changes_state_known;
ALTER TABLE velocity_rule_changes ADD CONSTRAINT ck_velocity_rule_changes_state_known
    CHECK (state IN ('pending', 'approved', 'rejected'));
ALTER TABLE velocity_rule_changes DROP COLUMN expires_at;
ALTER TABLE velocity_rule_changes DROP COLUMN decision_reason;
ALTER TABLE approvals DROP CONSTRAINT ck_approvals_state_known;
ALTER TABLE approvals ADD CONSTRAINT ck_approvals_state_known
    CHECK (state IN ('pending', 'approved', 'rejected', 'expired'));
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
