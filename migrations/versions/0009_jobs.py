"""Which replica ran which slot of which job.

Why: every replica's scheduler fires; the one that inserts (job, slot) runs the job.
Locks: creates a table and its index; touches no existing row. Safe while serving.
Down: drops the table; its rows are history and no evidence of money.
"""

from alembic import op

revision = "0009"
down_revision = "0008"

UP = """
CREATE TABLE job_runs (
    job text NOT NULL,
    slot timestamptz NOT NULL,
    replica text NOT NULL,
    attempt integer NOT NULL DEFAULT 1,
    status text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    lease_until timestamptz NOT NULL,
    result text,
    error text,
    CONSTRAINT pk_job_runs PRIMARY KEY (job, slot),
    CONSTRAINT ck_job_runs_status_known
        CHECK (status IN ('running', 'done', 'failed', 'lost')),
    CONSTRAINT ck_job_runs_finished_when_not_running
        CHECK ((status = 'running') = (finished_at IS NULL))
);
CREATE INDEX ix_job_runs_running ON job_runs (job) WHERE status = 'running';
"""

DOWN = """
DROP TABLE job_runs;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
