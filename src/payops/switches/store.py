"""SQL of the switches."""

from payops.infra.db import Tx
from payops.switches.domain import Switch

_ALL = "SELECT name, is_halted, reason, changed_by, changed_at FROM switches ORDER BY name"

_SET = """
INSERT INTO switches (name, is_halted, reason, changed_by)
VALUES ($1, $2, $3, $4)
ON CONFLICT (name) DO UPDATE
   SET is_halted = excluded.is_halted, reason = excluded.reason,
       changed_by = excluded.changed_by, changed_at = now()
 WHERE switches.is_halted <> excluded.is_halted
"""


async def every(tx: Tx) -> dict[str, Switch]:
    return {
        row["name"]: Switch(
            row["name"], row["is_halted"], row["reason"], row["changed_by"], row["changed_at"]
        )
        for row in await tx.fetch(_ALL)
    }


async def put(tx: Tx, switch: Switch) -> bool:
    """Whether this changed anything."""
    return bool(
        await tx.execute(_SET, switch.name, switch.is_halted, switch.reason, switch.changed_by)
    )
