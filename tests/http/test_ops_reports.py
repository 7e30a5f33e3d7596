"""Reports and stories over HTTP: the right type, the right name, the right scope."""

import io
import zipfile
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import openpyxl
import pytest

from payops.access.domain import Scope
from payops.ops.exporting.verifying import verify
from tests.support.house import House, opened

READ, AUDIT = Scope.OPS_READ, Scope.AUDIT_READ
DAILY = "/api/ops/reports/daily"
EXPORT = "/api/ops/audit/export"


@pytest.fixture
async def house(url: str) -> AsyncIterator[House]:
    async with opened(url) as made:
        yield made


async def test_a_report_comes_as_json_csv_or_xlsx(house: House) -> None:
    """As a file with the day in its name."""
    found = await house.get(DAILY, READ, date="2026-01-31")
    text = await house.get(DAILY, READ, date="2026-01-31", format="csv")
    book = await house.get(DAILY, READ, date="2026-01-31", format="xlsx")

    assert ("2026-01-31", "Africa/Nairobi") == (found.json()["date"], found.json()["timeZone"])
    assert "text/csv; charset=utf-8" == text.headers["content-type"]
    assert 'filename="payops-daily-2026-01-31.csv"' in text.headers["content-disposition"]
    assert text.text.startswith("\ufeffsection,provider")
    assert ["Figures", "Exceptions"] == openpyxl.load_workbook(io.BytesIO(book.content)).sheetnames


async def test_without_a_date_it_is_the_last_day_that_is_over(house: House) -> None:
    """Which is not today."""
    found = (await house.get(DAILY, READ)).json()

    until, made_at = (datetime.fromisoformat(found[name]) for name in ("until", "madeAt"))
    assert timedelta(0) <= made_at - until < timedelta(days=1)


@pytest.mark.parametrize(
    "parameters",
    [
        {"date": "2026-02-30"},
        {"date": "2200-01-01"},
        {"date": "9999-12-31"},
        {"date": "0001-01-01", "format": "csv"},
        {"format": "pdf"},
    ],
)
async def test_what_is_no_day_is_refused(house: House, parameters: dict[str, str]) -> None:
    """The future as well: zeros would look like figures."""
    assert 422 == (await house.get(DAILY, READ, **parameters)).status_code


async def test_an_export_proves_itself(house: House, tmp_path: Path) -> None:
    """A ZIP file that holds the folder of the command line."""
    await house.withdrawal("amina")
    period = {"from": "2020-01-01T00:00:00Z", "to": "2200-01-01T00:00:00Z"}

    answer = await house.get(EXPORT, AUDIT, **period)

    assert (200, "application/zip") == (answer.status_code, answer.headers["content-type"])
    zipfile.ZipFile(io.BytesIO(answer.content)).extractall(tmp_path)
    assert [] == verify(tmp_path).faults


async def test_an_export_is_for_auditors(house: House) -> None:
    """And of a period that has a beginning and an end."""
    period = {"from": "2020-01-01T00:00:00Z", "to": "2200-01-01T00:00:00Z"}

    assert 403 == (await house.get(EXPORT, READ, **period)).status_code
    assert 422 == (await house.get(EXPORT, AUDIT)).status_code
    backwards = {"from": period["to"], "to": period["from"]}
    assert 422 == (await house.get(EXPORT, AUDIT, **backwards)).status_code
    early = {"from": "0001-01-01T00:00:00+14:00", "to": "2021-01-01T00:00:00Z"}
    assert 422 == (await house.get(EXPORT, AUDIT, **early)).status_code
    naive = {"from": "2020-01-01T00:00:00", "to": "2021-01-01T00:00:00"}
    assert 422 == (await house.get(EXPORT, AUDIT, **naive)).status_code


async def test_a_story_comes_as_json_and_as_text(house: House) -> None:
    """With what the chain says of each record."""
    made = await house.withdrawal("amina")

    story = (await house.get(f"/api/ops/withdrawals/{made['txId']}/why", READ)).json()

    assert {"request", "decision", "entry", "record"} == {m["part"] for m in story["story"]}
    assert story["isProven"]
    assert made["txId"] in story["text"]
    assert 404 == (await house.get("/api/ops/withdrawals/wd_x/why", READ)).status_code
    assert 404 == (await house.get("/api/ops/invoices/inv_x/why", READ)).status_code
