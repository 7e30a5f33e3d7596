"""What operations look at: phases and durations, what is stuck, what was never born."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from payops.deposits.domain.invoices import Invoice, Payment
from payops.deposits.store.rows import INVOICE_COLUMNS, PAYMENT_COLUMNS, invoice, payment
from payops.infra.db import Record, Tx

# Open ones from the index of what is not at rest; ended ones, and the averages, from the
# transitions of the window: neither reads the invoices themselves.
_FIGURES = """
WITH open AS MATERIALIZED (
    SELECT state, state_since FROM invoices
    WHERE state IN ('creating', 'unknown', 'waiting', 'confirming', 'confirmed', 'sending',
        'review')
), ended AS MATERIALIZED (
    SELECT to_state, waited_seconds, settling_seconds FROM deposit_transitions
    WHERE at > now() - $1::interval
)
SELECT o.*, e.* FROM (
    SELECT count(*) FILTER (WHERE state IN ('waiting', 'confirming')) AS pending,
        count(*) FILTER (WHERE state IN ('confirmed', 'sending')) AS confirmed,
        count(*) FILTER (WHERE state = 'review') AS review,
        count(*) FILTER (WHERE state = 'waiting' AND state_since < now() - $2::interval)
            AS waiting_long,
        count(*) FILTER (WHERE state IN ('confirming', 'confirmed', 'sending')
            AND state_since < now() - $2::interval) AS stuck_paid
    FROM open) AS o
CROSS JOIN (
    SELECT count(*) FILTER (WHERE to_state = 'finished') AS finished,
        count(*) FILTER (WHERE to_state = 'partially_paid') AS partially_paid,
        count(*) FILTER (WHERE to_state IN ('failed', 'expired')) AS failed,
        round(avg(waited_seconds))::bigint AS avg_waited,
        round(avg(settling_seconds))::bigint AS avg_settling
    FROM ended) AS e
"""

_BY_HOUR = """
SELECT date_trunc('hour', at) AS hour, count(*) AS count FROM deposit_transitions
WHERE at > now() - $1::interval AND to_state IN ('finished', 'partially_paid')
GROUP BY 1 ORDER BY 1
"""

_STUCK = f"""
SELECT {INVOICE_COLUMNS} FROM invoices
WHERE state IN ('confirming', 'confirmed', 'sending') AND state_since < now() - $1::interval
ORDER BY state_since LIMIT $2
"""  # noqa: S608 - constants only

_UNBORN = f"""
SELECT {INVOICE_COLUMNS} FROM invoices
WHERE state IN ('creating', 'unknown') AND state_since < now() - $1::interval
ORDER BY state_since LIMIT $2 FOR UPDATE SKIP LOCKED
"""  # noqa: S608 - constants only

# A page has no state of its own at the provider: nothing came of it for long enough.
_DESERTED = f"""
SELECT {INVOICE_COLUMNS} FROM invoices i
WHERE state = 'waiting' AND checkout = 'hosted' AND state_since < now() - $1::interval
    AND NOT EXISTS (SELECT FROM deposit_payments p WHERE p.invoice_id = i.id)
ORDER BY state_since LIMIT $2 FOR UPDATE SKIP LOCKED
"""  # noqa: S608 - constants only

# Its age says nothing: a payment of last month may have been credited today. An address that is
# still shown may be paid to, also when people have dismissed what it was about.
_TO_RECONCILE = f"""
SELECT {PAYMENT_COLUMNS} FROM deposit_payments p
WHERE p.id > $1 AND p.provider = $4 AND (p.due_at IS NOT NULL
    OR p.state IN ('waiting', 'confirming', 'confirmed', 'sending')
    OR p.state_since > now() - $2::interval
    OR p.reason IS NOT NULL
    OR p.doubts_decided <> '{{}}' AND p.state IN ('expired', 'failed')
        AND greatest(p.created_at, p.notified_at) > now() - $5::interval
    OR EXISTS (SELECT FROM deposit_receipts r
        WHERE r.invoice_id = p.invoice_id AND r.payment_id = p.id
            AND (r.settled_at > now() - $2::interval OR r.state = 'review')))
ORDER BY p.id LIMIT $3
"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts, and averages in seconds (``None``: nothing to average)."""

    pending: int
    confirmed: int
    review: int
    waiting_long: int
    stuck_paid: int
    finished: int
    partially_paid: int
    failed: int
    avg_waited: int | None
    avg_settling: int | None


async def figures(tx: Tx, *, window: timedelta, stuck_after: timedelta) -> Figures:
    """Open ones as they stand now; what ended, and the averages, within ``window``."""
    row = await tx.fetchrow(_FIGURES, window, stuck_after)
    assert row is not None  # noqa: S101 - two aggregates without GROUP BY give one row
    return Figures(**dict(row))


async def settled_by_hour(tx: Tx, window: timedelta) -> list[Record]:
    return await tx.fetch(_BY_HOUR, window)


async def stuck(tx: Tx, stuck_after: timedelta, limit: int) -> list[Invoice]:
    return [invoice(row) for row in await tx.fetch(_STUCK, stuck_after, limit)]


async def lock_unborn(tx: Tx, older_than: timedelta, limit: int) -> list[Invoice]:
    """Invoices no provider ever answered for; those that somebody else has are skipped."""
    return [invoice(row) for row in await tx.fetch(_UNBORN, older_than, limit)]


async def lock_deserted(tx: Tx, older_than: timedelta, limit: int) -> list[Invoice]:
    """Hosted pages that nobody has picked a coin on; likewise."""
    return [invoice(row) for row in await tx.fetch(_DESERTED, older_than, limit)]


async def to_reconcile(
    tx: Tx,
    provider: str,
    *,
    settled_within: timedelta,
    watched_for: timedelta,
    after: UUID,
    limit: int,
) -> list[Payment]:
    """Everything not at rest, and what changed or settled within ``settled_within``, in id order
    from ``after`` on.

    What people decided and nobody paid is looked at while an unpaid one would be: ``watched_for``.
    """
    rows = await tx.fetch(_TO_RECONCILE, after, settled_within, limit, provider, watched_for)
    return [payment(row) for row in rows]
