"""Tables of the service itself: which replica ran which slot of which job."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TIMESTAMP

from payops.infra.db import metadata

_moment = TIMESTAMP(timezone=True)

job_runs = sa.Table(
    "job_runs",
    metadata,
    sa.Column("job", sa.Text, primary_key=True),
    sa.Column("slot", _moment, primary_key=True),
    sa.Column("replica", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="1"),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("started_at", _moment, nullable=False, server_default=sa.func.now()),
    sa.Column("finished_at", _moment),
    sa.Column("lease_until", _moment, nullable=False),
    sa.Column("result", sa.Text),
    sa.Column("error", sa.Text),
    sa.CheckConstraint("status IN ('running', 'done', 'failed', 'lost')", name="status_known"),
    sa.CheckConstraint(
        "(status = 'running') = (finished_at IS NULL)", name="finished_when_not_running"
    ),
    sa.Index("ix_job_runs_running", "job", postgresql_where=sa.text("status = 'running'")),
)
