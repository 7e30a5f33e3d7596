"""Sessions of the operations console.

Why: a browser signs in with an API key once and must not keep the key itself.
Locks: takes SHARE ROW EXCLUSIVE on `api_keys`, for the foreign key; the new table is empty.
Down: whoever is signed in must sign in again; that they did stays in the audit log.
"""

from alembic import op

revision = "0019"
down_revision = "0018"

UP = """
CREATE TABLE console_sessions (
    id uuid NOT NULL,
    key_id uuid NOT NULL,
    hash bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT pk_console_sessions PRIMARY KEY (id),
    CONSTRAINT fk_console_sessions_api_keys FOREIGN KEY (key_id) REFERENCES api_keys (id),
    CONSTRAINT uq_console_sessions_hash UNIQUE (hash),
    CONSTRAINT ck_console_sessions_hash_is_sha256 CHECK (length(hash) = 32),
    CONSTRAINT ck_console_sessions_expires_later CHECK (expires_at > created_at)
);
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("DROP TABLE console_sessions")
