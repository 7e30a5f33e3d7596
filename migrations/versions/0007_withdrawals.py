"""Withdrawals, every attempt to send one, and what the rail calls them.

Why: an attempt is on record before it is sent; whatever stops the process afterwards, what
is missing is the answer, never the question. What is unique per rail lives in small lookup
tables, so that the big ones can be spread by user.
Locks: creates tables; touches no existing row.
Down: refuses when there are withdrawals: they are the only record of money sent.
"""

from alembic import op

revision = "0007"
down_revision = "0006"

UP = """
CREATE TABLE withdrawals (
    user_id text NOT NULL,
    id uuid NOT NULL,
    state text NOT NULL,
    amount bigint NOT NULL,
    rail text NOT NULL,
    hold_id uuid NOT NULL,
    phone_sealed bytea NOT NULL,
    phone_index bytea NOT NULL,
    phone_masked text NOT NULL,
    caller text NOT NULL,
    request_id text,
    attempts smallint NOT NULL DEFAULT 0,
    tries smallint NOT NULL DEFAULT 0,
    is_doubtful boolean NOT NULL DEFAULT false,
    questions integer NOT NULL DEFAULT 0,
    unknown_answers smallint NOT NULL DEFAULT 0,
    unknown_at timestamptz,
    first_sent_at timestamptz,
    provider_reference text,
    receipt text,
    failure_code text,
    failure_message text,
    failure_provider_code text,
    due_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_withdrawals PRIMARY KEY (user_id, id),
    CONSTRAINT fk_withdrawals_journals FOREIGN KEY (user_id, hold_id)
        REFERENCES journals (user_id, id),
    CONSTRAINT ck_withdrawals_amount_positive CHECK (amount > 0),
    CONSTRAINT ck_withdrawals_state_known CHECK (state IN ('pending', 'sending', 'sent',
        'unresolved', 'review', 'completed', 'failed', 'cancelled', 'reversed')),
    CONSTRAINT ck_withdrawals_failure_explained
        CHECK ((state = 'failed') = (failure_code IS NOT NULL)),
    CONSTRAINT ck_withdrawals_doubt_is_never_pending
        CHECK (NOT (is_doubtful AND state IN ('pending', 'cancelled')))
) WITH (fillfactor = 80);

-- One row is found by its id alone when an API key or a callback names it.
CREATE INDEX ix_withdrawals_id ON withdrawals (id);
CREATE INDEX ix_withdrawals_phone_index ON withdrawals (phone_index);
-- What is due, per state; withdrawals at rest are not in it.
CREATE INDEX ix_withdrawals_state_due_at ON withdrawals (state, due_at) WHERE due_at IS NOT NULL;
-- What is open, by age: figures, alerts, and what has waited too long.
CREATE INDEX ix_withdrawals_state_created_at ON withdrawals (state, created_at)
    WHERE state NOT IN ('completed', 'failed', 'cancelled', 'reversed');

CREATE TABLE payout_attempts (
    user_id text NOT NULL,
    withdrawal_id uuid NOT NULL,
    number smallint NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    answer text,
    detail text,
    answered_at timestamptz,
    CONSTRAINT pk_payout_attempts PRIMARY KEY (user_id, withdrawal_id, number),
    CONSTRAINT fk_payout_attempts_withdrawals FOREIGN KEY (user_id, withdrawal_id)
        REFERENCES withdrawals (user_id, id),
    CONSTRAINT ck_payout_attempts_answer_known CHECK (answer IN ('taken', 'declined',
        'not_delivered', 'credential_refused', 'lost', 'lease_expired')),
    CONSTRAINT ck_payout_attempts_answer_dated CHECK ((answer IS NULL) = (answered_at IS NULL))
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX uq_payout_attempts_one_open ON payout_attempts (user_id, withdrawal_id)
    WHERE answer IS NULL;

CREATE TABLE payout_references (
    rail text NOT NULL,
    kind text NOT NULL,
    reference text NOT NULL,
    user_id text NOT NULL,
    withdrawal_id uuid NOT NULL,
    CONSTRAINT pk_payout_references PRIMARY KEY (rail, kind, reference),
    CONSTRAINT fk_payout_references_withdrawals FOREIGN KEY (user_id, withdrawal_id)
        REFERENCES withdrawals (user_id, id),
    CONSTRAINT ck_payout_references_kind_known CHECK (kind IN ('payout', 'receipt'))
);

-- On a rail without references of ours, one payout of a sum to a phone is under way at a time.
CREATE TABLE payout_slots (
    rail text NOT NULL,
    phone_index bytea NOT NULL,
    amount bigint NOT NULL,
    user_id text NOT NULL,
    withdrawal_id uuid NOT NULL,
    CONSTRAINT pk_payout_slots PRIMARY KEY (rail, phone_index, amount),
    CONSTRAINT fk_payout_slots_withdrawals FOREIGN KEY (user_id, withdrawal_id)
        REFERENCES withdrawals (user_id, id)
);
"""

DOWN = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM withdrawals) THEN
        RAISE EXCEPTION 'withdrawals holds rows; export them first';
    END IF;
END $$;
DROP TABLE payout_slots, payout_references, payout_attempts, withdrawals;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
