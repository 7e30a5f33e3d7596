"""Forgetting the devices and networks of one user."""

from payops.infra.db import Tx

_COUNT = """
SELECT (SELECT count(*) FROM devices WHERE user_id = $1)
    + (SELECT count(*) FROM device_networks WHERE user_id = $1)
    + (SELECT count(*) FROM device_verifications WHERE user_id = $1)
"""

# Messages refer to verifications, so they go first.
_ERASE_MESSAGES = "DELETE FROM device_messages WHERE user_id = $1"
_ERASE = (
    "DELETE FROM device_verifications WHERE user_id = $1",
    "DELETE FROM device_networks WHERE user_id = $1",
    "DELETE FROM devices WHERE user_id = $1",
)


async def count(tx: Tx, user_id: str) -> int:
    found: int = await tx.fetchval(_COUNT, user_id)
    return found


async def erase(tx: Tx, user_id: str) -> int:
    """Returns how many rows of what is counted went."""
    await tx.execute(_ERASE_MESSAGES, user_id)
    return sum([await tx.execute(statement, user_id) for statement in _ERASE])
