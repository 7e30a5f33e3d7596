"""Rows as files that a spreadsheet opens without carrying anything out.

In CSV a cell is whatever the program that opens it takes it for: one that begins like a
formula gets an apostrophe before it. In XLSX each cell has a type, and text stays text.
"""

import asyncio
import csv
from collections.abc import AsyncGenerator, Iterable
from io import StringIO
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Final, Protocol

import xlsxwriter

from payops.ops.reports.domain import HEADER, Row

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
_IN_MEMORY_BYTES: Final = 1_000_000
_CHUNK_BYTES: Final = 64 * 1024
_NUMBER: Final = frozenset("0123456789.")
_WIDTHS: Final = (18, 14, 10, 28, 8, 16, 10, 32, 24, 20, 40)


class Writer(Protocol):
    """Takes rows as they come; ``close`` ends the file."""

    def add(self, rows: Iterable[Row]) -> None: ...

    def close(self) -> None: ...


def spool() -> IO[bytes]:
    """A file that is in memory while it is small, and gone when it is closed."""
    return SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)


async def chunks(file: IO[bytes]) -> AsyncGenerator[bytes, None]:
    """The whole of ``file``, which is closed whatever becomes of whoever reads it."""
    try:
        await asyncio.to_thread(file.seek, 0)
        while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
            yield chunk
    finally:
        file.close()


def guarded(cell: object) -> str:
    """``cell`` as text that no spreadsheet takes for a formula; numbers stay numbers.

    Leading blanks do not hide a formula: some programs strip them.
    """
    text = str(cell)
    if isinstance(cell, int) or _is_number(text):
        return text
    return f"'{text}" if text.lstrip(" \xa0").startswith(_FORMULA) else text


def csv_bytes(rows: Iterable[Iterable[object]]) -> bytes:
    """Rows as RFC 4180 has them, every cell guarded, in UTF-8."""
    text = StringIO()
    csv.writer(text).writerows([guarded(cell) for cell in row] for row in rows)
    return text.getvalue().encode()


class CsvWriter:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        # Without the mark, Excel takes UTF-8 for whatever its country uses.
        file.write(b"\xef\xbb\xbf" + csv_bytes([HEADER]))

    def add(self, rows: Iterable[Row]) -> None:
        self._file.write(csv_bytes(rows))

    def close(self) -> None:
        self._file.flush()


class XlsxWriter:
    """Figures on one sheet, exceptions on another; a row is on disk when the next one comes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._book = xlsxwriter.Workbook(
            file,
            {
                "constant_memory": True,
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
            },
        )
        self._bold = self._book.add_format({"bold": True})
        self._sheets: dict[str, Any] = {}
        self._next: dict[str, int] = {}
        for name in ("Figures", "Exceptions"):
            sheet = self._sheets[name] = self._book.add_worksheet(name)
            for column, width in enumerate(_WIDTHS):
                sheet.set_column(column, column, width)
            sheet.freeze_panes(1, 0)
            for column, title in enumerate(HEADER):
                sheet.write_string(0, column, str(title), self._bold)
            self._next[name] = 1

    def add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            name = "Exceptions" if str(row[0]).endswith("exception") else "Figures"
            number = self._next[name]
            for column, cell in enumerate(row):
                if isinstance(cell, int):
                    self._sheets[name].write_number(number, column, cell)
                elif cell:
                    self._sheets[name].write_string(number, column, cell)
            self._next[name] = number + 1

    def close(self) -> None:
        self._book.close()


def _is_number(text: str) -> bool:
    """An amount of ours: digits, perhaps a point, perhaps a sign before them."""
    digits = text.removeprefix("-")
    return bool(digits) and set(digits) <= _NUMBER and digits.count(".") <= 1
