"""Jobs on their page: when they ran, what is late, and running one now."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from payops.access.domain import Scope
from tests.support import browsing, sql
from tests.support.house import House, opened
from tests.support.waiting import eventually

READ, WRITE = Scope.OPS_READ, Scope.OPS_WRITE
RUN = "/ops/jobs/ledger-verify/run"


@pytest.fixture
async def house(url: str) -> AsyncIterator[House]:
    async with opened(url) as made:
        yield made


async def row_of(browser: browsing.Browser, job: str) -> dict[str, str]:
    page = await browser.get("/ops/jobs")
    (found,) = [row for row in page.rows if row["Job"] == job]
    return found


async def test_a_job_that_never_ran_says_so(house: House) -> None:
    """With when it should."""
    async with browsing.signed_in(house, READ) as browser:
        row = await row_of(browser, "ledger-verify")

    assert ("30 2 * * *", "never ran", "", "") == tuple(
        row[name] for name in ("When (UTC)", "Last slot", "Became", "Late")
    )


async def test_a_job_is_run_from_its_row(house: House) -> None:
    """It is started, the page says so, and its run is there when it has ended."""
    async with browsing.signed_in(house, READ, WRITE) as browser:
        page = await browser.get("/ops/jobs")
        after = await browser.submit(page, RUN)

        async def ended() -> Any:
            row = await row_of(browser, "ledger-verify")
            return row if row["Became"] == "done" else None

        row = await eventually(ended)

    assert after.said.startswith("Started.")
    assert row["Runs"].startswith("1, newest first")
    trail = (await house.get("/api/ops/audit", Scope.AUDIT_READ, kind="job_run")).json()["data"]
    assert ["ledger-verify"] == [record["subject"] for record in trail]
    assert trail[0]["actor"].startswith("key:")


async def test_a_late_job_is_marked(house: House) -> None:
    """By the slot it should have done."""
    await sql.execute(
        house.services.db,
        "INSERT INTO job_runs (job, slot, replica, status, started_at, finished_at, lease_until)"
        " VALUES ('webhook-drain', now() - interval '3 hours', 'r-1', 'failed',"
        " now() - interval '3 hours', now() - interval '3 hours', now() - interval '3 hours')",
    )

    async with browsing.signed_in(house, READ) as browser:
        row = await row_of(browser, "webhook-drain")

    assert "failed" == row["Became"]
    assert row["Late"].endswith(" min")
    assert "on r-1" in row["Runs"]


async def test_an_observer_starts_nothing(house: House) -> None:
    """No button, and no route; and there is no such job as one that was made up."""
    async with browsing.signed_in(house, READ) as observer:
        page = await observer.get("/ops/jobs")
        refused = await observer.post(RUN)
    async with browsing.signed_in(house, READ, WRITE) as operator:
        unknown = await operator.post("/ops/jobs/nonsense/run")

    assert [] == page.actions
    assert (403, 404) == (refused.status, unknown.status)
