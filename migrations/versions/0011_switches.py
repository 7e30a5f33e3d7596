"""What is halted, by whom and why.

Why: one row decides for every replica whether a flow or a provider may go on. Who halted
and resumed it before is in the audit log.
Locks: creates a table; touches no existing row. Safe while serving.
Down: drops the table; what was halted goes on.
"""

from alembic import op

revision = "0011"
down_revision = "0010"

UP = """
CREATE TABLE switches (
    name text NOT NULL,
    is_halted boolean NOT NULL,
    reason text NOT NULL,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_switches PRIMARY KEY (name)
);
"""

DOWN = """
DROP TABLE switches;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
