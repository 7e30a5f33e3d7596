"""Alerts over HTTP: what is open, what is over, and who is at it."""

from collections.abc import AsyncIterator

import pytest

from payops.access.domain import Scope
from payops.alerts import service as alerts
from payops.alerts.domain import Severity
from tests.support.house import House, opened
from tests.support.newsroom import KEY, trouble

READ, WRITE, AUDIT = Scope.OPS_READ, Scope.OPS_WRITE, Scope.AUDIT_READ


@pytest.fixture
async def house(url: str) -> AsyncIterator[House]:
    async with opened(url) as made:
        yield made


async def raised(house: House, key: str = KEY) -> str:
    """The id of a new alert."""
    async with house.services.db.transaction() as tx:
        await alerts.raise_alert(tx, trouble(Severity.CRITICAL, key=key))
    (found,) = [one for one in await listed(house) if one["key"] == key]
    return str(found["id"])


async def resolved(house: House, key: str = KEY) -> None:
    async with house.services.db.transaction() as tx:
        await alerts.resolve_alert(tx, key)


async def listed(house: House, **parameters: str) -> list[dict[str, object]]:
    answer = await house.get("/api/ops/alerts", READ, **parameters)
    assert 200 == answer.status_code, answer.text
    data: list[dict[str, object]] = answer.json()["data"]
    return data


async def test_open_and_past_alerts_are_listed_apart(house: House) -> None:
    """Open ones unless others are asked for."""
    await raised(house, "one")
    await raised(house, "two")
    await resolved(house, "one")

    past = await listed(house, state="resolved")
    assert ["two"] == [alert["key"] for alert in await listed(house)]
    assert ["one"] == [alert["key"] for alert in past]
    assert "resolvedAt" in past[0]


async def test_taking_an_alert_on_names_who_did_and_is_recorded(house: House) -> None:
    """Once: the second to try finds the first."""
    alert_id = await raised(house)
    jane = await house.key(WRITE, owner="jane")

    first = await house.client.post(f"/api/ops/alerts/{alert_id}/acknowledge", headers=jane)
    second = await house.post(f"/api/ops/alerts/{alert_id}/acknowledge", WRITE)

    assert (200, 200) == (first.status_code, second.status_code)
    assert first.json()["acknowledgedBy"] == second.json()["acknowledgedBy"]
    (record,) = (await house.get("/api/ops/audit", AUDIT, kind="alert_acknowledged")).json()["data"]
    assert (alert_id, first.json()["acknowledgedBy"]) == (record["subject"], record["actor"])
    assert {"key": KEY, "severity": "critical"} == record["detail"]


async def test_what_is_over_or_was_never_there_cannot_be_taken_on(house: House) -> None:
    """409 and 404, with words of their own."""
    alert_id = await raised(house)
    await resolved(house)

    over = await house.post(f"/api/ops/alerts/{alert_id}/acknowledge", WRITE)
    assert (409, "alert_resolved") == (over.status_code, over.json()["code"])
    for unknown in ("alr_01h455vb4pex5vsknk084sn02q", "wd_01h455vb4pex5vsknk084sn02q", "x"):
        none = await house.post(f"/api/ops/alerts/{unknown}/acknowledge", WRITE)
        assert (404, "alert_not_found") == (none.status_code, none.json()["code"])


async def test_reading_does_not_allow_taking_on(house: House) -> None:
    alert_id = await raised(house)

    answer = await house.post(f"/api/ops/alerts/{alert_id}/acknowledge", READ)

    assert (403, "scope_missing") == (answer.status_code, answer.json()["code"])
