"""Let people be told anew of trouble that somebody else has found or made as well.

Why: what is halted already can be halted by a second person for a reason of their own; that
was on record, and nobody was told.
Locks: ACCESS EXCLUSIVE on `alert_notices` while it is read once; its rows are messages to
people, thousands at most. The older release cannot read such a notice: a newer replica tells it.
Down: such messages count as worse trouble, which is how the older release tells of it.
"""

from alembic import op

revision = "0026"
down_revision = "0025"

# A constraint that is exchanged in one statement is never gone, and the rows are few.
UP = """
ALTER TABLE alert_notices
    -- squawk-ignore ban-drop-constraint
    DROP CONSTRAINT ck_alert_notices_kind_known,
    -- squawk-ignore constraint-missing-not-valid
    ADD CONSTRAINT ck_alert_notices_kind_known CHECK (kind IN ('raised', 'worsened', 'renewed',
        'escalated', 'acknowledged', 'resolved'));
"""

DOWN = """
UPDATE alert_notices SET kind = 'worsened' WHERE kind = 'renewed';
ALTER TABLE alert_notices DROP CONSTRAINT ck_alert_notices_kind_known;
ALTER TABLE alert_notices ADD CONSTRAINT ck_alert_notices_kind_known
    CHECK (kind IN ('raised', 'worsened', 'escalated', 'acknowledged', 'resolved'));
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
