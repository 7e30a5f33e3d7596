"""Remember what people have decided about a payment, when money settled, and what of it came early.

Why: what two people have dismissed must not be credited by the next notification; money that
settled and waits for a rate must reach a person in the end; and what is added to a payment
after its quote has ended is not worth the quote.
Locks: takes ACCESS EXCLUSIVE on `deposit_payments` and `deposit_receipts`, on the second while
it is read once; no row is rewritten.
Down: refuses while anything was decided or added: the older release would credit it.
"""

from alembic import op

revision = "0024"
down_revision = "0023"

# The constraint is of a column that is new and empty: it finds nothing and is quickly done.
UP = """
ALTER TABLE deposit_payments ADD COLUMN doubts_decided text[] NOT NULL DEFAULT '{}';
ALTER TABLE deposit_receipts ADD COLUMN settled_at timestamptz;
ALTER TABLE deposit_receipts ADD COLUMN early_amount numeric;
ALTER TABLE deposit_receipts
    -- squawk-ignore constraint-missing-not-valid
    ADD CONSTRAINT ck_deposit_receipts_early_is_a_part
        CHECK (early_amount > 0 AND early_amount < amount);
"""

DOWN = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM deposit_payments WHERE doubts_decided <> '{}')
        OR EXISTS (SELECT FROM deposit_receipts WHERE early_amount IS NOT NULL)
    THEN
        RAISE EXCEPTION 'deposits were decided or came in parts; export them first';
    END IF;
END $$;
ALTER TABLE deposit_receipts DROP COLUMN early_amount;
ALTER TABLE deposit_receipts DROP COLUMN settled_at;
ALTER TABLE deposit_payments DROP COLUMN doubts_decided;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
