"""Invoices, attempts, payments, receipts, transitions and rates; money as minor units,
coins as exact ``numeric``.
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from payops.infra.db import metadata

_moment = TIMESTAMP(timezone=True)
_now = sa.func.now()
_RATE = sa.Numeric(20, 8)


def _zero() -> sa.TextClause:
    return sa.text("0")


def _of_invoice() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["user_id", "invoice_id"], ["invoices.user_id", "invoices.id"])


fx_rates = sa.Table(
    "fx_rates",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("pair", sa.Text, nullable=False),
    sa.Column("rate", _RATE, nullable=False),
    sa.Column("spread_bps", sa.Integer, nullable=False),
    sa.Column("set_by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("set_at", _moment, nullable=False, server_default=_now),
    sa.Index("ix_fx_rates_pair_set_at", "pair", "set_at"),
)

invoices = sa.Table(
    "invoices",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("price", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("charged", sa.BigInteger, nullable=False),
    sa.Column("charged_currency", sa.Text, nullable=False),
    sa.Column("rate", _RATE),
    sa.Column("rate_id", sa.Uuid),
    sa.Column("rate_set_at", _moment),
    sa.Column("coin", sa.Text),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("checkout", sa.Text, nullable=False),
    sa.Column("attempts", sa.SmallInteger, nullable=False, server_default=_zero()),
    sa.Column("provider_reference", sa.Text),
    sa.Column("pay_amount", sa.Numeric),
    sa.Column("address", sa.Text),
    sa.Column("memo", sa.Text),
    sa.Column("network", sa.Text),
    sa.Column("checkout_url", sa.Text),
    sa.Column("quote_expires_at", _moment),
    sa.Column("credited", sa.BigInteger, nullable=False, server_default=_zero()),
    sa.Column("reasons", ARRAY(sa.Text), nullable=False, server_default=sa.text("'{}'")),
    sa.Column("caller", sa.Text, nullable=False),
    sa.Column("request_id", sa.Text),
    sa.Column("state_since", _moment, nullable=False, server_default=_now),
    sa.Column("created_at", _moment, nullable=False, server_default=_now),
    sa.Column("updated_at", _moment, nullable=False, server_default=_now),
    sa.ForeignKeyConstraint(["rate_id"], ["fx_rates.id"]),
    sa.Index("ix_invoices_id", "id"),
    sa.Index(
        "ix_invoices_state_state_since",
        "state",
        "state_since",
        postgresql_where=sa.text(
            "state IN ('creating', 'unknown', 'waiting', 'confirming', 'confirmed', 'sending', "
            "'review')"
        ),
    ),
)

invoice_attempts = sa.Table(
    "invoice_attempts",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("invoice_id", sa.Uuid, primary_key=True),
    sa.Column("number", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("started_at", _moment, nullable=False, server_default=_now),
    sa.Column("lease_until", _moment, nullable=False),
    sa.Column("answer", sa.Text),
    sa.Column("detail", sa.Text),
    sa.Column("answered_at", _moment),
    _of_invoice(),
    sa.Index(
        "uq_invoice_attempts_one_open",
        "user_id",
        "invoice_id",
        unique=True,
        postgresql_where=sa.text("answer IS NULL"),
    ),
)

deposit_payments = sa.Table(
    "deposit_payments",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("invoice_id", sa.Uuid, nullable=False),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("provider_status", sa.Text, nullable=False),
    sa.Column("parent_reference", sa.Text),
    sa.Column("coin", sa.Text),
    sa.Column("pay_amount", sa.Numeric),
    sa.Column("address", sa.Text),
    sa.Column("memo", sa.Text),
    sa.Column("network", sa.Text),
    sa.Column("quote_expires_at", _moment),
    sa.Column("fee_coin", sa.Text),
    sa.Column("fee_amount", sa.Numeric),
    sa.Column("reason", sa.Text),
    sa.Column("doubts_decided", ARRAY(sa.Text), nullable=False, server_default=sa.text("'{}'")),
    sa.Column("seen_at", _moment),
    sa.Column("notified_at", _moment),
    sa.Column("reads", sa.Integer, nullable=False, server_default=_zero()),
    sa.Column("failures", sa.Integer, nullable=False, server_default=_zero()),
    sa.Column("failing_since", _moment),
    sa.Column("due_at", _moment),
    sa.Column("state_since", _moment, nullable=False, server_default=_now),
    sa.Column("created_at", _moment, nullable=False, server_default=_now),
    _of_invoice(),
    sa.Index("ix_deposit_payments_invoice_id", "invoice_id"),
    sa.Index(
        "uq_deposit_payments_one_primary",
        "user_id",
        "invoice_id",
        unique=True,
        postgresql_where=sa.text("kind = 'primary'"),
    ),
    sa.Index(
        "ix_deposit_payments_provider_due_at",
        "provider",
        "due_at",
        postgresql_where=sa.text("due_at IS NOT NULL"),
    ),
)

deposit_receipts = sa.Table(
    "deposit_receipts",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("invoice_id", sa.Uuid, nullable=False),
    sa.Column("payment_id", sa.Uuid, nullable=False),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("coin", sa.Text, nullable=False),
    sa.Column("amount", sa.Numeric, nullable=False),
    sa.Column("arrived_at", _moment, nullable=False),
    sa.Column("early_amount", sa.Numeric),
    sa.Column("is_settled", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("settled_at", _moment),
    sa.Column("outcome_coin", sa.Text),
    sa.Column("outcome_amount", sa.Numeric),
    sa.Column("chain_hash", sa.Text),
    sa.Column("credited", sa.BigInteger),
    sa.Column("credited_currency", sa.Text),
    sa.Column("journal_id", sa.Uuid),
    sa.Column("fee_journal_id", sa.Uuid),
    sa.Column("method", sa.Text),
    sa.Column("rate", sa.Numeric),
    sa.Column("reason", sa.Text),
    sa.Column("doubts_decided", ARRAY(sa.Text), nullable=False, server_default=sa.text("'{}'")),
    sa.Column("created_at", _moment, nullable=False, server_default=_now),
    sa.ForeignKeyConstraint(
        ["user_id", "payment_id"],
        ["deposit_payments.user_id", "deposit_payments.id"],
        name="fk_deposit_receipts_payments",
    ),
    sa.ForeignKeyConstraint(["user_id", "journal_id"], ["journals.user_id", "journals.id"]),
    sa.Index("uq_deposit_receipts_journal_id", "user_id", "journal_id", unique=True),
    sa.Index("ix_deposit_receipts_invoice_id", "invoice_id"),
)

deposit_references = sa.Table(
    "deposit_references",
    metadata,
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("reference", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("invoice_id", sa.Uuid, nullable=False),
    _of_invoice(),
)

deposit_transitions = sa.Table(
    "deposit_transitions",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("invoice_id", sa.Uuid, nullable=False),
    sa.Column("from_state", sa.Text, nullable=False),
    sa.Column("to_state", sa.Text, nullable=False),
    sa.Column("waited_seconds", sa.BigInteger),
    sa.Column("settling_seconds", sa.BigInteger),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("at", _moment, nullable=False, server_default=_now),
    _of_invoice(),
    sa.Index("ix_deposit_transitions_invoice_id", "invoice_id"),
    sa.Index(
        "ix_deposit_transitions_at",
        "at",
        postgresql_include=["to_state", "waited_seconds", "settling_seconds"],
    ),
)
