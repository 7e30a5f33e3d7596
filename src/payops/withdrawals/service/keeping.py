"""Reading withdrawals, cancelling them, asking for another look; and what must be true of all."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from payops.infra.db import Database, Record, Tx
from payops.infra.metrics import Metrics
from payops.ledger.domain import Invariant
from payops.withdrawals.domain import Event, State, Withdrawal, show
from payops.withdrawals.errors import NotCancellable, WithdrawalNotFound
from payops.withdrawals.service.deciding import Observation
from payops.withdrawals.service.moving import Moves
from payops.withdrawals.service.requesting import DUE
from payops.withdrawals.store import reading, writing

_UNCLEAR_MAX: Final = 100

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
        """SELECT k.user_id, k.resource, count(*) AS times FROM idempotency_keys k
        WHERE k.operation = 'withdrawal' AND k.resource IS NOT NULL
        GROUP BY k.user_id, k.resource HAVING count(*) > 1
            OR (SELECT count(*) FROM withdrawals w WHERE w.user_id = k.user_id) = 0""",
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


async def get(tx: Tx, withdrawal_id: UUID, *, user_id: str | None) -> Withdrawal:
    """The withdrawal; with a ``user_id``, only if it is that user's.

    Raises:
        WithdrawalNotFound: there is none, or it is somebody else's.
    """
    found = await reading.by_id(tx, withdrawal_id)
    if found is None or user_id not in (None, found.user_id):
        raise WithdrawalNotFound
    return found


async def story(tx: Tx, withdrawal_id: UUID) -> Story:
    withdrawal = await get(tx, withdrawal_id, user_id=None)
    return Story(withdrawal, tuple(await reading.attempts(tx, withdrawal_id)))


async def cancel(
    tx: Tx, withdrawal_id: UUID, *, user_id: str | None, actor: str, metrics: Metrics
) -> Withdrawal:
    """Give the money back while nothing was sent; a repeat changes nothing.

    Raises:
        WithdrawalNotFound: there is none, or it is somebody else's.
        NotCancellable: it may be on its way, or is final.
    """
    locked = await writing.lock(tx, [withdrawal_id])
    if not locked or user_id not in (None, locked[0].user_id):
        raise WithdrawalNotFound
    (withdrawal,) = locked
    if withdrawal.state is State.CANCELLED:
        return withdrawal
    if withdrawal.state is not State.PENDING:
        raise NotCancellable(f"The withdrawal is {withdrawal.state.value}.")
    moves = Moves(locked, await tx.fetchval("SELECT now()"), metrics)
    moved = moves.observe(withdrawal_id, Observation(Event.CANCELLED, actor))
    await moves.write(tx)
    return moved.after


async def look_again(tx: Tx, withdrawal_id: UUID) -> Withdrawal:
    """Have it asked about, or sent, as its state allows, now rather than when it is due."""
    withdrawal = await get(tx, withdrawal_id, user_id=None)
    await writing.ask_now(tx, [withdrawal_id])
    tx.wake(DUE)
    return withdrawal


async def refresh_figures(db: Database, metrics: Metrics, *, alert_after_minutes: int) -> None:
    """Set the gauges, and raise an alert for each payout that has stayed unclear for too long."""
    async with db.transaction() as tx:
        figures = await reading.figures(tx)
        for row in await reading.unclear(
            tx, older_than_minutes=alert_after_minutes, limit=_UNCLEAR_MAX
        ):
            await alerts.raise_alert(
                tx,
                Alert(
                    key=f"withdrawal_unclear:{show(row['id'])}",
                    kind="withdrawal_unclear",
                    severity=Severity.CRITICAL,
                    summary="A payout has stayed unclear for too long.",
                    detail={"withdrawal": show(row["id"]), "amountMinor": row["amount"]},
                ),
            )
    metrics.set_withdrawals({one.state.value: one.count for one in figures})
    unclear = [one for one in figures if one.state in (State.UNRESOLVED, State.REVIEW)]
    metrics.set_exposure(
        {"KES": sum(one.amount_minor for one in unclear)},
        max((one.oldest_seconds for one in unclear), default=0),
    )
