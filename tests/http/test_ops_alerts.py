"""Alerts over HTTP: what is open, what is over, and who is at it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from payops.access.domain import Scope
from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from payops.ops.service.alerting import ENDED_BY
from payops.ops.watching.rules import RULES
from tests.support import sql
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


async def test_what_no_code_sees_the_end_of_is_ended_with_a_reason(house: House) -> None:
    """On record with who and why; what looks like a number is not kept. Then it is over."""
    alert_id = await raised(house)
    path = f"/api/ops/alerts/{alert_id}/resolve"

    ended = await house.post(path, WRITE, body={"reason": "0700 000 001 is a tester's"})
    again = await house.post(path, WRITE, body={"reason": "once more"})

    assert (200, alert_id) == (ended.status_code, ended.json()["id"])
    assert [] == await listed(house)
    assert (409, "alert_resolved") == (again.status_code, again.json()["code"])
    (record,) = (await house.get("/api/ops/audit", AUDIT, kind="alert_closed")).json()["data"]
    assert (alert_id, "[phone] is a tester's") == (record["subject"], record["detail"]["reason"])
    assert record["actor"].startswith("key:")


async def test_the_same_trouble_later_is_a_new_alert(house: House) -> None:
    """Ended by a person or not: it is news again."""
    first = await raised(house)
    await house.post(f"/api/ops/alerts/{first}/resolve", WRITE, body={"reason": "gone"})

    second = await raised(house)

    assert first != second
    notices = await sql.fetch(
        house.services.db, "SELECT kind FROM alert_notices WHERE alert_key = $1 ORDER BY seq", KEY
    )
    assert ["raised", "resolved", "raised"] == [notice["kind"] for notice in notices]


@pytest.mark.parametrize("kind", sorted(ENDED_BY))
async def test_an_alert_that_ends_with_its_cause_is_not_ended_by_hand(
    house: House, kind: str
) -> None:
    """It would tell that the books balance while they do not; the answer says what ends it."""
    async with house.services.db.transaction() as tx:
        alert = Alert(key=kind, kind=kind, severity=Severity.WARNING, summary="Test.")
        await alerts.raise_alert(tx, alert)
    (found,) = await listed(house)

    answer = await house.post(
        f"/api/ops/alerts/{found['id']}/resolve", WRITE, body={"reason": "I do not like it"}
    )

    assert (409, "alert_stands") == (answer.status_code, answer.json()["code"])
    assert ENDED_BY[kind] in answer.json()["detail"]
    assert [found] == await listed(house)
    assert [] == (await house.get("/api/ops/audit", AUDIT, kind="alert_closed")).json()["data"]


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "  "}, {"reason": "x" * 501}])
async def test_an_alert_is_not_ended_without_a_reason(
    house: House, body: dict[str, object]
) -> None:
    """422, and it stays open."""
    alert_id = await raised(house)

    answer = await house.post(f"/api/ops/alerts/{alert_id}/resolve", WRITE, body=body)

    assert (422, "validation_failed") == (answer.status_code, answer.json()["code"])
    assert 1 == len(await listed(house))


async def test_only_one_of_two_people_ends_an_alert(house: House) -> None:
    """At the same moment: one record, and the other is told that it is over."""
    alert_id = await raised(house)
    path = f"/api/ops/alerts/{alert_id}/resolve"

    answers = await asyncio.gather(
        *(house.post(path, WRITE, body={"reason": f"by {n}"}) for n in range(4))
    )

    assert [200, 409, 409, 409] == sorted(answer.status_code for answer in answers)
    records = (await house.get("/api/ops/audit", AUDIT, kind="alert_closed")).json()["data"]
    assert 1 == len(records)


def test_what_a_rule_watches_is_ended_by_its_figure() -> None:
    """Each rule's alert comes back within a minute, so that closing it would only be noise."""
    assert {rule.name for rule in RULES} <= set(ENDED_BY)
