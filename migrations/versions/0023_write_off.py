"""Let two people write off a payout that was paid although its money had been given back.

Why: until now nobody could end the contradiction, and the loss stood in no account.
Locks: ACCESS EXCLUSIVE on `approvals` for an instant; its rows are what people typed.
Down: refuses while such an approval is kept, or the loss of one is in the books.
"""

from alembic import op

revision = "0023"
down_revision = "0022"

# A constraint that is exchanged in one statement is never gone, and the rows are few.
UP = """
ALTER TABLE approvals
    -- squawk-ignore ban-drop-constraint
    DROP CONSTRAINT ck_approvals_action_known,
    -- squawk-ignore constraint-missing-not-valid
    ADD CONSTRAINT ck_approvals_action_known CHECK (action IN ('withdrawal_resolve',
        'withdrawal_refund', 'withdrawal_write_off', 'deposit_resolve', 'switch_resume',
        'user_unblock'));
"""

DOWN = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM approvals WHERE action = 'withdrawal_write_off')
        OR EXISTS (SELECT FROM journals WHERE kind = 'withdrawal_written_off')
    THEN
        RAISE EXCEPTION 'payouts were written off, or are to be; export them first';
    END IF;
END $$;
ALTER TABLE approvals DROP CONSTRAINT ck_approvals_action_known;
ALTER TABLE approvals ADD CONSTRAINT ck_approvals_action_known
    CHECK (action IN ('withdrawal_resolve', 'withdrawal_refund', 'deposit_resolve',
        'switch_resume', 'user_unblock'));
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
