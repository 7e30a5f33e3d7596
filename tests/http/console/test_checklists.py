"""The pages of the checklists: how each line came out, and carrying a list out."""

from collections.abc import AsyncIterator

import pytest

from payops.access.domain import Scope
from payops.ops.checklists.domain import LINES, LISTS, ListName
from tests.support import browsing
from tests.support.house import House, opened
from tests.support.sql import execute

READ, WRITE = Scope.OPS_READ, Scope.OPS_WRITE
HERE = "/ops/checklists"


@pytest.fixture
async def house(url: str) -> AsyncIterator[House]:
    async with opened(url) as made:
        yield made


async def test_a_list_that_never_ran_claims_nothing(house: House) -> None:
    """All five are listed, none with a result."""
    async with browsing.signed_in(house, READ) as browser:
        page = await browser.get(HERE)
        one = await browser.get(f"{HERE}/hourly")

    assert [(name.value, "never", "not known") for name in ListName] == [
        (row["List"], row["Last run"], row["Result"]) for row in page.rows
    ]
    assert {"never run"} == {row["Result"] for row in one.rows}
    assert "It was never run." in one.text


async def test_a_list_is_run_and_shows_what_it_found(house: House) -> None:
    """Line by line, with the evidence, by whom, and when it last passed."""
    async with browsing.signed_in(house, READ, WRITE) as browser:
        page = await browser.get(f"{HERE}/hourly")
        first = await browser.submit(page, f"{HERE}/hourly/run")
        await house.notification()  # unreadable, so it is parked
        second = await browser.submit(page, f"{HERE}/hourly/run")
        every = await browser.get(HERE)

    def inbox(rows: list[dict[str, str]]) -> dict[str, str]:
        (row,) = [row for row in rows if row["Line"].startswith(LINES["inbox"])]
        return row

    assert len(LISTS[ListName.HOURLY]) == len(first.rows)
    assert "Tried. What came of it is below." == first.said
    assert ("pass", "attention") == (inbox(first.rows)["Result"], inbox(second.rows)["Result"])
    assert '"parked"' in inbox(second.rows)["What was found"]
    assert "by key:" in inbox(second.rows)["Run"]
    assert inbox(first.rows)["Last passed"] == inbox(second.rows)["Last passed"] != "never"
    (hourly,) = [row for row in every.rows if row["List"] == "hourly"]
    assert "attention" == hourly["Result"]
    assert LINES["inbox"] in hourly["Lines"]


async def test_who_ran_it_is_on_record(house: House) -> None:
    """As when it is run by the API."""
    async with browsing.signed_in(house, READ, WRITE) as browser:
        await browser.submit(await browser.get(f"{HERE}/hourly"), f"{HERE}/hourly/run")

    audited = await house.get("/api/ops/audit", Scope.AUDIT_READ, kind="checklist_run")
    assert ["hourly"] == [one["subject"] for one in audited.json()["data"]]


async def test_a_failure_stands_out(house: House) -> None:
    """In the list of lists and in the list itself."""
    made = await house.withdrawal("amina")
    await execute(
        house.services.db,
        "UPDATE withdrawals SET state = 'unresolved', first_sent_at = now() - interval '1 hour'"
        " WHERE user_id = $1",
        made["userId"],
    )
    async with browsing.signed_in(house, READ, WRITE) as browser:
        page = await browser.submit(await browser.get(f"{HERE}/hourly"), f"{HERE}/hourly/run")
        every = await browser.get(HERE)

    assert "Something has failed" in page.text
    (hourly,) = [row for row in every.rows if row["List"] == "hourly"]
    assert "fail" == hourly["Result"]
    assert LINES["stuck_payments"] in hourly["Lines"]


async def test_an_observer_cannot_run_a_list(house: House) -> None:
    """Neither by the page nor past it."""
    async with browsing.signed_in(house, READ) as browser:
        page = await browser.get(f"{HERE}/hourly")
        refused = await browser.post(f"{HERE}/hourly/run")
        after = await browser.get(f"{HERE}/hourly")

    assert ([], 403) == (page.actions, refused.status)
    assert "It was never run." in after.text


async def test_there_is_no_other_list(house: House) -> None:
    """To see or to run."""
    async with browsing.signed_in(house, READ, WRITE) as browser:
        pages = [await browser.get(f"{HERE}/yearly"), await browser.post(f"{HERE}/yearly/run")]

    assert [422, 422] == [page.status for page in pages]
