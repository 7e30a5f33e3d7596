"""Reading and writing keys, a batch at a time."""

import json
from collections.abc import Sequence
from typing import Any

from payops.idempotency.domain import Answer, Key, Keyed, Use
from payops.infra.db import Record, Tx

_FIND = """
SELECT k.user_id, k.caller, k.operation, k.key, k.fingerprint, k.resource, k.status,
    k.headers, k.body,
    extract(epoch FROM now() - k.created_at)::bigint AS age_seconds
FROM idempotency_keys k
JOIN unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS w (user_id, caller, operation, key)
    ON k.user_id = w.user_id AND k.caller = w.caller AND k.operation = w.operation AND k.key = w.key
"""

# Ordered: two batches that share keys wait for each other and never deadlock.
_INSERT = """
INSERT INTO idempotency_keys
    (user_id, caller, operation, key, fingerprint, resource, status, headers, body)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::text[],
    $7::smallint[], $8::jsonb[], $9::bytea[])
ORDER BY 1, 2, 3, 4
"""

_COMPLETE = """
UPDATE idempotency_keys SET status = $5, headers = $6::jsonb, body = $7
WHERE user_id = $1 AND caller = $2 AND operation = $3 AND key = $4 AND body IS NULL
"""

_FORGET_BODIES = """
UPDATE idempotency_keys SET body = NULL, headers = NULL
WHERE (user_id, caller, operation, key) IN (
    SELECT user_id, caller, operation, key FROM idempotency_keys
    WHERE created_at < now() - make_interval(days => $1)
        AND resource IS NOT NULL AND body IS NOT NULL
    LIMIT $2 FOR UPDATE SKIP LOCKED)
"""

_FORGET_KEYS = """
DELETE FROM idempotency_keys
WHERE (user_id, caller, operation, key) IN (
    SELECT user_id, caller, operation, key FROM idempotency_keys
    WHERE created_at < now() - make_interval(days => $1) AND resource IS NULL
        AND body IS NOT NULL
    LIMIT $2 FOR UPDATE SKIP LOCKED)
"""


# A refusal holds nothing about anybody, and without its answer its key would be free again.
_COUNT_BODIES = """
SELECT count(*) FROM idempotency_keys
WHERE user_id = $1 AND resource IS NOT NULL AND body IS NOT NULL
"""

_ERASE_BODIES = """
UPDATE idempotency_keys SET body = NULL, headers = NULL
WHERE user_id = $1 AND resource IS NOT NULL AND body IS NOT NULL
"""


_USED = """
SELECT user_id, caller, operation, key, resource, status, created_at FROM idempotency_keys
WHERE key = $1 AND ($2::text IS NULL OR user_id = $2) ORDER BY created_at DESC LIMIT $3
"""

_MADE = """
SELECT user_id, caller, operation, key, resource, status, created_at FROM idempotency_keys
WHERE user_id = $1 AND resource = $2 ORDER BY created_at LIMIT $3
"""


async def find(tx: Tx, keys: Sequence[Key]) -> dict[Key, tuple[bytes, Answer]]:
    """Fingerprint and answer of each key that was used before."""
    rows = await tx.fetch(
        _FIND,
        [k.user_id for k in keys],
        [k.caller for k in keys],
        [k.operation for k in keys],
        [k.key for k in keys],
    )
    return {
        Key(row["user_id"], row["caller"], row["operation"], row["key"]): (
            row["fingerprint"],
            Answer(
                status=row["status"],
                body=row["body"],
                headers=_headers(row),
                resource=row["resource"],
                is_replay=True,
            ),
        )
        for row in rows
    }


async def insert(tx: Tx, answered: Sequence[tuple[Keyed[Any], Answer]]) -> None:
    """Raises asyncpg's UniqueViolationError when another transaction used a key first."""
    keys = [keyed.key for keyed, _ in answered]
    await tx.execute(
        _INSERT,
        [k.user_id for k in keys],
        [k.caller for k in keys],
        [k.operation for k in keys],
        [k.key for k in keys],
        [keyed.fingerprint for keyed, _ in answered],
        [answer.resource for _, answer in answered],
        [answer.status for _, answer in answered],
        [json.dumps(dict(answer.headers)) if answer.headers else None for _, answer in answered],
        [answer.body for _, answer in answered],
    )


async def complete(tx: Tx, key: Key, answer: Answer) -> bool:
    """Whether the key had no answer until now."""
    headers = json.dumps(dict(answer.headers)) if answer.headers else None
    return bool(
        await tx.execute(
            _COMPLETE,
            key.user_id,
            key.caller,
            key.operation,
            key.key,
            answer.status,
            headers,
            answer.body,
        )
    )


async def forget(tx: Tx, *, older_than_days: int, limit: int) -> int:
    """Drop old answers: the whole row, or only the body where the key guards a resource."""
    return await tx.execute(_FORGET_BODIES, older_than_days, limit) + await tx.execute(
        _FORGET_KEYS, older_than_days, limit
    )


async def count_bodies(tx: Tx, user_id: str) -> int:
    count: int = await tx.fetchval(_COUNT_BODIES, user_id)
    return count


async def erase_bodies(tx: Tx, user_id: str) -> int:
    return await tx.execute(_ERASE_BODIES, user_id)


async def used(tx: Tx, key: str, user_id: str | None, limit: int) -> list[Use]:
    return [Use(**dict(row)) for row in await tx.fetch(_USED, key, user_id, limit)]


async def made(tx: Tx, user_id: str, resource: str, limit: int) -> list[Use]:
    return [Use(**dict(row)) for row in await tx.fetch(_MADE, user_id, resource, limit)]


def _headers(row: Record) -> dict[str, str]:
    """The stored headers; what is left of a ``Retry-After`` counts from when it was said."""
    # SQLAlchemy has taught the driver to decode JSON; only on the way in it is text.
    headers: dict[str, str] = dict(row["headers"] or {})
    if "Retry-After" in headers:
        headers["Retry-After"] = str(max(1, int(headers["Retry-After"]) - row["age_seconds"]))
    return headers
