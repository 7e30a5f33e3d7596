"""SQL of the switches."""

from payops.infra.db import Record, Tx
from payops.switches.domain import Switch

_COLUMNS = "name, is_halted, reason, changed_by, changed_at"

_ALL = f"SELECT {_COLUMNS} FROM switches ORDER BY name"  # noqa: S608 - constants only

_LOCK = f"SELECT {_COLUMNS} FROM switches WHERE name = $1 FOR UPDATE"  # noqa: S608 - as above

_SET = """
INSERT INTO switches (name, is_halted, reason, changed_by)
VALUES ($1, $2, $3, $4)
ON CONFLICT (name) DO UPDATE
   SET is_halted = excluded.is_halted, reason = excluded.reason,
       changed_by = excluded.changed_by, changed_at = now()
 WHERE switches.is_halted <> excluded.is_halted
    OR (excluded.is_halted AND (switches.reason, switches.changed_by)
        IS DISTINCT FROM (excluded.reason, excluded.changed_by))
"""


async def every(tx: Tx) -> dict[str, Switch]:
    return {row["name"]: _switch(row) for row in await tx.fetch(_ALL)}


async def lock(tx: Tx, name: str) -> Switch | None:
    """``None`` while nobody has ever touched it."""
    row = await tx.fetchrow(_LOCK, name)
    return _switch(row) if row else None


async def put(tx: Tx, switch: Switch) -> bool:
    """Whether this changed anything."""
    return bool(
        await tx.execute(_SET, switch.name, switch.is_halted, switch.reason, switch.changed_by)
    )


def _switch(row: Record) -> Switch:
    return Switch(
        row["name"], row["is_halted"], row["reason"], row["changed_by"], row["changed_at"]
    )
