"""SQL of the results."""

import json
from collections.abc import Sequence
from datetime import datetime

from payops.infra.db import Record, Tx
from payops.kernel.ids import new_id
from payops.ops.checklists.domain import Finding, ListName, Result, Status

_COLUMNS = "id, list, item, status, detail, evidence, ran_by, ran_at"

_INSERT = f"""
INSERT INTO check_results (id, list, item, status, detail, evidence, ran_by)
SELECT n.id, $2, n.item, n.status, n.detail, n.evidence, $3
FROM unnest($1::uuid[], $4::text[], $5::text[], $6::text[], $7::jsonb[])
    AS n (id, item, status, detail, evidence)
RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only

_NEWEST = f"""
SELECT {", ".join(f"r.{name}" for name in _COLUMNS.split(", "))}
FROM unnest($2::text[]) AS i (item) CROSS JOIN LATERAL (
    SELECT {_COLUMNS} FROM check_results
    WHERE list = $1 AND item = i.item ORDER BY id DESC LIMIT 1
) AS r
"""  # noqa: S608 - as above

_PASSED = """
SELECT i.item, r.ran_at FROM unnest($1::text[]) AS i (item) CROSS JOIN LATERAL (
    SELECT ran_at FROM check_results
    WHERE item = i.item AND status = 'pass' ORDER BY id DESC LIMIT 1
) AS r
"""


async def insert(
    tx: Tx, name: ListName, findings: Sequence[tuple[str, Finding]], *, ran_by: str
) -> list[Result]:
    """Keep what each item came to; all bear the time of the transaction."""
    rows = await tx.fetch(
        _INSERT,
        [new_id() for _ in findings],
        name.value,
        ran_by,
        [item for item, _ in findings],
        [finding.status.value for _, finding in findings],
        [finding.detail for _, finding in findings],
        [json.dumps(dict(finding.evidence), default=str) for _, finding in findings],
    )
    return [_result(row) for row in rows]


async def newest(tx: Tx, name: ListName, items: Sequence[str]) -> dict[str, Result]:
    """The newest result of each of ``items`` on this list."""
    results = [_result(row) for row in await tx.fetch(_NEWEST, name.value, list(items))]
    return {result.item: result for result in results}


async def last_passed(tx: Tx, items: Sequence[str]) -> dict[str, datetime]:
    """When each of ``items`` last passed, whichever list it was run for."""
    return {row["item"]: row["ran_at"] for row in await tx.fetch(_PASSED, list(items))}


def _result(row: Record) -> Result:
    return Result(
        id=row["id"],
        list=ListName(row["list"]),
        item=row["item"],
        status=Status(row["status"]),
        detail=row["detail"],
        evidence=row["evidence"],
        ran_by=row["ran_by"],
        ran_at=row["ran_at"],
    )
