"""What is known of a user's devices, when it is to be forgotten.

The next device of a user who comes back is then a first one, and is judged like that.
"""

from datetime import timedelta
from typing import Final

from payops.fraud.store import erasing as store
from payops.infra.db import Tx
from payops.pii.domain import Holding


class Devices:
    """As ``pii.ports.Erasable``: keyed hashes, which no law makes us keep."""

    name: Final = "devices and networks"

    async def look(self, tx: Tx, user_id: str, kept_for: timedelta) -> Holding:  # noqa: ARG002
        return Holding(await store.count(tx, user_id))

    async def erase(self, tx: Tx, user_id: str, kept_for: timedelta) -> int:  # noqa: ARG002
        return await store.erase(tx, user_id)
