"""Inserting, locking, claiming and moving withdrawals, a batch at a time."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from payops.infra.db import Tx
from payops.withdrawals.domain import State, Withdrawal
from payops.withdrawals.store.rows import COLUMNS, withdrawal, withdrawals

_EARLY_MAX: Final = timedelta(milliseconds=100)  # a process's clock against the database's

_INSERT = """
INSERT INTO withdrawals (user_id, id, state, amount, rail, hold_id, phone_sealed, phone_index,
    phone_masked, caller, request_id, due_at)
SELECT n.*, now() FROM unnest($1::text[], $2::uuid[], $3::text[], $4::bigint[], $5::text[],
    $6::uuid[], $7::bytea[], $8::bytea[], $9::text[], $10::text[], $11::text[]) AS n
"""

# In one order, so that batches that share withdrawals wait for each other.
_LOCK = f"""
SELECT {COLUMNS} FROM withdrawals w WHERE w.id = ANY($1::uuid[])
ORDER BY w.user_id, w.id FOR UPDATE
"""  # noqa: S608 - constants only

# One state at a time: the index then gives the oldest first and stops at the limit, where
# several states would have to be sorted, and the whole backlog read, at every claim.
_CLAIM = f"""
SELECT {COLUMNS} FROM withdrawals w
WHERE w.state = $1 AND w.due_at <= now() AND w.rail = $2
ORDER BY w.due_at LIMIT $3 FOR UPDATE SKIP LOCKED
"""  # noqa: S608 - constants only

_UPDATE = """
UPDATE withdrawals w SET
    state = n.state, attempts = n.attempts, tries = n.tries, is_doubtful = n.is_doubtful,
    questions = n.questions, unknown_answers = n.unknown_answers, unknown_at = n.unknown_at,
    first_sent_at = n.first_sent_at, provider_reference = n.provider_reference,
    receipt = n.receipt, failure_code = n.failure_code, failure_message = n.failure_message,
    failure_provider_code = n.failure_provider_code, due_at = n.due_at, updated_at = n.updated_at
FROM unnest($1::text[], $2::uuid[], $3::text[], $4::smallint[], $5::smallint[], $6::boolean[],
    $7::integer[], $8::smallint[], $9::timestamptz[], $10::timestamptz[], $11::text[], $12::text[],
    $13::text[], $14::text[], $15::text[], $16::timestamptz[], $17::timestamptz[])
    AS n (user_id, id, state, attempts, tries, is_doubtful, questions, unknown_answers, unknown_at,
        first_sent_at, provider_reference, receipt, failure_code, failure_message,
        failure_provider_code, due_at, updated_at)
WHERE w.user_id = n.user_id AND w.id = n.id
"""

_OPEN_ATTEMPTS = """
INSERT INTO payout_attempts (user_id, withdrawal_id, number)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::smallint[])
"""

# Said otherwise than `IS NULL`: the index of what is open looks so small to the planner that it
# walked all of it for each batch, and what was closed stays in it until the next vacuum.
_CLOSE_ATTEMPTS = """
UPDATE payout_attempts a SET answer = n.answer, detail = n.detail, answered_at = now()
FROM unnest($1::text[], $2::uuid[], $3::smallint[], $4::text[], $5::text[])
    AS n (user_id, withdrawal_id, number, answer, detail)
WHERE a.user_id = n.user_id AND a.withdrawal_id = n.withdrawal_id AND a.number = n.number
    AND num_nulls(a.answer) = 1
RETURNING a.withdrawal_id, a.number
"""

_KEEP_REFERENCES = """
INSERT INTO payout_references (rail, kind, reference, user_id, withdrawal_id)
SELECT DISTINCT ON (1, 2, 3) *
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::uuid[])
ORDER BY 1, 2, 3
ON CONFLICT (rail, kind, reference) DO UPDATE SET user_id = payout_references.user_id
RETURNING kind, reference, withdrawal_id
"""

_TAKE_SLOTS = """
INSERT INTO payout_slots (rail, phone_index, amount, user_id, withdrawal_id)
SELECT * FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::text[], $5::uuid[])
ORDER BY 1, 2, 3
ON CONFLICT (rail, phone_index, amount) DO UPDATE SET withdrawal_id = excluded.withdrawal_id
WHERE payout_slots.withdrawal_id = excluded.withdrawal_id
RETURNING withdrawal_id
"""

_FREE_SLOTS = "DELETE FROM payout_slots WHERE withdrawal_id = ANY($1::uuid[])"

_PUT_OFF = """
UPDATE withdrawals w SET due_at = now() + $3
FROM unnest($1::text[], $2::uuid[]) AS n (user_id, id) WHERE w.user_id = n.user_id AND w.id = n.id
"""

# Never one that is queued or on the wire: there, what is due is a send or the end of a lease.
# How often a final one may be asked about in vain is counted anew with each contradiction.
# Whose number was erased nobody can be asked about.
_ASK_NOW = """
UPDATE withdrawals SET due_at = now(),
    questions = CASE WHEN state IN ('completed', 'failed', 'reversed') THEN 0 ELSE questions END
WHERE id = ANY($1::uuid[]) AND state NOT IN ('pending', 'sending', 'cancelled')
    AND octet_length(phone_sealed) > 0
"""

# Another process may have put it off since; its own wait ends a little before it is due.
_CLAIM_ONE = f"""
SELECT {COLUMNS} FROM withdrawals w
WHERE w.id = $1 AND w.state = 'sending' AND w.due_at <= now() + $2 AND NOT EXISTS (
    SELECT FROM payout_attempts a
    WHERE a.user_id = w.user_id AND a.withdrawal_id = w.id AND a.answer IS NULL)
FOR UPDATE SKIP LOCKED
"""  # noqa: S608 - constants only

_CLAIM_FORGOTTEN = f"""
SELECT {COLUMNS} FROM withdrawals w JOIN payout_attempts a
    ON a.user_id = w.user_id AND a.withdrawal_id = w.id
WHERE a.answer IS NULL AND a.started_at < now() - $1::interval AND w.state <> 'sending'
ORDER BY w.user_id, w.id LIMIT $2 FOR UPDATE OF w SKIP LOCKED
"""  # noqa: S608 - constants only

_LOCK_QUEUED = f"""
SELECT {COLUMNS} FROM withdrawals w
WHERE w.state = 'pending' AND ($1::uuid[] IS NULL OR w.id = ANY($1))
    AND ($2::timestamptz IS NULL OR w.created_at >= $2)
    AND w.state NOT IN ('completed', 'failed', 'cancelled', 'reversed')
ORDER BY w.user_id, w.id LIMIT $3 FOR UPDATE
"""  # noqa: S608 - constants only

_CLAIM_STALE = f"""
SELECT {COLUMNS} FROM withdrawals w
WHERE w.state = 'pending' AND w.state NOT IN ('completed', 'failed', 'cancelled', 'reversed')
    AND w.created_at < now() - $2::interval AND w.rail = $1
ORDER BY w.created_at LIMIT $3 FOR UPDATE SKIP LOCKED
"""  # noqa: S608 - constants only

_OPEN = """
SELECT withdrawal_id, number FROM payout_attempts
WHERE withdrawal_id = ANY($2::uuid[]) AND user_id = ANY($1::text[]) AND answer IS NULL
"""


async def insert(tx: Tx, rows: Sequence[Withdrawal]) -> None:
    await tx.execute(
        _INSERT,
        [w.user_id for w in rows],
        [w.id for w in rows],
        [w.state for w in rows],
        [w.amount_minor for w in rows],
        [w.rail for w in rows],
        [w.hold_id for w in rows],
        [w.phone_sealed for w in rows],
        [w.phone_index for w in rows],
        [w.phone_masked for w in rows],
        [w.caller for w in rows],
        [w.request_id for w in rows],
    )


async def lock(tx: Tx, ids: Collection[UUID]) -> list[Withdrawal]:
    return withdrawals(await tx.fetch(_LOCK, list(ids)))


async def claim(tx: Tx, states: Sequence[State], rail: str, limit: int) -> list[Withdrawal]:
    """Due withdrawals, locked, of the first state before the next and oldest first.

    Those that somebody else has are skipped.
    """
    found: list[Withdrawal] = []
    for state in states:
        if len(found) < limit:
            found += withdrawals(await tx.fetch(_CLAIM, state, rail, limit - len(found)))
    return found


async def update(tx: Tx, rows: Sequence[Withdrawal]) -> None:
    """Write every column that can change, as ``rows`` have them."""
    failures = [w.failure for w in rows]
    await tx.execute(
        _UPDATE,
        [w.user_id for w in rows],
        [w.id for w in rows],
        [w.state for w in rows],
        [w.attempts for w in rows],
        [w.tries for w in rows],
        [w.is_doubtful for w in rows],
        [w.questions for w in rows],
        [w.unknown_answers for w in rows],
        [w.unknown_at for w in rows],
        [w.first_sent_at for w in rows],
        [w.provider_reference for w in rows],
        [w.receipt for w in rows],
        [f.code if f else None for f in failures],
        [f.message if f else None for f in failures],
        [f.provider_code if f else None for f in failures],
        [w.due_at for w in rows],
        [w.updated_at for w in rows],
    )


async def open_attempts(tx: Tx, rows: Sequence[Withdrawal]) -> None:
    """Write down attempt number ``attempts`` of each; one may be open at a time."""
    await tx.execute(
        _OPEN_ATTEMPTS,
        [w.user_id for w in rows],
        [w.id for w in rows],
        [w.attempts for w in rows],
    )


async def close_attempts(
    tx: Tx, closed: Sequence[tuple[Withdrawal, int, str, str]]
) -> set[tuple[UUID, int]]:
    """Record ``(withdrawal, number, answer, detail)``; returns those that were still open."""
    rows = await tx.fetch(
        _CLOSE_ATTEMPTS,
        [w.user_id for w, _, _, _ in closed],
        [w.id for w, _, _, _ in closed],
        [number for _, number, _, _ in closed],
        [answer for _, _, answer, _ in closed],
        [detail for _, _, _, detail in closed],
    )
    return {(row["withdrawal_id"], row["number"]) for row in rows}


async def keep_references(
    tx: Tx, named: Sequence[tuple[Withdrawal, str, str]]
) -> list[tuple[Withdrawal, str, str]]:
    """Note ``(withdrawal, kind, reference)``; the first to claim a reference has it.

    Returns those of ``named`` that another withdrawal had claimed.
    """
    rows = await tx.fetch(
        _KEEP_REFERENCES,
        [w.rail for w, _, _ in named],
        [kind for _, kind, _ in named],
        [reference for _, _, reference in named],
        [w.user_id for w, _, _ in named],
        [w.id for w, _, _ in named],
    )
    owners = {(row["kind"], row["reference"]): row["withdrawal_id"] for row in rows}
    return [one for one in named if owners[one[1], one[2]] != one[0].id]


async def take_slots(tx: Tx, rows: Sequence[tuple[Withdrawal, Sequence[bytes]]]) -> set[UUID]:
    """Which of ``rows`` may be under way: the only ones of their phone and amount.

    Each comes with the indexes of its phone, the newest first: while index keys are rotated
    there are two, and a slot is held under all of them or under none. Of equal ones the
    first is asked for, so those that may hold a slot already come first.
    """
    first: dict[tuple[str, bytes, int], tuple[Withdrawal, Sequence[bytes]]] = {}
    for w, indexes in rows:
        first.setdefault((w.rail, indexes[0], w.amount_minor), (w, indexes))
    wanted = [(w, index) for w, indexes in first.values() for index in indexes]
    rows_taken = await tx.fetch(
        _TAKE_SLOTS,
        [w.rail for w, _ in wanted],
        [index for _, index in wanted],
        [w.amount_minor for w, _ in wanted],
        [w.user_id for w, _ in wanted],
        [w.id for w, _ in wanted],
    )
    taken = Counter(row["withdrawal_id"] for row in rows_taken)
    whole = {w.id for w, indexes in first.values() if taken[w.id] == len(indexes)}
    if len(whole) < len(taken):
        await free_slots(tx, set(taken) - whole)
    return whole


async def free_slots(tx: Tx, ids: Collection[UUID]) -> None:
    await tx.execute(_FREE_SLOTS, list(ids))


async def put_off(tx: Tx, rows: Sequence[Withdrawal], wait: timedelta) -> None:
    await tx.execute(_PUT_OFF, [w.user_id for w in rows], [w.id for w in rows], wait)


async def ask_now(tx: Tx, ids: Collection[UUID]) -> None:
    """Make a question due for those that can be asked about and are not about to be sent."""
    await tx.execute(_ASK_NOW, list(ids))


async def claim_one(tx: Tx, withdrawal_id: UUID) -> Withdrawal | None:
    """A withdrawal between two attempts whose next is due, locked.

    ``None`` when it is not, or somebody else is at it.
    """
    row = await tx.fetchrow(_CLAIM_ONE, withdrawal_id, _EARLY_MAX)
    return withdrawal(row) if row else None


async def claim_stale(tx: Tx, rail: str, older_than: timedelta, limit: int) -> list[Withdrawal]:
    """Queued withdrawals accepted longer ago than ``older_than``, due or not, locked."""
    return withdrawals(await tx.fetch(_CLAIM_STALE, rail, older_than, limit))


async def claim_forgotten(tx: Tx, lease: timedelta, limit: int) -> list[Withdrawal]:
    """Locked: those that went on while an attempt, begun longer ago than ``lease``, is open."""
    return withdrawals(await tx.fetch(_CLAIM_FORGOTTEN, lease, limit))


async def lock_queued(
    tx: Tx, *, ids: Collection[UUID] | None, since: datetime | None, limit: int
) -> list[Withdrawal]:
    """Locked: what is ``pending``, of ``ids`` if given, accepted from ``since`` on if given."""
    only = None if ids is None else list(ids)
    return withdrawals(await tx.fetch(_LOCK_QUEUED, only, since, limit))


async def open_numbers(tx: Tx, rows: Sequence[Withdrawal]) -> dict[UUID, int]:
    """The number of the open attempt of each withdrawal that has one."""
    found = await tx.fetch(_OPEN, [w.user_id for w in rows], [w.id for w in rows])
    return {row["withdrawal_id"]: row["number"] for row in found}
