"""SQL of the API keys and of the sessions that were opened with them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from payops.access.domain import KEY_ID_PREFIX, ApiKey, Kind, Principal, Scope, Session
from payops.infra.db import Record, Tx
from payops.kernel.ids import show_id

_KNOWN = frozenset(scope.value for scope in Scope)

_INSERT = """
INSERT INTO api_keys (id, name, owner, hash, scopes, expires_at)
VALUES ($1, $2, $3, $4, $5, $6)
RETURNING *
"""

_VALID = """
SELECT id, owner, scopes,
       ceil(extract(epoch FROM expires_at - now()))::bigint AS seconds_left
  FROM api_keys
 WHERE hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
"""

_NEWEST = "SELECT * FROM api_keys ORDER BY id DESC LIMIT $1"

_REVOKE = """
UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1
RETURNING *
"""

_USED = """
UPDATE api_keys SET last_used_at = now()
 WHERE id = ANY($1::uuid[])
   AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
"""

_OPEN_SESSION = """
INSERT INTO console_sessions (id, key_id, hash, expires_at)
VALUES ($1, $2, $3, now() + make_interval(mins => $4))
"""

# Noting that it was seen, at most once a minute, takes no round trip of its own.
_VALID_SESSION = """
WITH valid AS (
    SELECT s.id, s.seen_at, k.id AS key_id, k.name, k.owner, k.scopes
      FROM console_sessions s JOIN api_keys k ON k.id = s.key_id
     WHERE s.hash = $1 AND s.ended_at IS NULL AND s.expires_at > now()
       AND s.seen_at > now() - make_interval(mins => $2)
       AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
), seen AS (
    UPDATE console_sessions s SET seen_at = now()
      FROM valid
     WHERE s.id = valid.id AND $3 AND valid.seen_at < now() - interval '1 minute'
)
SELECT * FROM valid
"""

_END_SESSION = "UPDATE console_sessions SET ended_at = now() WHERE id = $1 AND ended_at IS NULL"

_FORGET_SESSIONS = (
    "DELETE FROM console_sessions WHERE expires_at < now() - make_interval(days => $1)"
)


@dataclass(frozen=True, slots=True)
class ValidKey:
    id: UUID
    owner: str
    scopes: frozenset[Scope]
    seconds_left: int | None  # until it expires


async def insert(
    tx: Tx,
    key_id: UUID,
    *,
    name: str,
    owner: str,
    digest: bytes,
    scopes: Iterable[Scope],
    expires_at: datetime | None,
) -> ApiKey:
    names = sorted(scope.value for scope in scopes)
    row = await tx.fetchrow(_INSERT, key_id, name, owner, digest, names, expires_at)
    return _api_key(row)


async def find_valid(tx: Tx, digest: bytes) -> ValidKey | None:
    """The key of that hash, unless it is revoked or expired by the database's clock."""
    row = await tx.fetchrow(_VALID, digest)
    if row is None:
        return None
    return ValidKey(row["id"], row["owner"], _scopes(row["scopes"]), row["seconds_left"])


async def newest(tx: Tx, limit: int) -> list[ApiKey]:
    return [_api_key(row) for row in await tx.fetch(_NEWEST, limit)]


async def revoke(tx: Tx, key_id: UUID) -> ApiKey | None:
    """Revoked from now on, or since whenever it was."""
    row = await tx.fetchrow(_REVOKE, key_id)
    return _api_key(row) if row else None


async def note_used(tx: Tx, key_ids: Iterable[UUID]) -> int:
    return await tx.execute(_USED, list(key_ids))


async def open_session(
    tx: Tx, session_id: UUID, key_id: UUID, digest: bytes, *, minutes: int
) -> None:
    await tx.execute(_OPEN_SESSION, session_id, key_id, digest, minutes)


async def find_session(
    tx: Tx, digest: bytes, *, idle_minutes: int, is_seen: bool
) -> Session | None:
    """The session of that hash, unless it, its key or its owner's patience has run out."""
    row = await tx.fetchrow(_VALID_SESSION, digest, idle_minutes, is_seen)
    if row is None:
        return None
    key_id = show_id(KEY_ID_PREFIX, row["key_id"])
    principal = Principal(Kind.KEY, key_id, row["owner"], _scopes(row["scopes"]))
    return Session(row["id"], principal, row["name"])


async def end_session(tx: Tx, session_id: UUID) -> bool:
    return await tx.execute(_END_SESSION, session_id) > 0


async def forget_sessions(tx: Tx, *, older_than_days: int) -> int:
    return await tx.execute(_FORGET_SESSIONS, older_than_days)


def _api_key(row: Record) -> ApiKey:
    return ApiKey(
        id=row["id"],
        name=row["name"],
        owner=row["owner"],
        scopes=_scopes(row["scopes"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        last_used_at=row["last_used_at"],
        revoked_at=row["revoked_at"],
    )


def _scopes(names: Iterable[str]) -> frozenset[Scope]:
    """The scopes this version knows: one that a newer version granted means nothing here."""
    return frozenset(Scope(name) for name in names if name in _KNOWN)
