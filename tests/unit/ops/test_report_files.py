"""Files of reports: nothing in them is carried out by whoever opens them."""

import csv
from datetime import UTC, date, datetime
from io import BytesIO, StringIO
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from payops.ops.reports.domain import HEADER, Day, Row, percent
from payops.ops.reports.files import CsvWriter, XlsxWriter, chunks, csv_bytes, guarded, spool

EVIL = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    '=HYPERLINK("http://evil","x")',
    "\t=1",
    "\r=1",
    "  =1",
    "\xa0=1",
    "|calc",
    "-",
    "+2547••••0012",
]


def row(note: str, section: str = "payout exception") -> Row:
    return (section, "lipana", "KES", "failed", "", "10.00", "", "wd_1", "u", "", note)


@pytest.mark.parametrize("text", EVIL)
def test_what_begins_like_a_formula_is_text(text: str) -> None:
    """
    An apostrophe stands before it, also where blanks would hide the beginning.
    """
    assert f"'{text}" == guarded(text)


@pytest.mark.parametrize("cell", ["-100.00", "100.00", -5, 0, 17, "98.5", "-3"])
def test_an_amount_stays_a_number(cell: str | int) -> None:
    """
    Whoever adds up a column must not find text in it.
    """
    assert str(cell) == guarded(cell)


@given(st.text())
def test_no_cell_begins_like_a_formula(text: str) -> None:
    """
    Whatever is written, no program takes the cell for more than text or a number.
    """
    found = next(csv.reader(StringIO(csv_bytes([["x", text]]).decode("utf-8", "surrogatepass"))))

    beginning = found[1].lstrip(" \xa0")[:1]
    is_number = set(found[1].removeprefix("-")) <= set("0123456789.")
    assert is_number or beginning not in ("=", "+", "-", "@", "\t", "\r", "|", "%")


def test_csv_has_a_mark_a_header_and_guarded_rows() -> None:
    """
    Excel reads it as UTF-8, and a program as RFC 4180.
    """
    file = BytesIO()
    writer = CsvWriter(file)
    writer.add([row("=1+1"), row('a "quoted", text')])
    writer.close()

    content = file.getvalue()
    lines = list(csv.reader(StringIO(content.decode("utf-8-sig"), newline="")))
    assert content.startswith(b"\xef\xbb\xbf")
    assert [list(map(str, HEADER)), "'=1+1", 'a "quoted", text'] == [
        lines[0],
        *(line[-1] for line in lines[1:]),
    ]


def opened(file: Any) -> Any:
    return openpyxl.load_workbook(BytesIO(file.getvalue()))


@pytest.mark.parametrize("text", [*EVIL, "https://evil.example/", "12345678901234567890"])
def test_xlsx_has_text_and_never_a_formula_or_a_link(text: str) -> None:
    """
    Each cell says itself that it is text, so it needs no apostrophe.
    """
    file = BytesIO()
    writer = XlsxWriter(file)
    writer.add([row(text), ("ledger", "", "KES", "platform", 3, "-1.00", "", "", "", "", "")])
    writer.close()

    book = opened(file)
    cell = book["Exceptions"].cell(2, len(HEADER))
    assert ("s", None) == (cell.data_type, cell.hyperlink)
    assert text.replace("\r", "\n").strip("\n\t ") in str(cell.value).replace("_x000D_", "\n")
    count = book["Figures"].cell(2, 5)
    assert ("n", 3) == (count.data_type, count.value)
    assert ["Figures", "Exceptions"] == book.sheetnames


async def test_a_file_is_handed_over_in_pieces_and_closed() -> None:
    """
    Also when whoever reads it goes away.
    """
    file = spool()
    file.write(b"x" * 200_000)
    pieces = [piece async for piece in chunks(file)]
    assert (200_000, True) == (sum(map(len, pieces)), len(pieces) > 1)
    assert file.closed

    other = spool()
    other.write(b"x" * 200_000)
    reading = chunks(other)
    await anext(reading)
    await reading.aclose()
    assert other.closed


def test_a_day_is_nairobis() -> None:
    """
    Three hours before the day of UTC, and twenty-four hours long.
    """
    day = Day(date(2026, 11, 22))

    assert datetime(2026, 11, 21, 21, tzinfo=UTC) == day.since
    assert datetime(2026, 11, 22, 21, tzinfo=UTC) == day.until
    assert day == Day.before(datetime(2026, 11, 22, 21, tzinfo=UTC))
    assert day != Day.before(datetime(2026, 11, 22, 20, 59, tzinfo=UTC))


def test_a_rate_is_rounded_to_a_tenth() -> None:
    """
    And is not there where there is nothing to divide.
    """
    assert ["", "100.0", "0.0", "66.7", "99.9"] == [
        percent(*pair) for pair in ((0, 0), (1, 0), (0, 1), (2, 1), (999, 1))
    ]
