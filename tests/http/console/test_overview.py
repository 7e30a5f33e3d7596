"""The overview as a page: what is wrong stands first, and it keeps itself fresh."""

from collections.abc import AsyncIterator

import pytest

from payops.access.domain import Scope
from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from payops.switches import service as switches
from tests.support import browsing, sql
from tests.support.browsing import Page, text_of
from tests.support.house import House, opened

READ = Scope.OPS_READ
STRANGE = "<script>alert(1)</script>"


@pytest.fixture
async def house(url: str) -> AsyncIterator[House]:
    async with opened(url) as made:
        yield made


def tiles(page: Page) -> dict[str, tuple[str, str]]:
    """Figure and tone of each tile, by its name."""
    found = {}
    for link in page.main.iter("a"):
        kind, _, tone = link.get("class", "").partition(" ")
        if kind == "tile":
            found[(link.text or "").strip()] = (text_of(next(iter(link.iter("b")))), tone)
    return found


async def test_a_quiet_house_is_all_well(house: House) -> None:
    """And what was never done yet is no green tile."""
    async with browsing.signed_in(house, READ) as browser:
        page = await browser.get("/ops")

    found = tiles(page)
    assert (200, "Overview") == (page.status, page.title)
    assert ("ready", "good") == found["Service"]
    assert ("0", "good") == found["Open alerts"]
    assert ("nothing", "good") == found["Halted"]
    assert ("not checked", "warn") == found["Books"]
    assert ("KES 0.00", "good") == found["Unclear"]
    assert "None." in page.text
    assert ["Service", "Open alerts", "Halted", "Books"] == list(found)[:4]


async def test_trouble_is_red_and_leads_to_its_page(house: House) -> None:
    """A halt and its alert, an unclear payout; what comes from outside is text."""
    await house.withdrawal()
    await sql.execute(
        house.services.db,
        "UPDATE withdrawals SET state = 'unresolved', is_doubtful = true, first_sent_at = now()",
    )
    alert = Alert(key="k", kind="float_low", severity=Severity.CRITICAL, summary=STRANGE)
    async with house.services.db.transaction() as tx:
        await switches.halt(tx, "withdrawals", reason=STRANGE, actor="key:tests")
        await alerts.raise_alert(tx, alert)

    async with browsing.signed_in(house, READ) as browser:
        page = await browser.get("/ops")

    found = tiles(page)
    assert ("withdrawals", "bad") == found["Halted"]
    assert ("2", "bad") == found["Open alerts"]
    assert ("KES 100.00", "warn") == found["Unclear"]
    assert STRANGE in page.text
    assert STRANGE not in page.html
    assert "low-float" in page.text


async def test_the_hours_are_drawn_and_written(house: House) -> None:
    """A picture with words for it, and a table of the same figures; hours without any are there."""
    for user in ("amina", "baraka"):
        await house.withdrawal(user)
    await sql.execute(
        house.services.db,
        "UPDATE withdrawals SET state = CASE user_id WHEN 'amina' THEN 'completed'"
        " ELSE 'failed' END, failure_code = CASE user_id WHEN 'baraka' THEN 'payout_failed' END",
    )

    async with browsing.signed_in(house, READ) as browser:
        page = await browser.get("/ops")

    withdrawals, deposits = page.main.iter("svg")
    assert (
        "Withdrawals: 1 completed and 1 failed in 24 hours, at most 2 in one."
        == withdrawals.get("aria-label")
    )
    assert ["bar-good", "bar-bad"] == [bar.get("class") for bar in withdrawals.iter("rect")]
    assert [] == list(deposits.iter("rect"))
    hours = [row for row in page.rows if "Accepted" in row]
    assert 24 == len(hours)
    assert 2 == sum(int(row["Accepted"]) for row in hours)
    assert "KES 100.00" in {row["Paid"] for row in hours}


async def test_it_keeps_itself_fresh_without_keeping_the_session(house: House) -> None:
    """The part that is loaded again has no page around it, and says that nobody asked."""
    async with browsing.signed_in(house, READ) as browser:
        page = await browser.get("/ops")
        (part,) = [e for e in page.main.iter("div") if e.get("hx-get")]
        await house.withdrawal()
        fresh = await browser.get(part.get("hx-get", ""))

    assert ("every 15s", '{"X-Refresh":"1"}') == (part.get("hx-trigger"), part.get("hx-headers"))
    assert ("KES 0.00", "KES 100.00") == (tiles(page)["Held"][0], tiles(fresh)["Held"][0])
    assert "<html" not in fresh.html
    assert "no-store" in fresh.response.headers["cache-control"]


async def test_each_job_is_there_with_its_last_run(house: House) -> None:
    """Those that never ran as well."""
    await house.services.scheduler.run_and_wait("ledger-verify")

    async with browsing.signed_in(house, READ) as browser:
        page = await browser.get("/ops")

    jobs = {row["Job"]: row for row in page.rows if "Job" in row}
    assert "done" == jobs["ledger-verify"]["Became"]
    assert "never ran" == jobs["retention"]["Last slot"]
    assert ("right", "good") == tiles(page)["Books"]
