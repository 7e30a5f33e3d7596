"""The page of a day's report, and the report as a file."""

import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import openpyxl
import pytest

from payops.access.domain import Scope
from payops.fraud.domain.rules import NAIROBI
from tests.support import browsing
from tests.support.house import House, opened
from tests.support.sql import execute

READ = Scope.OPS_READ
HERE = "/ops/reports"


@pytest.fixture
async def house(url: str) -> AsyncIterator[House]:
    async with opened(url) as made:
        yield made


def today() -> str:
    return datetime.now(UTC).astimezone(NAIROBI).date().isoformat()


async def test_a_day_has_figures_and_exceptions(house: House) -> None:
    """As the API has them, with links to the payments."""
    made = await house.withdrawal("amina")
    await execute(
        house.services.db,
        "UPDATE withdrawals SET state = 'review', failure_code = NULL WHERE user_id = 'amina'",
    )
    answer = await house.get("/api/ops/reports/daily", READ, date=today())

    async with browsing.signed_in(house, READ) as browser:
        page = await browser.get(HERE, date=today())

    figures = [row for row in page.rows if "Of" in row]
    (exception,) = [row for row in page.rows if "Payment" in row]
    assert len(answer.json()["figures"]) == len(figures)
    assert ("payouts", "review", "1", "KES 100.00") == tuple(
        figures[0][name] for name in ("Of", "Item", "Count", "Amount")
    )
    assert (made["txId"], "review", "KES 100.00", "amina") == tuple(
        exception[name] for name in ("Payment", "State", "Amount", "User")
    )
    assert f"/ops/withdrawals/{made['txId']}" == page.links[made["txId"]]


async def test_without_a_day_it_is_the_last_one_that_is_over(house: House) -> None:
    """Also when the field was left empty."""
    expected = (await house.get("/api/ops/reports/daily", READ)).json()["date"]

    async with browsing.signed_in(house, READ) as browser:
        pages = [await browser.get(HERE), await browser.get(HERE, date="")]
        file = await browser.http.get(f"{HERE}/daily.csv")

    assert [f"Report of {expected}"] * 2 == [page.title for page in pages]
    assert f"payops-daily-{expected}.csv" in file.headers["content-disposition"]
    assert "Nothing was asked for and nothing moved." in pages[0].text


async def test_the_files_are_the_ones_of_the_api(house: House) -> None:
    """Byte for byte as CSV; the sheets of the XLSX."""
    await house.withdrawal("amina")
    theirs = await house.get("/api/ops/reports/daily", READ, date=today(), format="csv")

    async with browsing.signed_in(house, READ) as browser:
        page = await browser.get(HERE, date=today())
        text = await browser.http.get(page.links["CSV file"])
        book = await browser.http.get(page.links["XLSX file"])

    assert theirs.content == text.content
    assert theirs.headers["content-disposition"] == text.headers["content-disposition"]
    assert ["Figures", "Exceptions"] == openpyxl.load_workbook(io.BytesIO(book.content)).sheetnames


@pytest.mark.parametrize("day", ["2026-02-30", "2200-01-01", "9999-12-31", "0001-01-01", "x"])
@pytest.mark.parametrize("path", [HERE, f"{HERE}/daily.csv", f"{HERE}/daily.xlsx"])
async def test_what_is_no_day_is_refused_on_a_page(house: House, path: str, day: str) -> None:
    """The future as well: zeros would look like figures."""
    async with browsing.signed_in(house, READ) as browser:
        page = await browser.get(path, date=day)

    assert (422, True) == (page.status, "date" in page.text)


async def test_there_is_no_other_kind_of_file(house: House) -> None:
    """JSON is for programs, which have the API."""
    async with browsing.signed_in(house, READ) as browser:
        assert [422, 422] == [
            (await browser.get(f"{HERE}/daily.{form}")).status for form in ("json", "pdf")
        ]
