"""A rule over the past in the database: what it would have stopped, exactly."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from payops.fraud.domain.backtesting import Past, replay
from payops.fraud.domain.rules import Action, Measure, Rule, Scope, Window
from payops.fraud.domain.velocity import Done
from payops.fraud.errors import RuleInvalid
from payops.kernel.ids import floor_id
from payops.withdrawals.service.backtesting import backtest
from tests.support.postgres import connected
from tests.support.shop import Shop

UNTIL = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SINCE = UNTIL - timedelta(days=3)
INSERT = """
INSERT INTO withdrawals (user_id, id, state, amount, rail, hold_id, phone_sealed, phone_index,
    phone_masked, caller, failure_code, created_at, due_at)
VALUES ($1, $2, $3, $4, 'lipana', $2, 'sealed'::bytea, $5, '+254', 'c', $6, $7, NULL)
"""


def made_up(seed: int) -> list[dict[str, Any]]:
    """Withdrawals of five users to four numbers over four days, by fixed arithmetic."""
    rows = []
    state = seed
    for number in range(300):
        state = (state * 1_103_515_245 + 12_345) % 2**31
        rows.append(
            {
                "user": f"usr_{state % 5}",
                "to": bytes([state // 5 % 4]) * 16,
                "kes": 10 + state // 20 % 400,
                "state": ("completed", "failed", "cancelled", "completed")[state // 7 % 4],
                "at": UNTIL - timedelta(minutes=state // 11 % (4 * 1440), microseconds=number),
            }
        )
    return sorted(rows, key=lambda row: row["at"])


async def insert(url: str, rows: list[dict[str, Any]]) -> None:
    async with connected(url) as connection:
        await connection.execute("SET session_replication_role = replica")
        for number, row in enumerate(rows):
            made = floor_id(row["at"])
            await connection.execute(
                INSERT,
                row["user"],
                type(made)(int=made.int + number),
                row["state"],
                row["kes"] * 100,
                row["to"],
                "x" if row["state"] == "failed" else None,
                row["at"],
            )


def expected(rule: Rule, rows: list[dict[str, Any]]) -> tuple[int, int]:
    """By the pure part alone, over everybody."""
    whom = "user" if rule.scope is Scope.USER else "to"
    past = [
        Past(
            str(row[whom]), row["user"], Done(row["at"], row["kes"] * 100, row["state"] == "failed")
        )
        for row in rows
        if row["state"] != "cancelled" and row["at"] >= rule.window.start(SINCE)
    ]
    found = replay(rule, sorted(past, key=lambda one: (one.whom, one.done.at)), SINCE)
    return found.stopped, found.stopped_minor


@pytest.mark.parametrize("counts_failed", [True, False])
@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize(
    ("measure", "hours", "limit"),
    [
        (Measure.COUNT, 1, 1),
        (Measure.COUNT, 6, 4),
        (Measure.COUNT, None, 10),
        (Measure.SUM, 24, 300_000),
        (Measure.SUM, None, 200_000),
        (Measure.SUM, None, 10_000_000),
    ],
)
async def test_nothing_is_missed_and_nothing_added(  # noqa: PLR0917 - one axis each
    shop: Shop,
    url: str,
    scope: Scope,
    measure: Measure,
    hours: int | None,
    limit: int,
    counts_failed: bool,  # noqa: FBT001 - as above
) -> None:
    """What the windows in SQL leave out could not have met the rule."""
    rows = made_up(7)
    await insert(url, rows)
    rule = Rule(
        "tried",
        scope,
        Action.WITHDRAWAL,
        measure,
        Window(hours),
        limit,
        counts_failed=counts_failed,
    )

    found = await backtest(shop.db, rule, since=SINCE, until=UNTIL)

    assert expected(rule, rows) == (found.stopped, found.stopped_minor)
    assert found.considered == sum(
        row["state"] != "cancelled" and row["at"] >= SINCE for row in rows
    )


async def test_a_rule_of_deposits_has_no_past_here(shop: Shop) -> None:
    """Said rather than answered with nothing."""
    rule = Rule("tried", Scope.USER, Action.DEPOSIT, Measure.COUNT, Window(1), 1)

    with pytest.raises(RuleInvalid):
        await backtest(shop.db, rule, since=SINCE, until=UNTIL)
