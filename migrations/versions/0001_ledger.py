"""The ledger: wallets, journals, entries.

Why: balances are the only mutable rows; what moved them is append-only and sums to zero.
Locks: creates tables; touches no existing row.
Down: refuses when there are journals: they are the only record of whose money it is.
"""

from alembic import op

revision = "0001"
down_revision = None

UP = """
CREATE FUNCTION payops_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE TABLE wallets (
    user_id text NOT NULL,
    currency text NOT NULL,
    available bigint NOT NULL,
    held bigint NOT NULL,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_wallets PRIMARY KEY (user_id, currency),
    CONSTRAINT ck_wallets_available_not_negative CHECK (available >= 0),
    CONSTRAINT ck_wallets_held_not_negative CHECK (held >= 0)
) WITH (fillfactor = 70);

CREATE TABLE journals (
    user_id text NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    reference text NOT NULL,
    closes uuid,
    reason text NOT NULL,
    posted_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_journals PRIMARY KEY (user_id, id),
    CONSTRAINT uq_journals_user_id_kind_reference UNIQUE (user_id, kind, reference),
    CONSTRAINT fk_journals_journals FOREIGN KEY (user_id, closes) REFERENCES journals (user_id, id)
);

-- A hold is captured or released, a journal reversed: once, whichever comes first.
CREATE UNIQUE INDEX uq_journals_user_id_closes ON journals (user_id, closes)
    WHERE closes IS NOT NULL;
CREATE UNIQUE INDEX uq_journals_user_id_reference ON journals (user_id, reference)
    WHERE kind IN ('credit', 'debit');

CREATE TABLE entries (
    user_id text NOT NULL,
    journal_id uuid NOT NULL,
    line smallint NOT NULL,
    account text NOT NULL,
    currency text NOT NULL,
    amount bigint NOT NULL,
    CONSTRAINT pk_entries PRIMARY KEY (user_id, journal_id, line),
    CONSTRAINT fk_entries_journals FOREIGN KEY (user_id, journal_id)
        REFERENCES journals (user_id, id),
    CONSTRAINT ck_entries_amount_not_zero CHECK (amount <> 0)
);

-- Ids grow with time, so a block range index finds what came since a moment for next to nothing.
CREATE INDEX ix_entries_journal_id ON entries USING brin (journal_id);

CREATE TABLE house_balances (
    account text NOT NULL,
    currency text NOT NULL,
    balance bigint NOT NULL,
    folded_to uuid NOT NULL,
    CONSTRAINT pk_house_balances PRIMARY KEY (account, currency)
);

CREATE FUNCTION payops_require_zero_sum() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM inserted GROUP BY user_id, journal_id, currency HAVING sum(amount) <> 0
    ) THEN
        RAISE EXCEPTION 'entries do not sum to zero'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_entries_zero_sum';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER entries_zero_sum AFTER INSERT ON entries
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION payops_require_zero_sum();
CREATE TRIGGER entries_append_only BEFORE UPDATE OR DELETE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION payops_refuse_change();
CREATE TRIGGER entries_no_truncate BEFORE TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION payops_refuse_change();
CREATE TRIGGER journals_append_only BEFORE UPDATE OR DELETE ON journals
    FOR EACH STATEMENT EXECUTE FUNCTION payops_refuse_change();
CREATE TRIGGER journals_no_truncate BEFORE TRUNCATE ON journals
    FOR EACH STATEMENT EXECUTE FUNCTION payops_refuse_change();
"""

DOWN = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM journals) THEN
        RAISE EXCEPTION 'journals holds rows; export them first';
    END IF;
END $$;
DROP TABLE house_balances, entries, journals, wallets;
DROP FUNCTION payops_require_zero_sum();
DROP FUNCTION payops_refuse_change();
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
