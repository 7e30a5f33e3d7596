"""Results of the checklists. Append-only: triggers refuse anything else."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from payops.infra.db import metadata

check_results = sa.Table(
    "check_results",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("list", sa.Text, nullable=False),
    sa.Column("item", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("evidence", JSONB, nullable=False),
    sa.Column("ran_by", sa.Text, nullable=False),
    sa.Column("ran_at", TIMESTAMP(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.CheckConstraint("status IN ('pass', 'fail', 'attention')", name="status_known"),
    sa.Index("ix_check_results_list_item_id", "list", "item", "id"),
    sa.Index("ix_check_results_passed", "item", "id", postgresql_where=sa.text("status = 'pass'")),
)
