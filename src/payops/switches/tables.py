"""Switches: one row for each that was ever touched."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TIMESTAMP

from payops.infra.db import metadata

switches = sa.Table(
    "switches",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("is_halted", sa.Boolean, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("changed_by", sa.Text, nullable=False),
    sa.Column("changed_at", TIMESTAMP(timezone=True), nullable=False, server_default=sa.func.now()),
)
