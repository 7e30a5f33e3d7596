"""Evidence of reads in the audit log, quotas for people, and phone numbers that can be shredded.

Why: each read of personal data is now proven by a record in the audit log, whose chain covers
it; what people may open is counted; and a withdrawal outlives the phone number it was paid to.
Locks: adds nullable columns and unchecked constraints: `withdrawals` and `pii_access` are
locked for an instant each. The constraints bind every row written from now on; what already
stands is held against them by a later migration, beside its writers.
Down: refuses when a phone number was shredded, a person's reason is on record, or a read is
proven: nothing else has these.
"""

from alembic import op

revision = "0013"
down_revision = "0012"

UP = """
ALTER TABLE pii_access ADD COLUMN reason text;
ALTER TABLE pii_access ADD COLUMN event_id uuid;

CREATE TABLE pii_quotas (
    actor text NOT NULL,
    purpose text NOT NULL,
    opened_at timestamptz[] NOT NULL,
    CONSTRAINT pk_pii_quotas PRIMARY KEY (actor, purpose)
);

-- A number is there whole, or every trace of it is gone; and only from what is final.
ALTER TABLE withdrawals ADD CONSTRAINT ck_withdrawals_phone_whole_or_erased CHECK (
    (octet_length(phone_sealed) = 0) = (phone_masked = 'erased')
    AND (octet_length(phone_sealed) = 0) = (octet_length(phone_index) = 0)
) NOT VALID;
ALTER TABLE withdrawals ADD CONSTRAINT ck_withdrawals_phone_while_open CHECK (
    octet_length(phone_sealed) > 0 OR state IN ('completed', 'failed', 'cancelled', 'reversed')
) NOT VALID;
"""

DOWN = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM withdrawals WHERE phone_masked = 'erased') THEN
        RAISE EXCEPTION 'withdrawals holds rows whose phone number was erased';
    END IF;
    IF EXISTS (SELECT FROM pii_access WHERE reason IS NOT NULL OR event_id IS NOT NULL) THEN
        RAISE EXCEPTION 'pii_access holds reasons or proven reads; export them first';
    END IF;
END $$;
ALTER TABLE withdrawals DROP CONSTRAINT ck_withdrawals_phone_while_open;
ALTER TABLE withdrawals DROP CONSTRAINT ck_withdrawals_phone_whole_or_erased;
DROP TABLE pii_quotas;
ALTER TABLE pii_access DROP COLUMN event_id;
ALTER TABLE pii_access DROP COLUMN reason;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
