"""What the operations checklists found, line by line, and who ran them.

Why: that a line passed is worth something only with its evidence, a name and a date; and
"when did this last pass" must have an answer.
Locks: creates a table and its indexes; touches no existing row. Safe while serving.
Down: refuses when anything was recorded: the results are evidence and have no other copy.
"""

from alembic import op

revision = "0017"
down_revision = "0016"

UP = """
CREATE TABLE check_results (
    id uuid NOT NULL,
    list text NOT NULL,
    item text NOT NULL,
    status text NOT NULL,
    detail text NOT NULL,
    evidence jsonb NOT NULL,
    ran_by text NOT NULL,
    ran_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_check_results PRIMARY KEY (id),
    CONSTRAINT ck_check_results_status_known CHECK (status IN ('pass', 'fail', 'attention'))
);
CREATE INDEX ix_check_results_list_item_id ON check_results (list, item, id);
CREATE INDEX ix_check_results_passed ON check_results (item, id) WHERE status = 'pass';

CREATE TRIGGER check_results_append_only BEFORE UPDATE OR DELETE ON check_results
    FOR EACH STATEMENT EXECUTE FUNCTION payops_refuse_change();
CREATE TRIGGER check_results_no_truncate BEFORE TRUNCATE ON check_results
    FOR EACH STATEMENT EXECUTE FUNCTION payops_refuse_change();
"""

DOWN = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM check_results) THEN
        RAISE EXCEPTION 'check_results holds rows; export them first';
    END IF;
END $$;
DROP TABLE check_results;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
