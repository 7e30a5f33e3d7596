"""Crypto invoices, the providers' payments behind them, and the receipts that are credited.

Why: an intent is on record before a provider is asked; a payment is what we poll; a receipt
is one arrival of money, the only thing that is ever credited. What is unique per provider
lives in one small lookup table, so that the others can be spread by user.
Locks: creates tables; touches no existing row.
Down: refuses when there are invoices or rates: they are the only record of money received
and of the rates it was credited at.
"""

from alembic import op

revision = "0014"
down_revision = "0013"

UP = """
CREATE TABLE fx_rates (
    id uuid NOT NULL,
    pair text NOT NULL,
    rate numeric(20, 8) NOT NULL,
    spread_bps integer NOT NULL,
    set_by text NOT NULL,
    reason text NOT NULL,
    set_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_fx_rates PRIMARY KEY (id),
    CONSTRAINT ck_fx_rates_pair_known CHECK (pair = 'USD/KES'),
    CONSTRAINT ck_fx_rates_rate_positive CHECK (rate > 0),
    CONSTRAINT ck_fx_rates_spread_sane CHECK (spread_bps BETWEEN 0 AND 2000)
);
CREATE INDEX ix_fx_rates_pair_set_at ON fx_rates (pair, set_at);
CREATE TRIGGER fx_rates_append_only BEFORE UPDATE OR DELETE ON fx_rates
    FOR EACH STATEMENT EXECUTE FUNCTION payops_refuse_change();
CREATE TRIGGER fx_rates_no_truncate BEFORE TRUNCATE ON fx_rates
    FOR EACH STATEMENT EXECUTE FUNCTION payops_refuse_change();

CREATE TABLE invoices (
    user_id text NOT NULL,
    id uuid NOT NULL,
    state text NOT NULL,
    price bigint NOT NULL,
    currency text NOT NULL,
    charged bigint NOT NULL,
    charged_currency text NOT NULL,
    rate numeric(20, 8),
    rate_id uuid,
    rate_set_at timestamptz,
    coin text,
    provider text NOT NULL,
    checkout text NOT NULL,
    attempts smallint NOT NULL DEFAULT 0,
    provider_reference text,
    pay_amount numeric,
    address text,
    memo text,
    network text,
    checkout_url text,
    quote_expires_at timestamptz,
    credited bigint NOT NULL DEFAULT 0,
    reasons text[] NOT NULL DEFAULT '{}',
    caller text NOT NULL,
    request_id text,
    state_since timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_invoices PRIMARY KEY (user_id, id),
    CONSTRAINT fk_invoices_fx_rates FOREIGN KEY (rate_id) REFERENCES fx_rates (id),
    CONSTRAINT ck_invoices_state_known CHECK (state IN ('creating', 'unknown', 'waiting',
        'confirming', 'confirmed', 'sending', 'finished', 'partially_paid', 'failed', 'expired',
        'refunded', 'review')),
    CONSTRAINT ck_invoices_checkout_known CHECK (checkout IN ('address', 'hosted')),
    CONSTRAINT ck_invoices_amounts_positive CHECK (price > 0 AND charged > 0 AND credited >= 0),
    CONSTRAINT ck_invoices_rate_where_currencies_differ
        CHECK ((currency = charged_currency) = (rate IS NULL)),
    CONSTRAINT ck_invoices_coin_or_page CHECK (coin IS NOT NULL OR checkout = 'hosted'),
    CONSTRAINT ck_invoices_memo_with_its_address CHECK (memo IS NULL OR address IS NOT NULL),
    CONSTRAINT ck_invoices_payable_when_waiting
        CHECK (state <> 'waiting' OR address IS NOT NULL OR checkout_url IS NOT NULL),
    CONSTRAINT ck_invoices_review_explained
        CHECK ((state = 'review') = (cardinality(reasons) > 0))
) WITH (fillfactor = 80);
-- One row is found by its id alone when an API key or a notification names it.
CREATE INDEX ix_invoices_id ON invoices (id);
-- What is not at rest, by how long it has been so: figures, stuck payments, what was never born.
CREATE INDEX ix_invoices_state_state_since ON invoices (state, state_since)
    WHERE state IN ('creating', 'unknown', 'waiting', 'confirming', 'confirmed', 'sending',
        'review');

CREATE TABLE invoice_attempts (
    user_id text NOT NULL,
    invoice_id uuid NOT NULL,
    number smallint NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz NOT NULL,
    answer text,
    detail text,
    answered_at timestamptz,
    CONSTRAINT pk_invoice_attempts PRIMARY KEY (user_id, invoice_id, number),
    CONSTRAINT fk_invoice_attempts_invoices FOREIGN KEY (user_id, invoice_id)
        REFERENCES invoices (user_id, id),
    CONSTRAINT ck_invoice_attempts_answer_known CHECK (answer IN ('opened', 'refused',
        'not_delivered', 'credential_refused', 'lost', 'unusable')),
    CONSTRAINT ck_invoice_attempts_answer_dated CHECK ((answer IS NULL) = (answered_at IS NULL))
);
CREATE UNIQUE INDEX uq_invoice_attempts_one_open ON invoice_attempts (user_id, invoice_id)
    WHERE answer IS NULL;

CREATE TABLE deposit_payments (
    user_id text NOT NULL,
    id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    provider text NOT NULL,
    reference text NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    provider_status text NOT NULL,
    parent_reference text,
    coin text,
    pay_amount numeric,
    address text,
    memo text,
    network text,
    quote_expires_at timestamptz,
    fee_coin text,
    fee_amount numeric,
    reason text,
    seen_at timestamptz,
    notified_at timestamptz,
    reads integer NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0,
    failing_since timestamptz,
    due_at timestamptz,
    state_since timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_deposit_payments PRIMARY KEY (user_id, id),
    CONSTRAINT fk_deposit_payments_invoices FOREIGN KEY (user_id, invoice_id)
        REFERENCES invoices (user_id, id),
    CONSTRAINT ck_deposit_payments_kind_known
        CHECK (kind IN ('primary', 'hosted', 'child', 'orphan')),
    CONSTRAINT ck_deposit_payments_state_known CHECK (state IN ('waiting', 'confirming',
        'confirmed', 'sending', 'finished', 'partially_paid', 'failed', 'expired', 'refunded')),
    CONSTRAINT ck_deposit_payments_child_has_parent
        CHECK (kind <> 'child' OR parent_reference IS NOT NULL)
) WITH (fillfactor = 80);
CREATE INDEX ix_deposit_payments_invoice_id ON deposit_payments (invoice_id);
CREATE UNIQUE INDEX uq_deposit_payments_one_primary ON deposit_payments (user_id, invoice_id)
    WHERE kind = 'primary';
-- What is to be read back, oldest first; what is at rest for good is not in it.
CREATE INDEX ix_deposit_payments_provider_due_at ON deposit_payments (provider, due_at)
    WHERE due_at IS NOT NULL;

CREATE TABLE deposit_receipts (
    user_id text NOT NULL,
    id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    provider text NOT NULL,
    reference text NOT NULL,
    state text NOT NULL,
    coin text NOT NULL,
    amount numeric NOT NULL,
    arrived_at timestamptz NOT NULL,
    is_settled boolean NOT NULL DEFAULT false,
    outcome_coin text,
    outcome_amount numeric,
    chain_hash text,
    credited bigint,
    credited_currency text,
    journal_id uuid,
    fee_journal_id uuid,
    method text,
    rate numeric,
    reason text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_deposit_receipts PRIMARY KEY (user_id, id),
    CONSTRAINT fk_deposit_receipts_payments FOREIGN KEY (user_id, payment_id)
        REFERENCES deposit_payments (user_id, id),
    CONSTRAINT fk_deposit_receipts_journals FOREIGN KEY (user_id, journal_id)
        REFERENCES journals (user_id, id),
    CONSTRAINT ck_deposit_receipts_state_known
        CHECK (state IN ('seen', 'credited', 'review', 'dismissed', 'reversed')),
    CONSTRAINT ck_deposit_receipts_amount_positive CHECK (amount > 0),
    CONSTRAINT ck_deposit_receipts_method_known
        CHECK (method IN ('quote', 'market', 'decision')),
    CONSTRAINT ck_deposit_receipts_credit_whole CHECK ((state IN ('credited', 'reversed'))
        = (journal_id IS NOT NULL AND credited > 0 AND credited_currency IS NOT NULL
           AND method IS NOT NULL AND is_settled)),
    CONSTRAINT ck_deposit_receipts_review_explained
        CHECK (state <> 'review' OR reason IS NOT NULL)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX uq_deposit_receipts_journal_id ON deposit_receipts (user_id, journal_id);
CREATE INDEX ix_deposit_receipts_invoice_id ON deposit_receipts (invoice_id);

-- Once per provider: a payment, the page it was picked on, an arrival of money.
CREATE TABLE deposit_references (
    provider text NOT NULL,
    kind text NOT NULL,
    reference text NOT NULL,
    user_id text NOT NULL,
    invoice_id uuid NOT NULL,
    CONSTRAINT pk_deposit_references PRIMARY KEY (provider, kind, reference),
    CONSTRAINT fk_deposit_references_invoices FOREIGN KEY (user_id, invoice_id)
        REFERENCES invoices (user_id, id),
    CONSTRAINT ck_deposit_references_kind_known CHECK (kind IN ('payment', 'page', 'receipt'))
);

-- Every change of what an invoice shows. The two durations are kept with the change that ends
-- them, so that an average needs this index and nothing else.
CREATE TABLE deposit_transitions (
    user_id text NOT NULL,
    id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    from_state text NOT NULL,
    to_state text NOT NULL,
    waited_seconds bigint,
    settling_seconds bigint,
    actor text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_deposit_transitions PRIMARY KEY (user_id, id),
    CONSTRAINT fk_deposit_transitions_invoices FOREIGN KEY (user_id, invoice_id)
        REFERENCES invoices (user_id, id)
);
CREATE INDEX ix_deposit_transitions_invoice_id ON deposit_transitions (invoice_id);
CREATE INDEX ix_deposit_transitions_at ON deposit_transitions (at)
    INCLUDE (to_state, waited_seconds, settling_seconds);
CREATE TRIGGER deposit_transitions_append_only BEFORE UPDATE OR DELETE ON deposit_transitions
    FOR EACH STATEMENT EXECUTE FUNCTION payops_refuse_change();
CREATE TRIGGER deposit_transitions_no_truncate BEFORE TRUNCATE ON deposit_transitions
    FOR EACH STATEMENT EXECUTE FUNCTION payops_refuse_change();
"""

DOWN = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM invoices) OR EXISTS (SELECT FROM fx_rates) THEN
        RAISE EXCEPTION 'invoices or fx_rates holds rows; export them first';
    END IF;
END $$;
DROP TABLE deposit_transitions, deposit_references, deposit_receipts, deposit_payments,
    invoice_attempts, invoices, fx_rates;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
