"""What is known of users and where they come from, and the locks that limits need."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from payops.fraud.domain.assessing import Ask
from payops.fraud.domain.blocks import Block
from payops.fraud.domain.devices import Standing
from payops.fraud.store.blocks import block_of
from payops.infra.db import Tx

_LOCKS_KEPT_HOURS: Final = 24

# Ordered, so that two batches that share recipients wait for each other and never deadlock.
_LOCK = """
INSERT INTO velocity_locks (key) SELECT key FROM unnest($1::bytea[]) AS wanted (key) ORDER BY key
ON CONFLICT (key) DO UPDATE SET taken_at = now()
"""

# One round trip for the locks of the recipients and all that is asked about the users, whose
# wallets are locked already: each of the lookups is by a whole key.
_LOOK = f"""
WITH locked AS ({_LOCK})
SELECT now() AS now,
    EXISTS (SELECT FROM devices d WHERE d.user_id = a.user_id) AS has_devices,
    (SELECT d.id FROM devices d WHERE d.user_id = a.user_id AND d.fingerprint = a.fingerprint
        AND d.removed_at IS NULL) AS device_id,
    EXISTS (SELECT FROM device_networks n
        WHERE n.user_id = a.user_id AND n.network = a.network) AS is_network_known,
    b.*
FROM unnest($2::text[], $3::bytea[], $4::bytea[]) WITH ORDINALITY
    AS a (user_id, fingerprint, network, number)
LEFT JOIN user_blocks b ON b.user_id = a.user_id AND b.lifted_at IS NULL
    AND (b.until IS NULL OR b.until > now())
ORDER BY a.number
"""  # noqa: S608 - constants only

_FORGET_LOCKS = """
DELETE FROM velocity_locks WHERE key IN (
    SELECT key FROM velocity_locks WHERE taken_at < now() - make_interval(hours => $1)
    LIMIT $2 FOR UPDATE SKIP LOCKED)
"""


@dataclass(frozen=True, slots=True)
class Found:
    """``standings`` has one entry per ask, in order."""

    now: datetime
    standings: list[Standing]
    blocks: dict[str, Block]


async def look(tx: Tx, asks: Sequence[Ask], locks: Collection[bytes]) -> Found:
    """Lock ``locks`` until the transaction ends, and read what is known of ``asks``."""
    rows = await tx.fetch(
        _LOOK,
        list(locks),
        [ask.user_id for ask in asks],
        [ask.origin.fingerprint for ask in asks],
        [ask.origin.network for ask in asks],
    )
    return Found(
        now=rows[0]["now"],
        standings=[
            Standing(row["has_devices"], row["device_id"], row["is_network_known"]) for row in rows
        ],
        blocks={row["user_id"]: block_of(row) for row in rows if row["user_id"] is not None},
    )


async def lock(tx: Tx, keys: Collection[bytes]) -> None:
    """Lock ``keys`` until the transaction ends."""
    await tx.execute(_LOCK, list(keys))


async def forget_locks(tx: Tx, limit: int) -> int:
    """Delete rows that nobody has locked for a while: they hold nothing but themselves."""
    return await tx.execute(_FORGET_LOCKS, _LOCKS_KEPT_HOURS, limit)
