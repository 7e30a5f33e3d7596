"""Who read whose personal data, and why. Append-only: triggers refuse anything else.

Sealed values are not here: each lives in a column of the slice that it belongs to.
"""

from sqlalchemy import CheckConstraint, Column, Index, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from payops.infra.db import metadata
from payops.pii.domain import Purpose

pii_access = Table(
    "pii_access",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("at", TIMESTAMP(timezone=True), nullable=False, server_default=text("now()")),
    Column("actor", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("request_id", Text),
    Column("origin", Text, nullable=False),
    Column("reason", Text),
    Column("event_id", Uuid),
    CheckConstraint(
        "purpose IN (" + ", ".join(f"'{purpose.value}'" for purpose in Purpose) + ")",
        name="purpose_known",
    ),
)
Index("ix_pii_access_id", pii_access.c.id)  # newest first

# When somebody who has a quota opened something in the last day. The row's lock makes two
# openings at once count each other.
pii_quotas = Table(
    "pii_quotas",
    metadata,
    Column("actor", Text, primary_key=True),
    Column("purpose", Text, primary_key=True),
    Column("opened_at", ARRAY(TIMESTAMP(timezone=True)), nullable=False),
)
