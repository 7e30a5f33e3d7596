"""The past of those who may have passed a limit, found with windows over the whole table."""

from datetime import datetime
from typing import Final

from payops.fraud.domain.backtesting import Past
from payops.fraud.domain.rules import Measure, Rule, Scope
from payops.fraud.domain.velocity import Done
from payops.infra.db import Tx
from payops.kernel.ids import id_before

# Adding up everything in a window finds all who could have met the limit, and perhaps more,
# because what would have been refused is added up as well; the exact part follows outside.
_PAST = """
WITH counted AS (
    SELECT w.user_id, w.id, w.amount, w.created_at, w.state = 'failed' AS is_failed,
        {whom} AS whom, {size} AS size, {weight} AS weight
    FROM withdrawals w
    WHERE w.id >= $1 AND w.created_at >= $2 AND w.created_at < $3 AND w.state <> 'cancelled'
        AND {whom} IS NOT NULL
), added AS (
    SELECT c.*, sum(weight) OVER ({window}) AS used FROM counted c
), suspects AS (
    -- What failed later counts for no other request, but did count for itself.
    SELECT DISTINCT whom FROM added WHERE used + size - weight > $4
)
SELECT a.whom, a.user_id, a.amount, a.created_at, a.is_failed
FROM added a JOIN suspects USING (whom) ORDER BY a.whom, a.created_at, a.id
"""

_TOTAL = """
SELECT count(*)::integer FROM withdrawals
WHERE id >= $1 AND created_at >= $2 AND created_at < $3 AND state <> 'cancelled'
"""


async def past(tx: Tx, rule: Rule, begin: datetime, until: datetime) -> list[Past]:
    """All since ``begin`` of the users, or recipients, who may have met ``rule``, in order."""
    rows = await tx.fetch(
        _PAST.format(
            whom=_WHOM[rule.scope],
            size=_size(rule),
            weight=_weight(rule),
            window=_window(rule),
        ),
        id_before(begin),
        begin,
        until,
        rule.limit,
    )
    return [
        Past(row["whom"], row["user_id"], Done(row["created_at"], row["amount"], row["is_failed"]))
        for row in rows
    ]


async def count(tx: Tx, since: datetime, until: datetime) -> int:
    """How many withdrawals were accepted in between, cancelled ones excepted."""
    total: int = await tx.fetchval(_TOTAL, id_before(since), since, until)
    return total


# An erased number is nobody's any more.
_WHOM: Final = {
    Scope.USER: "w.user_id",
    Scope.RECIPIENT: "nullif(encode(w.phone_index, 'hex'), '')",
}


def _size(rule: Rule) -> str:
    return "w.amount" if rule.measure is Measure.SUM else "1"


def _weight(rule: Rule) -> str:
    size = _size(rule)
    return size if rule.counts_failed else f"CASE WHEN w.state = 'failed' THEN 0 ELSE {size} END"


def _window(rule: Rule) -> str:
    """At most 168 hours, as the rule was checked; a number of our own, never a caller's text."""
    if rule.window.hours is None:
        return (
            "PARTITION BY whom, date_trunc('day', created_at AT TIME ZONE 'Africa/Nairobi') "
            "ORDER BY created_at, id"
        )
    return (
        "PARTITION BY whom ORDER BY created_at "
        f"RANGE BETWEEN '{rule.window.hours:d} hours' PRECEDING AND CURRENT ROW"
    )
