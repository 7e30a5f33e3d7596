"""Writing invoices, attempts, payments, receipts and transitions."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from payops.deposits.domain.invoices import Invoice, Payment, Receipt
from payops.deposits.domain.states import State
from payops.deposits.store.rows import (
    INVOICE_COLUMNS,
    PAYMENT_COLUMNS,
    RECEIPT_COLUMNS,
    invoice,
    payment,
    payment_values,
    receipt,
    receipt_values,
)
from payops.infra.db import Tx
from payops.kernel.ids import new_id

_INSERT_INVOICES = """
INSERT INTO invoices (user_id, id, state, price, currency, charged, charged_currency, rate,
    rate_id, rate_set_at, coin, provider, checkout, caller, request_id)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::bigint[], $5::text[], $6::bigint[],
    $7::text[], $8::numeric[], $9::uuid[], $10::timestamptz[], $11::text[], $12::text[],
    $13::text[], $14::text[], $15::text[])
"""

_LOCK_INVOICE = f"SELECT {INVOICE_COLUMNS} FROM invoices WHERE id = $1 FOR UPDATE"  # noqa: S608 - constants only

# In one order, so that transactions that share invoices wait for each other.
_LOCK_INVOICES = f"""
SELECT {INVOICE_COLUMNS} FROM invoices WHERE id = ANY($1::uuid[])
ORDER BY user_id, id FOR UPDATE
"""  # noqa: S608 - constants only

_PAYMENTS = f"""
SELECT {PAYMENT_COLUMNS} FROM deposit_payments WHERE invoice_id = ANY($1::uuid[])
ORDER BY created_at, id
"""  # noqa: S608 - constants only

_RECEIPTS = f"""
SELECT {RECEIPT_COLUMNS} FROM deposit_receipts WHERE invoice_id = ANY($1::uuid[])
ORDER BY created_at, id
"""  # noqa: S608 - constants only

_UPDATE_INVOICE = """
UPDATE invoices SET state = $3, attempts = $4, provider_reference = $5, pay_amount = $6,
    address = $7, memo = $8, network = $9, checkout_url = $10, quote_expires_at = $11,
    credited = $12, reasons = $13, coin = $14, state_since = $15, updated_at = now()
WHERE user_id = $1 AND id = $2
"""

_SAVE_PAYMENT = f"""
INSERT INTO deposit_payments ({PAYMENT_COLUMNS})
VALUES ({", ".join(f"${n + 1}" for n in range(len(PAYMENT_COLUMNS.split(", "))))})
ON CONFLICT (user_id, id) DO UPDATE SET
    kind = excluded.kind, state = excluded.state, provider_status = excluded.provider_status,
    parent_reference = excluded.parent_reference, coin = excluded.coin,
    pay_amount = excluded.pay_amount, address = excluded.address, memo = excluded.memo,
    network = excluded.network, quote_expires_at = excluded.quote_expires_at,
    fee_coin = excluded.fee_coin, fee_amount = excluded.fee_amount, reason = excluded.reason,
    doubts_decided = excluded.doubts_decided, seen_at = excluded.seen_at,
    notified_at = excluded.notified_at, reads = excluded.reads, failures = excluded.failures,
    failing_since = excluded.failing_since,
    due_at = excluded.due_at, state_since = excluded.state_since
"""  # noqa: S608 - constants only

_SAVE_RECEIPT = f"""
INSERT INTO deposit_receipts ({RECEIPT_COLUMNS})
VALUES ({", ".join(f"${n + 1}" for n in range(len(RECEIPT_COLUMNS.split(", "))))})
ON CONFLICT (user_id, id) DO UPDATE SET
    state = excluded.state, coin = excluded.coin, amount = excluded.amount,
    arrived_at = excluded.arrived_at, early_amount = excluded.early_amount,
    is_settled = excluded.is_settled, settled_at = excluded.settled_at,
    outcome_coin = excluded.outcome_coin, outcome_amount = excluded.outcome_amount,
    chain_hash = excluded.chain_hash, credited = excluded.credited,
    credited_currency = excluded.credited_currency, journal_id = excluded.journal_id,
    fee_journal_id = excluded.fee_journal_id, method = excluded.method, rate = excluded.rate,
    reason = excluded.reason, doubts_decided = excluded.doubts_decided
"""  # noqa: S608 - constants only

_KEEP_REFERENCES = """
INSERT INTO deposit_references (provider, kind, reference, user_id, invoice_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::uuid[])
ORDER BY 1, 2, 3
ON CONFLICT (provider, kind, reference) DO UPDATE SET user_id = deposit_references.user_id
RETURNING kind, reference, invoice_id
"""

_TRANSITION = """
INSERT INTO deposit_transitions (user_id, id, invoice_id, from_state, to_state, waited_seconds,
    settling_seconds, actor)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""

_OPEN_ATTEMPT = """
INSERT INTO invoice_attempts (user_id, invoice_id, number, lease_until)
VALUES ($1, $2, $3, now() + $4)
"""

_CLOSE_ATTEMPT = """
UPDATE invoice_attempts SET answer = $4, detail = $5, answered_at = now()
WHERE user_id = $1 AND invoice_id = $2 AND number = $3 AND answer IS NULL
"""

_CLOSE_LAPSED = """
UPDATE invoice_attempts SET answer = 'lost', detail = 'its lease ended', answered_at = now()
WHERE user_id = $1 AND invoice_id = $2 AND answer IS NULL AND lease_until < now()
"""

_ATTEMPT_IS_OPEN = """
SELECT EXISTS (SELECT FROM invoice_attempts
               WHERE user_id = $1 AND invoice_id = $2 AND answer IS NULL)
"""

# The lease is the due time itself: whoever claims puts it off, and what was not read by then
# is due again.
_CLAIM = f"""
UPDATE deposit_payments SET due_at = now() + $3
WHERE (user_id, id) IN (
    SELECT user_id, id FROM deposit_payments WHERE provider = $1 AND due_at <= now()
    ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING {PAYMENT_COLUMNS}
"""  # noqa: S608 - constants only

_READ_SOON = """
UPDATE deposit_payments SET due_at = now() WHERE id = ANY($1::uuid[])
"""


async def insert_invoices(tx: Tx, rows: Sequence[Invoice]) -> None:
    await tx.execute(
        _INSERT_INVOICES,
        [i.user_id for i in rows],
        [i.id for i in rows],
        [i.state for i in rows],
        [i.price.minor for i in rows],
        [i.price.currency.code for i in rows],
        [i.charged.minor for i in rows],
        [i.charged.currency.code for i in rows],
        [i.rate for i in rows],
        [i.rate_id for i in rows],
        [i.rate_set_at for i in rows],
        [i.coin for i in rows],
        [i.provider for i in rows],
        [i.checkout for i in rows],
        [i.caller for i in rows],
        [i.request_id for i in rows],
    )


async def lock(tx: Tx, invoice_id: UUID) -> Invoice | None:
    """The invoice; its payments and receipts change only under this lock."""
    row = await tx.fetchrow(_LOCK_INVOICE, invoice_id)
    return invoice(row) if row else None


async def lock_all(tx: Tx, ids: Collection[UUID]) -> list[Invoice]:
    return [invoice(row) for row in await tx.fetch(_LOCK_INVOICES, list(ids))]


async def payments_of(tx: Tx, ids: Collection[UUID]) -> list[Payment]:
    return [payment(row) for row in await tx.fetch(_PAYMENTS, list(ids))]


async def receipts_of(tx: Tx, ids: Collection[UUID]) -> list[Receipt]:
    return [receipt(row) for row in await tx.fetch(_RECEIPTS, list(ids))]


async def update_invoice(tx: Tx, one: Invoice) -> None:
    """Write every column that can change."""
    await tx.execute(
        _UPDATE_INVOICE,
        one.user_id,
        one.id,
        one.state,
        one.attempts,
        one.provider_reference,
        one.pay_amount,
        one.address,
        one.memo,
        one.network,
        one.checkout_url,
        one.quote_expires_at,
        one.credited_minor,
        list(one.reasons),
        one.coin,
        one.state_since,
    )


async def save_payment(tx: Tx, one: Payment) -> None:
    await tx.execute(_SAVE_PAYMENT, *payment_values(one))


async def save_receipt(tx: Tx, one: Receipt) -> None:
    await tx.execute(_SAVE_RECEIPT, *receipt_values(one))


async def keep_references(
    tx: Tx, provider: str, owner: Invoice, references: Sequence[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Claim ``(kind, reference)`` pairs for ``owner``; those another invoice has are returned."""
    rows = await tx.fetch(
        _KEEP_REFERENCES,
        [provider] * len(references),
        [kind for kind, _ in references],
        [reference for _, reference in references],
        [owner.user_id] * len(references),
        [owner.id] * len(references),
    )
    return {(r["kind"], r["reference"]) for r in rows if r["invoice_id"] != owner.id}


async def note_transition(
    tx: Tx,
    one: Invoice,
    before: State,
    *,
    waited_seconds: int | None,
    settling_seconds: int | None,
    actor: str,
) -> None:
    await tx.execute(
        _TRANSITION,
        one.user_id,
        new_id(),
        one.id,
        before,
        one.state,
        waited_seconds,
        settling_seconds,
        actor,
    )


async def open_attempt(tx: Tx, one: Invoice, lease: timedelta) -> None:
    """Write down attempt number ``attempts``; one may be open at a time."""
    await tx.execute(_OPEN_ATTEMPT, one.user_id, one.id, one.attempts, lease)


async def close_attempt(tx: Tx, one: Invoice, number: int, answer: str, detail: str) -> bool:
    """Whether the attempt was still open."""
    return bool(await tx.execute(_CLOSE_ATTEMPT, one.user_id, one.id, number, answer, detail))


async def attempt_is_open(tx: Tx, one: Invoice) -> bool:
    """Whether one is under way; those whose lease has ended are closed as lost first."""
    await tx.execute(_CLOSE_LAPSED, one.user_id, one.id)
    return bool(await tx.fetchval(_ATTEMPT_IS_OPEN, one.user_id, one.id))


async def claim(tx: Tx, provider: str, limit: int, lease: timedelta) -> list[Payment]:
    """Due payments, put off by ``lease``; those that somebody else has are skipped."""
    return [payment(row) for row in await tx.fetch(_CLAIM, provider, limit, lease)]


async def read_soon(tx: Tx, ids: Collection[UUID]) -> None:
    await tx.execute(_READ_SOON, list(ids))
