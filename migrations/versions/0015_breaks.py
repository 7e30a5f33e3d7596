"""Differences between a provider's books and ours, each with an age and an owner.

Why: a reconciliation that only counts is forgotten by the morning; a break stays open until
it is gone or a person has explained it.
Locks: creates a table and its indexes; touches no existing row. Safe while serving.
Down: refuses while one is open.
"""

from alembic import op

revision = "0015"
down_revision = "0014"

UP = """
CREATE TABLE reconciliation_breaks (
    id uuid NOT NULL,
    provider text NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    user_id text NOT NULL,
    detail jsonb NOT NULL,
    owner text,
    opened_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz,
    closed_by text,
    explanation text,
    CONSTRAINT pk_reconciliation_breaks PRIMARY KEY (id),
    CONSTRAINT ck_reconciliation_breaks_kind_known CHECK (kind IN ('amount_differs',
        'state_differs', 'settled_not_credited', 'credited_not_settled', 'not_known',
        'unreadable')),
    CONSTRAINT ck_reconciliation_breaks_closed_by_somebody
        CHECK ((closed_at IS NULL) = (closed_by IS NULL))
);
-- One open break a difference, however often it is found.
CREATE UNIQUE INDEX uq_reconciliation_breaks_open
    ON reconciliation_breaks (provider, kind, subject) WHERE closed_at IS NULL;
"""

DOWN = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM reconciliation_breaks WHERE closed_at IS NULL) THEN
        RAISE EXCEPTION 'reconciliation_breaks has open rows; close them first';
    END IF;
END $$;
DROP TABLE reconciliation_breaks;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
