"""API keys, as hashes.

Why: back ends and people in operations identify themselves with keys; a copy of this table
must not let anybody in, so it holds SHA-256 hashes of 256 random bits.
Locks: creates a table; touches no existing row.
Down: drops the table. No money is lost, but every holder of a key is locked out until new
keys are made.
"""

from alembic import op

revision = "0005"
down_revision = "0004"

UP = """
CREATE TABLE api_keys (
    id uuid NOT NULL,
    name text NOT NULL,
    owner text NOT NULL,
    hash bytea NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz,
    CONSTRAINT pk_api_keys PRIMARY KEY (id),
    CONSTRAINT uq_api_keys_hash UNIQUE (hash),
    CONSTRAINT ck_api_keys_hash_is_sha256 CHECK (length(hash) = 32),
    CONSTRAINT ck_api_keys_scopes_named CHECK (cardinality(scopes) > 0)
);
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("DROP TABLE api_keys")
