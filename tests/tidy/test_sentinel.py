"""The search for customers' numbers finds them, wherever the suite leaves one."""

import base64
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import PlainTextResponse

from payops.infra.db import Database
from payops.kernel.ids import new_id, show_id
from tests.support import sentinel, sql
from tests.support.postgres import connected

NUMBER = "254700000012"
SPELLINGS = [
    NUMBER,
    f"+{NUMBER}",
    f"00{NUMBER}",
    "0700000012",
    "700000012",
    "+254 700 000 012",
    "0700-000-012",
    "(0700) 000.012",
    "254%20700%20000%20012",
    "%2B254700000012",
    "".join(f"%{ord(digit):02x}" for digit in NUMBER),
    quote(quote("+254 700 000 012")),
    base64.b64encode(NUMBER.encode()).decode(),
    base64.b64encode(b'{"phone": "0700000012"}').decode(),
    base64.b64encode(b"x" + NUMBER.encode()).decode(),
    base64.urlsafe_b64encode(b"??" + NUMBER.encode()).decode().rstrip("="),
    f"prefix{base64.b64encode(NUMBER.encode()).decode()}",
    NUMBER.encode().hex(),
    f"\\x{NUMBER.encode().hex()}",
    '{"at": "0708374149"}',
]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("around", ["{}", "a {} b", '{{"x": "{}"}}', "ref={}&y=1"])
def test_a_number_is_found_in_every_spelling(spelling: str, around: str) -> None:
    """Prefixes, separators, percent-encoding, base64 and hexadecimal."""
    line = around.replace("{{", "{").replace("}}", "}").replace("{}", spelling)

    assert [line] == sentinel.numbers_in(line)


@pytest.mark.parametrize(
    "line",
    [
        "+2547••••0012",
        "2026-11-22T20:15:00.700000Z",
        "amount 700000 at 12",
        "a long word that is no base64: abcdefghijklmnopqrstuvwxyz",
        "1247000000123",
    ],
)
def test_what_is_no_number_is_left_alone(line: str) -> None:
    """Masks, moments and amounts."""
    assert [] == sentinel.numbers_in(line)


def test_ids_are_not_taken_for_numbers() -> None:
    """They look like base64, and decode to nothing."""
    line = " ".join(f"{new_id()} {show_id('wd', new_id())}" for _ in range(200))

    assert [] == sentinel.numbers_in(line)


async def test_a_number_in_a_table_is_found(database: Database, url: str) -> None:
    """As text, within JSON, and as bytes that were not sealed."""
    await sql.execute(
        database,
        "INSERT INTO alerts (id, key, kind, severity, summary, detail)"
        " VALUES ($1, 'k', 'k', 'info', 's', '{\"to\": \"0700 000 012\"}')",
        new_id(),
    )
    await sql.execute(
        database,
        "INSERT INTO webhook_deliveries (id, source, dedupe_key, body_sealed, state)"
        " VALUES ($1, 'lipana', '\\x00', $2, 'applied')",
        new_id(),
        b'{"phone": "254700000012"}',
    )

    async with connected(url) as connection:
        leaks = await sentinel.leaks_in(connection)

    assert ["alerts", "webhook_deliveries"] == [leak.partition(":")[0] for leak in leaks]
    await sql.execute(database, "DELETE FROM alerts")
    await sql.execute(database, "DELETE FROM webhook_deliveries")


async def test_every_error_answer_is_kept_for_the_search(tmp_path: Path) -> None:
    """Headers and body of every answer from 400 on; others are not errors."""
    app = FastAPI()

    @app.get("/{status}")
    async def answered(status: int) -> PlainTextResponse:
        return PlainTextResponse(f"answered {status}", status)

    path = tmp_path / "answers.log"
    with sentinel.answers_kept(path):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://payops") as client:
            await client.get("/200")
            await client.get("/422")

    (line,) = path.read_text().splitlines()
    assert line.startswith("422 {'content-length'")
    assert line.endswith("answered 422")
