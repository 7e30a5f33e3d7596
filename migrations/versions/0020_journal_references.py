"""Let the unique key on journals' references begin with the reference.

Why: each entry and each withdrawal looks its journal up by user and id. While every user has
one journal or so, a key that begins with the user promises as much as the primary key, and
the planner took it: for one busy user that is a walk over all their journals, for each entry,
until the next ANALYZE. A key that begins with the reference cannot be mistaken for it.
Locks: SHARE on `journals` while the index is built, a second per million rows: writers wait,
so do it at a quiet hour; then ACCESS EXCLUSIVE for a moment.
Down: likewise.
"""

from alembic import op

revision = "0020"
down_revision = "0019"

# Both are one transaction: a key that is gone for a moment would be no key.
UP = """
ALTER TABLE journals
    -- squawk-ignore disallowed-unique-constraint, constraint-missing-not-valid
    ADD CONSTRAINT uq_journals_reference_user_id_kind UNIQUE (reference, user_id, kind);
ALTER TABLE journals
    -- squawk-ignore ban-drop-constraint
    DROP CONSTRAINT uq_journals_user_id_kind_reference;
"""

DOWN = """
ALTER TABLE journals
    ADD CONSTRAINT uq_journals_user_id_kind_reference UNIQUE (user_id, kind, reference);
ALTER TABLE journals DROP CONSTRAINT uq_journals_reference_user_id_kind;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
