"""What nobody foresaw, as a page: a table that is gone stands for it."""

from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from payops.access.domain import Scope
from tests.support import browsing, sql
from tests.support.browsing import Browser, Page
from tests.support.house import House, opened

PAGE = "/ops/switches"
HALT = f"{PAGE}/withdrawals/halt"


@pytest.fixture
async def house(own_url: str) -> AsyncIterator[House]:
    """On a database of its own: it is broken and not mended."""
    async with opened(own_url) as made:
        yield made


@pytest.fixture
async def browser(house: House) -> AsyncIterator[Browser]:
    async with browsing.signed_in(house, Scope.OPS_READ, Scope.OPS_WRITE) as made:
        yield made


async def breaks(house: House) -> None:
    await sql.execute(house.services.db, "ALTER TABLE switches RENAME TO switches_that_were")


async def test_a_failure_nobody_foresaw_is_a_page_of_the_console(
    house: House, browser: Browser
) -> None:
    """With the menu and the request's id; what went wrong stands in the logs alone."""
    await breaks(house)

    page = await browser.get(PAGE)

    assert (500, "The request could not be completed") == (page.status, page.title)
    assert "text/html; charset=utf-8" == page.response.headers["content-type"]
    assert "frame-ancestors 'none'" in page.response.headers["content-security-policy"]
    assert PAGE in page.menu
    assert page.response.headers["x-request-id"] in page.text
    assert "internal_error" in page.text
    assert "Nothing was changed." in page.text
    assert "relation" not in page.html


async def test_after_a_form_it_does_not_say_that_nothing_was_done(
    house: House, browser: Browser
) -> None:
    """It may have been: the fault may be behind what was asked for."""
    before = await browser.get(PAGE)
    await breaks(house)

    page = await browser.submit(before, HALT, reason="the rail is down")

    assert 500 == page.status
    assert "Whether it was done is not known" in page.text


async def test_it_is_logged_and_counted_like_any_other_failure(
    house: House, browser: Browser
) -> None:
    """Its type and place, once; and one answer of 500 of that page."""
    await breaks(house)

    with capture_logs() as logs:
        await browser.get(PAGE)

    failed, answered = (line for line in logs if line["event"].startswith("http."))
    assert ("http.failed", "error") == (failed["event"], failed["log_level"])
    assert "consoleSwitches" == failed["operation"] == answered["operation"]
    assert any("switches.py" in frame for frame in failed["where"])
    assert "switches_that_were" not in str(failed)
    assert (500, "internal_error") == (answered["status"], answered["code"])
    measured = house.services.metrics.render().decode()
    labels = 'operation="consoleSwitches"'
    assert f'payops_http_refusals_total{{code="internal_error",{labels}}} 1.0' in measured
    assert (
        f'payops_http_request_seconds_count{{method="GET",{labels},status="5xx"}} 1.0' in measured
    )


async def test_whoever_is_not_known_yet_has_such_a_page_without_the_menu(house: House) -> None:
    """The fault is in the way to the session itself."""
    house.app.state.doorkeeper = None
    async with browsing.window(house) as http:
        answer = await http.get(PAGE)

    page = Page(answer, browsing.parsed(answer.text))
    assert (500, "The request could not be completed") == (page.status, page.title)
    assert [] == page.menu
