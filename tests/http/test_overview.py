"""The overview over HTTP: one document with everything in it, whatever has happened so far."""

from collections.abc import AsyncIterator

import pytest

from payops.access.domain import Scope
from tests.support.house import House, opened

READ = Scope.OPS_READ
PATH = "/api/ops/overview"


@pytest.fixture
async def house(url: str) -> AsyncIterator[House]:
    async with opened(url) as made:
        yield made


async def test_every_member_is_there_before_anything_happened(house: House) -> None:
    """Null says that something never was; whoever reads it need not ask whether it is there."""
    found = (await house.get(PATH, READ)).json()

    assert {"at", "health", "exposure", "work", "jobs", "hours"} == set(found)
    assert {"checks", "halted", "openAlerts", "books", "auditSealedUntil"} == set(found["health"])
    assert {"held", "unclear", "byState"} == set(found["exposure"])
    assert {
        *("withdrawalsDue", "withdrawalsDueSeconds", "inbox", "deposits"),
        *("approvalsPending", "invoicesInReview"),
    } == set(found["work"])
    assert {
        *("name", "cron", "slot", "startedAt", "finishedAt", "status", "overdueMinutes"),
    } == set(found["jobs"][0])
    assert {
        *("since", "accepted", "completed", "failed", "paid", "paidP50Seconds"),
        *("paidP95Seconds", "depositsCredited", "depositSums"),
    } == set(found["hours"]["each"][0])
    assert {"stuckFor30Min", "stuckPaid"} <= set(found["work"]["deposits"])


async def test_what_is_under_way_is_in_it(house: House) -> None:
    """Amounts with all their decimals; the phone number of nobody."""
    await house.withdrawal("amina")

    answer = await house.get(PATH, READ)

    found = answer.json()
    held = found["exposure"]["held"]
    assert (1, {"amount": "100.00", "currency": "KES"}) == (held["count"], held["amount"])
    assert 1 == found["work"]["withdrawalsDue"]
    assert 1 == found["hours"]["accepted"] == sum(h["accepted"] for h in found["hours"]["each"])
    assert 24 == len(found["hours"]["each"])
    assert "2547" not in answer.text
    assert "amina" not in answer.text


async def test_its_checks_are_those_of_readiness(house: House) -> None:
    """One answer to one question, wherever it is asked."""
    ready = (await house.client.get("/readyz")).json()["checks"]
    found = (await house.get(PATH, READ)).json()["health"]["checks"]

    assert ready == {**found, "serving": "ok"}


async def test_it_is_for_operations(house: House) -> None:
    """An application's own key sees nothing of the house's figures."""
    assert 403 == (await house.get(PATH, Scope.WITHDRAWALS_READ)).status_code
