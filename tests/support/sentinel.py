"""No test customer's number in anything the suite leaves behind, in any spelling.

``recording`` sends the log lines of a worker to one file, ``answers_kept`` the error answers
of every application under test to another, and ``leaks_in`` looks through a database;
``numbers_in`` finds numbers in all of it. Tests that start processes check their output with
``numbers_in`` themselves.
"""

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import httpx

from payops.infra import logging
from payops.infra.settings import Log

_BETWEEN_DIGITS = re.compile(r"(?<=[0-9])(?:[ \t().+/-]|%20|\\u00a0)+(?=[0-9])")
_NUMBER = re.compile(r"(?<![0-9])(?:(?:00)?2540?|0)?7(?:000000[0-9]{2}|08374149)(?![0-9])")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){9,}")
_URL_SAFE = str.maketrans("-_", "+/")

_COLUMNS = """
SELECT c.relname AS table, array_agg(a.attname ORDER BY a.attnum) AS columns,
    array_agg(a.atttypid = 'bytea'::regtype ORDER BY a.attnum) AS are_bytes
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
    AND NOT a.attisdropped AND c.relname <> 'alembic_version'
GROUP BY c.relname ORDER BY c.relname
"""


def numbers_in(text: str) -> list[str]:
    """The lines of ``text`` that hold a test number, however it is written.

    With or without prefix and separators, percent-encoded, as base64 or as hexadecimal.
    """
    return [
        line
        for line in text.splitlines()
        if any(
            _NUMBER.search(form) or _NUMBER.search(_BETWEEN_DIGITS.sub("", form))
            for form in _forms(line)
        )
    ]


def _forms(line: str) -> Iterator[str]:
    """``line`` as it is, and what is hidden in it."""
    yield line
    if "%" in line:
        yield unquote_plus(unquote_plus(line))
    for token in _BASE64.findall(line):
        # Where a text begins within the token is not known: it may be a part of a longer one.
        for begin in range(4):
            yield _decoded(token[begin:])
    for token in _HEX.findall(line):
        yield bytes.fromhex(token).decode("latin-1")


def _decoded(token: str) -> str:
    if len(token) % 4 == 1:  # no bytes end like that
        token = token[:-1]
    padded = token.translate(_URL_SAFE) + "=" * (-len(token) % 4)
    return base64.b64decode(padded).decode("latin-1")


@contextmanager
def recording(path: Path) -> Iterator[None]:
    """All log lines of this process go to ``path``, as production would print them."""
    with path.open("a") as stream:
        logging.configure(Log(level="debug"), stream=stream)
        yield


@contextmanager
def answers_kept(path: Path) -> Iterator[None]:
    """Every error that an application in this process answers goes to ``path``, headers too."""
    original = httpx.ASGITransport.handle_async_request

    async def handled(self: httpx.ASGITransport, request: httpx.Request) -> httpx.Response:
        response = await original(self, request)
        if response.status_code >= 400:
            body = (await response.aread()).decode(errors="replace").replace("\n", " ")
            with path.open("a") as file:
                file.write(f"{response.status_code} {dict(response.headers)} {body}\n")
        return response

    httpx.ASGITransport.handle_async_request = handled  # type: ignore[method-assign]
    try:
        yield
    finally:
        httpx.ASGITransport.handle_async_request = original  # type: ignore[method-assign]


async def leaks_in(connection: Any) -> list[str]:
    """The rows of a database that hold a test number, as ``table: columns``.

    Bytes are looked at as text, so that a body that was not sealed is found.
    """
    rows = await connection.fetch(await _dump_of(connection))
    return [f"{row['source']}: {row['line']}" for row in rows if numbers_in(row["line"] or "")]


async def _dump_of(connection: Any) -> str:
    """One statement that reads every column of every table."""
    parts = []
    for row in await connection.fetch(_COLUMNS):
        shown = ", ".join(
            f"encode({name}, 'escape')" if is_bytes else f"{name}::text"
            for name, is_bytes in zip(row["columns"], row["are_bytes"], strict=True)
        )
        parts.append(
            f"SELECT '{row['table']}' AS source, concat_ws(' | ', {shown}) AS line"
            f" FROM {row['table']}"
        )
    return " UNION ALL ".join(parts) or "SELECT '' AS source, '' AS line"
