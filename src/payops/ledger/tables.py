"""The ledger's tables. Only ``wallets`` and ``house_balances`` are ever updated."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TIMESTAMP

from payops.infra.db import metadata

_moment = TIMESTAMP(timezone=True)

wallets = sa.Table(
    "wallets",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("currency", sa.Text, primary_key=True),
    sa.Column("available", sa.BigInteger, nullable=False),
    sa.Column("held", sa.BigInteger, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("created_at", _moment, nullable=False, server_default=sa.func.now()),
    sa.Column("updated_at", _moment, nullable=False, server_default=sa.func.now()),
    sa.CheckConstraint("available >= 0", name="available_not_negative"),
    sa.CheckConstraint("held >= 0", name="held_not_negative"),
)

journals = sa.Table(
    "journals",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("closes", sa.Uuid),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("posted_at", _moment, nullable=False, server_default=sa.func.now()),
    # Not by the user first: the planner could take it for the primary key (migration 0020).
    sa.UniqueConstraint("reference", "user_id", "kind"),
    sa.ForeignKeyConstraint(["user_id", "closes"], ["journals.user_id", "journals.id"]),
    sa.Index(
        "uq_journals_user_id_closes",
        "user_id",
        "closes",
        unique=True,
        postgresql_where=sa.text("closes IS NOT NULL"),
    ),
    sa.Index(
        "uq_journals_user_id_reference",
        "user_id",
        "reference",
        unique=True,
        postgresql_where=sa.text("kind IN ('credit', 'debit')"),
    ),
)

entries = sa.Table(
    "entries",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("journal_id", sa.Uuid, primary_key=True),
    sa.Column("line", sa.SmallInteger, primary_key=True),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.ForeignKeyConstraint(["user_id", "journal_id"], ["journals.user_id", "journals.id"]),
    sa.CheckConstraint("amount <> 0", name="amount_not_zero"),
    sa.Index("ix_entries_journal_id", "journal_id", postgresql_using="brin"),
)

house_balances = sa.Table(
    "house_balances",
    metadata,
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("currency", sa.Text, primary_key=True),
    sa.Column("balance", sa.BigInteger, nullable=False),
    sa.Column("folded_to", sa.Uuid, nullable=False),
)
