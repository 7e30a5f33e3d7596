"""The pages of the velocity rules: as they stand, who met them, and changing them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from payops.access.domain import Scope
from tests.support import browsing
from tests.support.api import AMINA, Api, running_api
from tests.support.browsing import Browser, Page
from tests.support.house import House

READ, WRITE = Scope.OPS_READ, Scope.OPS_WRITE
HERE, RULE = "/ops/limits", "user-withdrawals-per-hour"
BACKTEST, RULES = f"{HERE}/backtest", f"{HERE}/rules"


@dataclass(frozen=True)
class Desk:
    api: Api
    house: House
    jane: Browser
    observer: Browser

    async def rules(self) -> dict[str, Any]:
        rules = (await self.api.back_end.get("/api/ops/velocity")).json()["rules"]
        return {rule["name"]: rule for rule in rules}


@pytest.fixture
async def desk(url: str) -> AsyncIterator[Desk]:
    async with running_api(url, {"velocity": {"withdrawals_per_hour": 3}}) as api:
        house = House(api.services, api.app, api.stranger)
        async with (
            browsing.signed_in(house, READ, WRITE) as jane,
            browsing.signed_in(house, READ, owner="ada") as observer,
        ):
            yield Desk(api, house, jane, observer)


def row_of(page: Page, name: str) -> dict[str, str]:
    (row,) = [row for row in page.rows if row.get("Rule", "").startswith(name)]
    return row


async def test_the_rules_are_shown_as_they_stand(desk: Desk) -> None:
    """With what whoever meets them is told, and who met them."""
    await desk.api.shop.funds(AMINA, 1_000)
    for number in range(5):
        await desk.api.withdraws(f"k-{number}")

    page = await desk.observer.get(HERE)

    rule, *_, hits = page.rows
    assert ("3", "enforce", "count of withdrawals by user, 1 h") == tuple(
        rule[name] for name in ("Limit", "Mode", "Counts")
    )
    assert "Withdrawal limit exceeded (3/hour). Try again later." == rule["Who meets it is told"]
    assert (f"{RULE} version 0", "2", "1", "KES 200.00") == tuple(
        hits[name] for name in ("Rule", "Times", "Users", "Amount")
    )


async def test_a_stricter_limit_holds_at_once(desk: Desk) -> None:
    """And is in the history with who and why."""
    after = await desk.jane.submit(
        await desk.jane.get(HERE), f"{RULES}/{RULE}", limit="1", reason="<script>alert(1)</script>"
    )
    history = await desk.observer.get(f"{HERE}/history", rule=RULE)
    other = await desk.observer.get(f"{HERE}/history", rule="another-rule")
    every = await desk.observer.get(f"{HERE}/history", rule="")

    assert "Done." == after.said
    assert 1 == (await desk.rules())[RULE]["limit"]
    (row,) = history.rows
    assert ("3, enforce", "1, enforce", "jane", "<script>alert(1)</script>") == tuple(
        row[name] for name in ("Before", "After", "By", "Reason")
    )
    assert "<script>alert" not in history.html
    assert ([], [row]) == (other.rows, every.rows)
    (record,) = (
        await desk.api.back_end.get("/api/ops/audit", params={"kind": "velocity_rule_changed"})
    ).json()["data"]
    assert record["requestId"].startswith("req_")


async def test_a_looser_limit_is_asked_for(desk: Desk) -> None:
    """It waits for another person, and the page says so; nothing has changed."""
    page = await desk.jane.get(HERE)

    after = await desk.jane.submit(page, f"{RULES}/{RULE}", limit="9", reason="busy")
    twice = await desk.jane.submit(page, f"{RULES}/{RULE}", limit="8", reason="busy")

    assert "Asked for. It is done when another person approves it." == after.said
    assert f"jane asks for {RULE} at 9, enforce: busy" in after.text
    assert "/ops/approvals" == after.links["jane asks"]
    assert 3 == (await desk.rules())[RULE]["limit"]
    assert 409 == twice.status


async def test_a_rule_in_the_shadow_is_looser_too(desk: Desk) -> None:
    """The mode alone is a change."""
    page = await desk.jane.get(HERE)

    after = await desk.jane.submit(page, f"{RULES}/{RULE}", mode="shadow", reason="a test")

    assert after.said.startswith("Asked for.")


async def test_a_new_limit_is_made_in_the_shadow_unless_said_otherwise(desk: Desk) -> None:
    """Of the day when no hours are given; sums are whole shillings."""
    page = await desk.jane.get(HERE)

    plain = await desk.jane.submit(page, RULES, name="big-day", limit="500", reason="r")
    whole = await desk.jane.submit(
        page,
        RULES,
        name="to-one-number",
        scope="recipient",
        measure="sum",
        limit="70000",
        windowHours="6",
        countsFailed="false",
        mode="enforce",
        reason="r",
    )

    assert ["Done.", "Done."] == [plain.said, whole.said]
    assert "count of withdrawals by user, Nairobi's day" == row_of(whole, "big-day")["Counts"]
    rules = await desk.rules()
    assert ("shadow", True, None) == (
        rules["big-day"]["mode"],
        rules["big-day"]["countsFailed"],
        rules["big-day"].get("windowHours"),
    )
    row = row_of(whole, "to-one-number")
    assert ("KES 70,000", "sum of withdrawals by recipient, 6 h, without failed ones") == (
        row["Limit"],
        row["Counts"],
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "Bad"),
        ("limit", "0"),
        ("limit", "1.5"),
        ("limit", "many"),
        ("limit", "true"),
        ("limit", "9" * 19),
        ("windowHours", "999"),
        ("reason", ""),
    ],
)
async def test_what_can_be_no_limit_is_refused_with_its_field(
    desk: Desk, field: str, value: str
) -> None:
    """The rules are the API's, whatever the browser let pass."""
    given = {
        "name": "some-rule",
        "scope": "user",
        "action": "withdrawal",
        "measure": "count",
        "limit": "1",
        "countsFailed": "true",
        "mode": "shadow",
        "reason": "r",
    }
    refused = await desk.jane.post(RULES, **given | {field: value})

    assert 422 == refused.status
    assert field in refused.text
    assert "some-rule" not in await desk.rules()


async def test_a_backtest_says_what_would_have_been_stopped(desk: Desk) -> None:
    """And changes nothing; its address can be kept."""
    await desk.api.shop.funds(AMINA, 1_000)
    for number in range(3):
        await desk.api.withdraws(f"k-{number}")
    empty = await desk.observer.get(BACKTEST)

    found = await desk.observer.submit(
        empty, BACKTEST, measure="count", limit="1", windowHours="1", days="7"
    )
    wide = await desk.observer.submit(
        found, BACKTEST, scope="recipient", measure="sum", limit="9000"
    )
    refused = await desk.observer.get(BACKTEST, measure="count", limit="x")

    assert {} == empty.facts
    assert found.facts["Considered"].startswith("3 withdrawals since ")
    assert ("2, KES 200.00", "1") == (found.facts["Stopped"], found.facts["Users"])
    assert "Numbers paid to" not in found.facts
    assert ("0, KES 0.00", "0") == (wide.facts["Stopped"], wide.facts["Numbers paid to"])
    assert "7" == wide.form(BACKTEST).values["days"]
    assert 422 == refused.status


async def test_an_observer_changes_no_limit(desk: Desk) -> None:
    """Neither by the page nor past it."""
    page = await desk.observer.get(HERE)
    refused = [
        await desk.observer.post(path, limit="1", reason="r") for path in (RULES, f"{RULES}/{RULE}")
    ]

    assert [HERE] == page.actions
    assert [403, 403] == [answer.status for answer in refused]
    assert 3 == (await desk.rules())[RULE]["limit"]


async def test_there_is_no_such_limit(desk: Desk) -> None:
    """A page says so."""
    assert 404 == (await desk.jane.post(f"{RULES}/nothing-here", limit="1", reason="r")).status
