"""Finding invoices: by id, by what a provider calls their payments, by user."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from payops.deposits.domain.invoices import Invoice
from payops.deposits.domain.states import State
from payops.deposits.store.rows import INVOICE_COLUMNS, invoice
from payops.deposits.tables import deposit_references
from payops.deposits.tables import invoices as table
from payops.infra.db import Record, Tx
from payops.kernel.ids import id_before

_BY_ID = f"SELECT {INVOICE_COLUMNS} FROM invoices WHERE id = $1"  # noqa: S608 - constants only

_OWNERS = """
SELECT kind, reference, invoice_id FROM deposit_references
WHERE provider = $1 AND kind = ANY($2::text[]) AND reference = ANY($3::text[])
"""

_EXISTING = "SELECT id FROM invoices WHERE id = ANY($1::uuid[]) AND provider = $2"

# Ids grow with time: the range of ids is the range of times, and the primary key finds it.
_HISTORY = """
SELECT user_id, price, currency, created_at FROM invoices
WHERE user_id = ANY($1::text[]) AND id >= $2 AND created_at >= $3
ORDER BY created_at
"""


@dataclass(frozen=True, slots=True)
class Usage:
    """One earlier invoice that counts towards a limit."""

    amount_minor: int
    currency: str
    created_at: datetime


async def by_id(tx: Tx, invoice_id: UUID) -> Invoice | None:
    row = await tx.fetchrow(_BY_ID, invoice_id)
    return invoice(row) if row else None


async def owners(
    tx: Tx, provider: str, kinds: Collection[str], references: Collection[str]
) -> dict[tuple[str, str], UUID]:
    """Which invoice each known ``(kind, reference)`` belongs to."""
    rows = await tx.fetch(_OWNERS, provider, list(kinds), list(references))
    return {(row["kind"], row["reference"]): row["invoice_id"] for row in rows}


async def existing(tx: Tx, provider: str, ids: Collection[UUID]) -> set[UUID]:
    """Which of ``ids`` are invoices that ``provider`` was asked for."""
    return {row["id"] for row in await tx.fetch(_EXISTING, list(ids), provider)}


async def history(tx: Tx, users: Collection[str], since: datetime) -> dict[str, list[Usage]]:
    """What each user has asked to pay since a moment, oldest first."""
    found: dict[str, list[Usage]] = {user: [] for user in users}
    first = id_before(since)
    for row in await tx.fetch(_HISTORY, list(users), first, since):
        found[row["user_id"]].append(Usage(row["price"], row["currency"], row["created_at"]))
    return found


async def page(
    tx: Tx,
    *,
    user_id: str | None,
    state: State | None,
    named: str | None = None,
    before: UUID | None,
    limit: int,
) -> list[Invoice]:
    """Newest first; every filter that is given must fit.

    ``named`` is anything an invoice is known by outside: a provider's payment or page, an
    arrival, the request id.
    """
    columns = [table.c[name] for name in INVOICE_COLUMNS.split(", ")]
    query = sa.select(*columns).order_by(table.c.id.desc()).limit(limit)
    if user_id is not None:
        query = query.where(table.c.user_id == user_id)
    if state is not None:
        query = query.where(table.c.state == state.value)
    if named is not None:
        query = query.where(_is_named(named))
    if before is not None:
        query = query.where(table.c.id < before)
    rows: list[Record] = [row._mapping for row in await tx.select(query)]  # noqa: SLF001 - public in SQLAlchemy
    return [invoice(row) for row in rows]


def _is_named(name: str) -> sa.ColumnElement[bool]:
    owned = sa.select(deposit_references.c.invoice_id).where(deposit_references.c.reference == name)
    return sa.or_(table.c.request_id == name, table.c.id.in_(owned))
