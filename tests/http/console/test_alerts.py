"""Alerts on their page: what is open, taking one on, what is over."""

from collections.abc import AsyncIterator

import pytest

from payops.access.domain import Scope
from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from tests.support import browsing
from tests.support.house import House, opened

READ, WRITE = Scope.OPS_READ, Scope.OPS_WRITE
STRANGE = "<script>alert(1)</script>"


@pytest.fixture
async def house(url: str) -> AsyncIterator[House]:
    async with opened(url) as made:
        yield made


async def raised(
    house: House, key: str, severity: Severity = Severity.CRITICAL, summary: str = "Trouble."
) -> str:
    """The id of a new alert of the kind ``float_low``."""
    alert = Alert(
        key=key,
        kind="float_low",
        severity=severity,
        summary=summary,
        detail={"rail": "lipana", "states": ["held", "sent"]},
    )
    async with house.services.db.transaction() as tx:
        await alerts.raise_alert(tx, alert)
    data = (await house.get("/api/ops/alerts", READ)).json()["data"]
    (found,) = [one["id"] for one in data if one["key"] == key]
    return str(found)


async def resolved(house: House, key: str) -> None:
    async with house.services.db.transaction() as tx:
        await alerts.resolve_alert(tx, key)


async def test_open_alerts_are_listed_the_most_severe_first(house: House) -> None:
    """With the page of the runbook that helps, and the figures behind them."""
    for _ in range(2):
        await raised(house, "mild", Severity.WARNING)
    await raised(house, "grave", summary=f"Trouble with {STRANGE}.")

    async with browsing.signed_in(house, READ) as browser:
        page = await browser.get("/ops/alerts")

    assert ["critical", "warning"] == [row["Severity"] for row in page.rows]
    grave, mild = page.rows
    assert f"Trouble with {STRANGE}." in grave["What"]
    assert "grave" in grave["What"]
    assert "rail lipana" in grave["What"]
    assert ("nobody", "low-float") == (mild["Taken on"], mild["Runbook"])
    assert mild["Last seen"].endswith("2 times")
    assert "held, sent" in mild["What"]
    assert STRANGE not in page.html
    assert [] == [action for action in page.actions if "acknowledge" in action]


async def test_who_takes_one_on_is_named(house: House) -> None:
    """And the button is gone; a second person is told that it is over, if it is."""
    shown = await raised(house, "grave")
    action = f"/ops/alerts/{shown}/acknowledge"

    async with browsing.signed_in(house, READ, WRITE) as browser:
        page = await browser.get("/ops/alerts")
        after = await browser.submit(page, action)
        await resolved(house, "grave")
        late = await browser.post(action)

    assert "Done." == after.said
    assert action not in after.actions
    assert after.rows[0]["Taken on"].startswith("key:")
    assert 409 == late.status


async def test_what_is_over_is_a_list_of_its_own(house: House) -> None:
    """Chosen with a form that works without scripts; nothing in it can be taken on."""
    await raised(house, "past")
    await raised(house, "present")
    await resolved(house, "past")

    async with browsing.signed_in(house, READ, WRITE) as browser:
        page = await browser.get("/ops/alerts")
        past = await browser.submit(page, "/ops/alerts", state="resolved")

    assert ["present" in row["What"] for row in page.rows] == [True]
    assert ["past" in row["What"] for row in past.rows] == [True]
    assert past.rows[0]["Over"]
    assert [] == [action for action in past.actions if "acknowledge" in action]


async def test_quiet_is_said_in_words(house: House) -> None:
    """For both lists."""
    async with browsing.signed_in(house, READ) as browser:
        nothing = await browser.get("/ops/alerts")
        never = await browser.get("/ops/alerts", state="resolved")

    assert "Nothing is open." in nothing.text
    assert "Nothing was resolved yet." in never.text


async def test_an_observer_takes_nothing_on(house: House) -> None:
    """Whatever form they make up; and what does not exist is not found."""
    shown = await raised(house, "grave")

    async with browsing.signed_in(house, READ) as observer:
        refused = await observer.post(f"/ops/alerts/{shown}/acknowledge")
    async with browsing.signed_in(house, READ, WRITE) as operator:
        unknown = await operator.post("/ops/alerts/alr_x/acknowledge")

    assert (403, 404) == (refused.status, unknown.status)
    found = (await house.get("/api/ops/alerts", READ)).json()["data"][0]
    assert "acknowledgedBy" not in found


async def test_what_no_code_can_see_the_end_of_is_closed_by_hand(house: House) -> None:
    """With a reason, in one line; what ends with its cause offers no such thing."""
    standing = await raised(house, "grave")
    async with house.services.db.transaction() as tx:
        await alerts.raise_alert(
            tx, Alert(key="odd", kind="webhook_parked", severity=Severity.WARNING, summary="Odd.")
        )

    async with browsing.signed_in(house, READ, WRITE) as browser:
        page = await browser.get("/ops/alerts")
        (action,) = [one for one in page.actions if one.endswith("/resolve")]
        after = await browser.submit(page, action, reason="seen it,\r\nticket 7")
        refused = await browser.post(f"/ops/alerts/{standing}/resolve", reason="away")

    assert [True] == ["grave" in row["What"] for row in after.rows]
    assert 409 == refused.status
    found = await house.get("/api/ops/audit", Scope.AUDIT_READ, kind="alert_closed")
    assert "seen it, ticket 7" == found.json()["data"][0]["detail"]["reason"]
