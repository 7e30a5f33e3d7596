"""Devices and networks that are a user's, and the verifications that make them so."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from payops.fraud.domain.devices import Device, How, Learnt, Origin, State, Verification
from payops.infra.db import Record, Tx

_LEARN = """
INSERT INTO devices (user_id, id, fingerprint, how)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::bytea[], $4::text[]) ORDER BY 1
ON CONFLICT (user_id, fingerprint) DO UPDATE SET
    how = excluded.how, removed_at = NULL,
    known_since = CASE WHEN devices.removed_at IS NULL THEN devices.known_since ELSE now() END
RETURNING user_id, id
"""

_LEARN_NETWORKS = """
INSERT INTO device_networks (user_id, network)
SELECT * FROM unnest($1::text[], $2::bytea[]) ORDER BY 1
ON CONFLICT DO NOTHING
"""

_LIST = """
SELECT d.id, d.how, octet_length(d.fingerprint) > 0 AS has_fingerprint, d.known_since,
    (SELECT max(f.at) FROM fraud_decisions f
        WHERE f.user_id = d.user_id AND f.device_id = d.id AND f.outcome = 'accepted')
        AS last_used_at
FROM devices d WHERE d.user_id = $1 AND d.removed_at IS NULL ORDER BY d.id DESC LIMIT $2
"""

_REMOVE = """
UPDATE devices SET removed_at = now() WHERE user_id = $1 AND id = $2 AND removed_at IS NULL
"""

_VERIFICATION = "user_id, id, fingerprint, network, state, tries, expires_at"

_EXPIRE = """
UPDATE device_verifications SET state = 'expired', ended_at = now()
WHERE user_id = $1 AND state = 'open' AND expires_at <= now()
"""

_ISSUED = """
SELECT count(*) FILTER (WHERE created_at > now() - interval '1 hour')::integer AS in_hour,
    count(*)::integer AS in_day,
    max(id::text)::uuid AS newest,
    min(created_at) FILTER (WHERE created_at > now() - interval '1 hour') AS oldest_in_hour,
    min(created_at) AS oldest_in_day,
    now() AS now
FROM device_verifications
WHERE user_id = $1 AND created_at > now() - interval '24 hours' AND state <> 'confirmed'
"""

# Two at once without a wallet to lock: one is made, the other finds it.
_OPEN = f"""
INSERT INTO device_verifications AS v
    (user_id, id, fingerprint, network, state, expires_at)
VALUES ($1, $2, $3, $4, 'open', now() + $5)
ON CONFLICT (user_id, fingerprint, network) WHERE state = 'open'
DO UPDATE SET expires_at = v.expires_at
RETURNING {_VERIFICATION}
"""  # noqa: S608 - constants only

_END = """
UPDATE device_verifications SET state = $3, tries = $4,
    ended_at = CASE WHEN $3 = 'open' THEN NULL ELSE now() END
WHERE user_id = $1 AND id = $2
"""


@dataclass(frozen=True, slots=True)
class Issued:
    """Verifications of a user in the last day that were not confirmed."""

    in_hour: int
    in_day: int
    newest: UUID | None
    oldest_in_hour: datetime | None
    oldest_in_day: datetime | None
    now: datetime


async def learn(tx: Tx, learnt: Sequence[Learnt]) -> dict[str, UUID]:
    """Make devices and networks known; returns each user's device's id."""
    rows = await tx.fetch(
        _LEARN,
        [one.user_id for one in learnt],
        [one.id for one in learnt],
        [one.origin.fingerprint for one in learnt],
        [one.how for one in learnt],
    )
    await tx.execute(
        _LEARN_NETWORKS,
        [one.user_id for one in learnt],
        [one.origin.network for one in learnt],
    )
    return {row["user_id"]: row["id"] for row in rows}


async def devices_of(tx: Tx, user_id: str, limit: int) -> list[Device]:
    """Newest first, without those that were removed."""
    return [
        Device(
            row["id"],
            How(row["how"]),
            row["has_fingerprint"],
            row["known_since"],
            row["last_used_at"],
        )
        for row in await tx.fetch(_LIST, user_id, limit)
    ]


async def remove(tx: Tx, user_id: str, device_id: UUID) -> bool:
    return await tx.execute(_REMOVE, user_id, device_id) > 0


async def expire(tx: Tx, user_id: str) -> None:
    """Close the user's verifications whose time is over."""
    await tx.execute(_EXPIRE, user_id)


async def open_one(tx: Tx, user_id: str, origin: Origin) -> Verification | None:
    """The verification of this device and network that can still be confirmed."""
    row = await tx.fetchrow(
        f"SELECT {_VERIFICATION} FROM device_verifications "  # noqa: S608 - constants only
        "WHERE user_id = $1 AND fingerprint = $2 AND network = $3 AND state = 'open'",
        user_id,
        origin.fingerprint,
        origin.network,
    )
    return _verification(row) if row else None


async def issued(tx: Tx, user_id: str) -> Issued:
    row: Record = await tx.fetchrow(_ISSUED, user_id)
    return Issued(**dict(row))


async def open_new(
    tx: Tx, user_id: str, verification_id: UUID, origin: Origin, lasts: timedelta
) -> Verification:
    """A new verification; or the open one, if somebody else has made it meanwhile."""
    row: Record = await tx.fetchrow(
        _OPEN, user_id, verification_id, origin.fingerprint, origin.network, lasts
    )
    return _verification(row)


async def lock_verification(tx: Tx, verification_id: UUID) -> tuple[Verification, bool] | None:
    """The verification, locked, and whether its time is over."""
    row = await tx.fetchrow(
        f"SELECT {_VERIFICATION}, expires_at <= now() AS is_over FROM device_verifications "  # noqa: S608 - constants only
        "WHERE id = $1 FOR UPDATE",
        verification_id,
    )
    return (_verification(row), row["is_over"]) if row else None


async def set_state(tx: Tx, verification: Verification, state: State, tries: int) -> None:
    await tx.execute(_END, verification.user_id, verification.id, state, tries)


def _verification(row: Record) -> Verification:
    return Verification(
        user_id=row["user_id"],
        id=row["id"],
        origin=Origin(row["fingerprint"], row["network"]),
        state=State(row["state"]),
        tries=row["tries"],
        expires_at=row["expires_at"],
    )
