"""The audit log and its seals. Both are append-only: triggers refuse anything else."""

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from payops.infra.db import metadata

audit_log = Table(
    "audit_log",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("at", TIMESTAMP(timezone=True), nullable=False, server_default=text("now()")),
    Column("kind", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("subject", Text),
    Column("request_id", Text),
    # Text, not jsonb: evidence keeps its bytes, whatever a later server makes of JSON.
    Column("detail", Text, nullable=False),
)
Index("ix_audit_log_id", audit_log.c.id)  # newest first, and a block's rows
Index("ix_audit_log_subject_id", audit_log.c.subject, audit_log.c.id)
Index("ix_audit_log_at", audit_log.c.at)  # what the sealer has to look at, in order

audit_seals = Table(
    "audit_seals",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("sealed_at", TIMESTAMP(timezone=True), nullable=False),
    Column("reaches", TIMESTAMP(timezone=True), nullable=False),
    Column("row_ids", ARRAY(Uuid), nullable=False),
    Column("row_hashes", LargeBinary, nullable=False),
    Column("prev_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)
Index("ix_audit_seals_reaches", audit_seals.c.reaches)
