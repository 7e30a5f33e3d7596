"""Reading withdrawals, cancelling them, asking for another look; and what must be true of all."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.infra.db import Database, Record, Tx
from payops.infra.metrics import Metrics
from payops.ledger.domain import Invariant
from payops.switches import service as switches
from payops.switches.domain import WITHDRAWALS, Switch
from payops.withdrawals.domain import ID_PREFIX, Event, State, Withdrawal, read, show
from payops.withdrawals.errors import (
    NotCancellable,
    NothingToRetry,
    WithdrawalNotFound,
    WithdrawalsHalted,
)
from payops.withdrawals.service.deciding import Observation
from payops.withdrawals.service.moving import Moves
from payops.withdrawals.service.requesting import DUE, QUESTIONS
from payops.withdrawals.store import reading, writing

_UNCLEAR_MAX: Final = 1_000

INVARIANTS = (
    Invariant(
        "held_equals_open_withdrawals",
        "what a wallet holds is the sum of its user's withdrawals that are not final",
        """SELECT user_id, w.held, coalesce(o.amount, 0) AS open_amount
        FROM (SELECT user_id, held FROM wallets WHERE currency = 'KES') AS w FULL JOIN (
            SELECT user_id, sum(amount) AS amount FROM withdrawals
            WHERE state IN ('pending', 'sending', 'sent', 'unresolved', 'review') GROUP BY user_id
        ) AS o USING (user_id)
        WHERE coalesce(w.held, 0) <> coalesce(o.amount, 0)""",
    ),
    Invariant(
        "final_withdrawals_closed_their_hold",
        "paid ones captured their hold, failed and cancelled ones released it, others kept it",
        """SELECT w.user_id, w.id, w.state, j.kind FROM withdrawals w
        LEFT JOIN journals j ON j.user_id = w.user_id AND j.closes = w.hold_id
        WHERE j.kind IS DISTINCT FROM CASE
            WHEN w.state IN ('completed', 'reversed') THEN 'withdrawal_paid'
            WHEN w.state IN ('failed', 'cancelled') THEN 'withdrawal_released' END""",
    ),
    Invariant(
        "holds_belong_to_withdrawals",
        "every hold in the books is a withdrawal's, of the same amount",
        """SELECT j.user_id, j.id, j.reference FROM journals j
        LEFT JOIN withdrawals w ON w.user_id = j.user_id AND w.hold_id = j.id
        LEFT JOIN entries e ON e.user_id = j.user_id AND e.journal_id = j.id
            AND e.account = 'wallet:held'
        WHERE j.kind = 'withdrawal_held'
            AND (w.id IS NULL OR e.amount IS DISTINCT FROM w.amount)""",
    ),
    Invariant(
        "attempts_are_numbered_without_gaps",
        "as many attempts are on record as were begun",
        """SELECT w.user_id, w.id, w.attempts, count(a.number) AS recorded FROM withdrawals w
        LEFT JOIN payout_attempts a ON a.user_id = w.user_id AND a.withdrawal_id = w.id
        GROUP BY w.user_id, w.id HAVING count(a.number) <> w.attempts""",
    ),
    Invariant(
        "keys_lead_to_withdrawals",
        "every idempotency key that made a withdrawal has it, and two keys never share one",
        """SELECT k.user_id, k.resource, count(*) AS times, min(w.id::text) AS withdrawal
        FROM idempotency_keys k
        LEFT JOIN journals j ON j.user_id = k.user_id AND j.kind = 'withdrawal_held'
            AND j.reference = k.resource
        LEFT JOIN withdrawals w ON w.user_id = j.user_id AND w.hold_id = j.id
        WHERE k.operation = 'withdrawal' AND k.resource IS NOT NULL
        GROUP BY k.user_id, k.resource HAVING count(*) > 1 OR bool_or(w.id IS NULL)""",
    ),
    Invariant(
        "reversed_withdrawals_were_given_back",
        "what was refunded closes what paid it, with its amount, and nothing else was refunded",
        """SELECT w.user_id, w.id, w.state, w.amount, e.amount AS given_back FROM withdrawals w
        LEFT JOIN journals p ON p.user_id = w.user_id AND p.closes = w.hold_id
        LEFT JOIN journals r ON r.user_id = w.user_id AND r.closes = p.id
            AND r.kind = 'withdrawal_refunded'
        LEFT JOIN entries e ON e.user_id = r.user_id AND e.journal_id = r.id
            AND e.account = 'wallet:available'
        WHERE (w.state = 'reversed') <> (r.id IS NOT NULL)
            OR (r.id IS NOT NULL AND e.amount IS DISTINCT FROM w.amount)""",
    ),
    Invariant(
        "refunds_belong_to_withdrawals",
        "every refund in the books closes the payment of one withdrawal",
        """SELECT j.user_id, j.id, j.reference FROM journals j
        LEFT JOIN journals p ON p.user_id = j.user_id AND p.id = j.closes
        LEFT JOIN withdrawals w ON w.user_id = p.user_id AND w.hold_id = p.closes
        WHERE j.kind = 'withdrawal_refunded' AND w.id IS NULL""",
    ),
    Invariant(
        "write_offs_belong_to_withdrawals",
        "every payout written off closes the release of one withdrawal, with its amount",
        """SELECT j.user_id, j.id, j.reference, w.state, e.amount FROM journals j
        LEFT JOIN journals r ON r.user_id = j.user_id AND r.id = j.closes
            AND r.kind = 'withdrawal_released'
        LEFT JOIN withdrawals w ON w.user_id = r.user_id AND w.hold_id = r.closes
            AND w.state IN ('failed', 'cancelled')
        LEFT JOIN entries e ON e.user_id = j.user_id AND e.journal_id = j.id
            AND e.account = 'mpesa:clearing'
        WHERE j.kind = 'withdrawal_written_off' AND e.amount IS DISTINCT FROM w.amount""",
    ),
    Invariant(
        "open_withdrawals_are_due",
        "nothing that is not final or under review waits without a time to look at it",
        """SELECT user_id, id, state FROM withdrawals
        WHERE due_at IS NULL AND state IN ('pending', 'sending', 'sent', 'unresolved')""",
    ),
)


@dataclass(frozen=True, slots=True)
class Story:
    """A withdrawal and the attempts to send it."""

    withdrawal: Withdrawal
    attempts: tuple[Record, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What withdrawals are looked for by; all that is given must fit."""

    user_id: str | None = None
    state: State | None = None
    phone_indexes: Collection[bytes] = ()
    receipt: str | None = None
    reference: str | None = None
    named: str | None = None  # by any id: a txid, the rail's, a receipt, a request's


async def get(tx: Tx, withdrawal_id: UUID, *, user_id: str | None) -> Withdrawal:
    """The withdrawal; with a ``user_id``, only if it is that user's.

    Raises:
        WithdrawalNotFound: there is none, or it is somebody else's.
    """
    found = await reading.by_id(tx, withdrawal_id)
    if found is None or user_id not in (None, found.user_id):
        raise WithdrawalNotFound
    return found


async def page(tx: Tx, filters: Filters, *, before: UUID | None, limit: int) -> list[Withdrawal]:
    """Withdrawals newest first; ``before`` is the last id of the page before."""
    ids, request_id = await _looked_up(tx, filters)
    if ids is not None and not ids:
        return []
    return await reading.page(
        tx,
        user_id=filters.user_id,
        state=filters.state,
        phone_indexes=filters.phone_indexes,
        ids=ids,
        request_id=request_id,
        before=before,
        limit=limit,
    )


async def _looked_up(tx: Tx, filters: Filters) -> tuple[set[UUID] | None, str | None]:
    """What the names in ``filters`` come to: the ids that have them all, and a request's id.

    A name that no rail knows may be a request's. There is no index for those: they come last.
    """
    found: list[set[UUID]] = []
    request_id = None
    if filters.reference is not None:
        found.append(await reading.known_as(tx, filters.reference, ["payout"]))
    if filters.receipt is not None:
        found.append(await reading.known_as(tx, filters.receipt.upper(), ["receipt"]))
    if filters.named is not None:
        known = await _known_as(tx, filters.named)
        if known is None:
            request_id = filters.named
        else:
            found.append(known)
    return (set.intersection(*found) if found else None), request_id


async def _known_as(tx: Tx, name: str) -> set[UUID] | None:
    """Our own id, or whatever a rail calls so; ``None`` when nobody does."""
    if not name.startswith(f"{ID_PREFIX}_"):
        paid = await reading.known_as(tx, name.upper(), ["receipt"])
        return await reading.known_as(tx, name, ["payout"]) | paid or None
    try:
        return {read(name)}
    except ValueError:
        return set()


async def pending_of(tx: Tx, users: Collection[str]) -> list[str]:
    """Those of ``users`` who have a withdrawal that was not sent."""
    return await reading.users_with_pending(tx, users)


async def story(tx: Tx, withdrawal_id: UUID) -> Story:
    withdrawal = await get(tx, withdrawal_id, user_id=None)
    return Story(withdrawal, tuple(await reading.attempts(tx, withdrawal)))


async def cancel(
    tx: Tx, withdrawal_id: UUID, *, user_id: str | None, actor: str, metrics: Metrics
) -> Withdrawal:
    """Give the money back while nothing was sent; a repeat changes nothing.

    Not while withdrawals, or its rail, are halted: after a failover or a restore, what we
    have as not sent may have been paid.

    Raises:
        WithdrawalNotFound: there is none, or it is somebody else's.
        NotCancellable: it may be on its way, or is final.
        WithdrawalsHalted: it stays as it is until they go on.
    """
    locked = await writing.lock(tx, [withdrawal_id])
    if not locked or user_id not in (None, locked[0].user_id):
        raise WithdrawalNotFound
    (withdrawal,) = locked
    if withdrawal.state is State.CANCELLED:
        return withdrawal
    if withdrawal.state is not State.PENDING:
        raise NotCancellable(f"The withdrawal is {withdrawal.state.value}.")
    if await halts(tx, withdrawal):
        raise WithdrawalsHalted("What waits to be sent stays as it is until withdrawals go on.")
    moves = Moves(locked, await tx.fetchval("SELECT now()"), metrics)
    moved = moves.observe(withdrawal_id, Observation(Event.CANCELLED, actor))
    await moves.write(tx)
    return moved.after


async def halts(tx: Tx, withdrawal: Withdrawal) -> list[Switch]:
    """The halted switches that keep ``withdrawal`` from being sent, and from being cancelled."""
    found = await switches.every(tx, (WITHDRAWALS, withdrawal.rail))
    return [switch for switch in found if switch.is_halted]


async def retry(
    tx: Tx, withdrawal_id: UUID, *, actor: str, request_id: str | None = None
) -> Withdrawal:
    """Have it sent, or asked about, as its state allows, now rather than when it is due.

    It is never sent after a doubt because somebody asked for it: what may have been acted on
    is asked about, also when it is final, so that a contradiction comes to light.

    Raises:
        WithdrawalNotFound: there is none.
        NothingToRetry: it was cancelled, or an attempt is on the wire.
    """
    locked = await writing.lock(tx, [withdrawal_id])
    if not locked:
        raise WithdrawalNotFound
    (withdrawal,) = locked
    if withdrawal.state is State.CANCELLED:
        raise NothingToRetry("It was cancelled before anything was sent.")
    if withdrawal.is_phone_erased:
        raise NothingToRetry("Its phone number was erased, so nobody can be asked about it.")
    if withdrawal.state is State.SENDING and await writing.open_numbers(tx, locked):
        raise NothingToRetry("An attempt is on the wire; it ends with an answer or its lease.")
    sends = withdrawal.state in (State.PENDING, State.SENDING)
    if sends:
        await writing.put_off(tx, locked, timedelta(0))
    else:
        await writing.ask_now(tx, [withdrawal_id])
    event = AuditEvent(
        kind="withdrawal_retried",
        actor=actor,
        user_id=withdrawal.user_id,
        subject=withdrawal.txid,
        request_id=request_id,
        detail={"state": withdrawal.state.value, "does": "send" if sends else "ask"},
    )
    await audit.record(tx, [event])
    tx.wake(DUE if sends else QUESTIONS)
    return withdrawal


async def set_figures(db: Database, metrics: Metrics) -> None:
    """Set the gauges of this process."""
    async with db.transaction(read_only=True) as tx:
        figures = await reading.figures(tx)
    metrics.set_withdrawals({one.state.value: one.count for one in figures})
    unclear = [one for one in figures if one.state in (State.UNRESOLVED, State.REVIEW)]
    metrics.set_exposure(
        {"KES": sum(one.amount_minor for one in unclear)},
        max((one.oldest_seconds for one in unclear), default=0),
    )


async def alert_unclear(db: Database, *, older_than_minutes: int) -> int:
    """Raise an alert for each payout that has stayed unclear for too long; returns how many."""

    async def work(tx: Tx) -> int:
        rows = await reading.unclear(tx, older_than_minutes=older_than_minutes, limit=_UNCLEAR_MAX)
        for txid, amount_minor in sorted((show(row["id"]), row["amount"]) for row in rows):
            await alerts.raise_alert(
                tx,
                Alert(
                    key=f"withdrawal_unclear:{txid}",
                    kind="withdrawal_unclear",
                    severity=Severity.CRITICAL,
                    summary="A payout has stayed unclear for too long.",
                    detail={"withdrawal": txid, "amountMinor": amount_minor},
                ),
            )
        return len(rows)

    return await db.run(work)
