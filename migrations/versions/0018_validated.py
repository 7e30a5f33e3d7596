"""Hold the rows that were already there against the constraints that came later.

Why: a constraint that was never checked against the rows of its day is a promise about the
others only.
Locks: reads `withdrawals` and `pii_access` once, beside their writers (SHARE UPDATE EXCLUSIVE).
Down: the constraints go back to binding new rows only.
"""

from alembic import op

revision = "0018"
down_revision = "0017"

UP = """
ALTER TABLE pii_access VALIDATE CONSTRAINT ck_pii_access_purpose_known;
ALTER TABLE withdrawals VALIDATE CONSTRAINT ck_withdrawals_phone_whole_or_erased;
ALTER TABLE withdrawals VALIDATE CONSTRAINT ck_withdrawals_phone_while_open;
"""

DOWN = """
ALTER TABLE pii_access DROP CONSTRAINT ck_pii_access_purpose_known;
ALTER TABLE pii_access ADD CONSTRAINT ck_pii_access_purpose_known CHECK (purpose IN (
    'payout_send', 'payout_status', 'webhook_processing', 'reconciliation', 'customer_support',
    'investigation', 'legal_request', 'key_rotation', 'device_verification')) NOT VALID;
ALTER TABLE withdrawals DROP CONSTRAINT ck_withdrawals_phone_while_open;
ALTER TABLE withdrawals DROP CONSTRAINT ck_withdrawals_phone_whole_or_erased;
ALTER TABLE withdrawals ADD CONSTRAINT ck_withdrawals_phone_whole_or_erased CHECK (
    (octet_length(phone_sealed) = 0) = (phone_masked = 'erased')
    AND (octet_length(phone_sealed) = 0) = (octet_length(phone_index) = 0)
) NOT VALID;
ALTER TABLE withdrawals ADD CONSTRAINT ck_withdrawals_phone_while_open CHECK (
    octet_length(phone_sealed) > 0 OR state IN ('completed', 'failed', 'cancelled', 'reversed')
) NOT VALID;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
