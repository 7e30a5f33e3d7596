"""Remember which doubts about an arrival people have decided.

Why: reconciliation reads a credited arrival back for days, and what two people have dismissed
was raised again by the next look at the same thing.
Locks: takes ACCESS EXCLUSIVE on `deposit_receipts` for an instant; no row is rewritten.
Down: the decisions stay in `approvals` and in the audit log; a doubt may be raised once more.
"""

from alembic import op

revision = "0021"
down_revision = "0020"

UP = "ALTER TABLE deposit_receipts ADD COLUMN doubts_decided text[] NOT NULL DEFAULT '{}';"


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("ALTER TABLE deposit_receipts DROP COLUMN doubts_decided")
