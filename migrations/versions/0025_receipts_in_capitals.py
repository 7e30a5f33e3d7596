"""Write receipts that were kept in small letters in capitals, as they are claimed by now.

Why: what was kept before is found by nobody who looks for it, M-Pesa's next word of it looks
like a second receipt, and another payout could claim the same one in capitals.
Locks: only the rows that change, if there are any; both tables are read through a few times.
What two payouts have, apart from the letters' size, stays: people decide whose it is.
Down: nothing; capitals are as good to the older release.
"""

from alembic import op

revision = "0025"
down_revision = "0024"

# Payouts before their claims, as the service takes its locks.
UP = """
UPDATE withdrawals w SET receipt = upper(w.receipt)
WHERE w.receipt <> upper(w.receipt)
    AND NOT EXISTS (SELECT FROM payout_references r
        WHERE r.rail = w.rail AND r.kind = 'receipt' AND upper(r.reference) = upper(w.receipt)
            AND (r.user_id, r.withdrawal_id) <> (w.user_id, w.id));

INSERT INTO payout_references (rail, kind, reference, user_id, withdrawal_id)
SELECT small.rail, small.kind, upper(small.reference), small.user_id, small.withdrawal_id
FROM payout_references small
WHERE small.kind = 'receipt' AND small.reference <> upper(small.reference)
    AND NOT EXISTS (SELECT FROM payout_references r
        WHERE r.rail = small.rail AND r.kind = 'receipt'
            AND upper(r.reference) = upper(small.reference)
            AND (r.user_id, r.withdrawal_id) <> (small.user_id, small.withdrawal_id))
ON CONFLICT (rail, kind, reference) DO NOTHING;

DELETE FROM payout_references small USING payout_references capital
WHERE small.kind = 'receipt' AND small.reference <> upper(small.reference)
    AND (capital.rail, capital.kind, capital.reference, capital.user_id, capital.withdrawal_id)
        = (small.rail, small.kind, upper(small.reference), small.user_id, small.withdrawal_id);
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    """Which of them were small is not kept, and nothing needs it."""
