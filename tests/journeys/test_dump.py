"""A dump of the database after everything a customer can live through holds no number."""

import io
import json
from collections.abc import AsyncIterator

import pytest

from payops.access.domain import Scope
from payops.withdrawals.domain import State, show
from tests.support.house import House, opened
from tests.support.postgres import connected
from tests.support.rail import NO, OUTAGE
from tests.support.sentinel import leaks_in, numbers_in
from tests.support.shop import AMINA, BARAKA, OTHER_PHONE, PHONE, Shop, running_shop

WHY = {"purpose": "investigation", "reason": "case 12: 0700 000 012 called"}


@pytest.fixture
async def house(url: str) -> AsyncIterator[House]:
    async with opened(url) as made:
        yield made


async def money_moves(shop: Shop) -> None:
    """Paid, failed, declined, lost, cancelled, contradicted, forged and unreadable."""
    names = {"phone": PHONE.digits, "customerName": "Jane 0700000012 Doe"}
    paid = await shop.is_sent(100)
    await shop.hears({"transactionId": paid, "amountKES": 100, "status": "success", **names})
    failed = await shop.is_sent(101, user=BARAKA, to=OTHER_PHONE)
    trouble = {"errorMessage": "254700000034 is not JANE DOE's, call 0700-000-034"}
    await shop.hears({"transactionId": failed, "amountKES": 101, "status": "failed", **trouble})
    shop.rail.answers(NO)
    await shop.accepts(102)
    await shop.sends()
    await shop.accepts(103, to=OTHER_PHONE)
    shop.rail.answers(OUTAGE)
    await shop.sends()
    await shop.cancels(await shop.accepts(104))
    await shop.hears({"transactionId": paid, "amountKES": 100, "status": "failed", **names})
    await shop.hears({"transactionId": paid, "amountKES": 999, "status": "success", **names})
    await shop.hears(json.dumps(names).encode())
    await shop.hears(b"+254 700 000 012", signed=False)
    await shop.hears({"transactionId": "po_nobody", "status": "success", **names})
    await shop.reconciles()
    assert State.COMPLETED == await shop.state_of(paid)


async def people_look(house: House, txid: str) -> None:
    """Searches, openings, refusals, validation errors."""
    await house.get("/api/ops/withdrawals", Scope.OPS_READ, Scope.PII_READ, phone="0700000012")
    await house.get("/api/ops/withdrawals", Scope.OPS_READ, Scope.PII_READ, phone="0700000012x")
    await house.get("/api/ops/withdrawals", Scope.OPS_READ, q="254700000012")
    await house.client.post(
        f"/api/ops/withdrawals/{txid}/phone", headers=await house.key(Scope.PII_READ), json=WHY
    )
    token = house.token(AMINA)
    for number in ("0700 000 012", "254700000012x", 254700000012):
        await house.client.post(
            "/api/withdrawals/mpesa",
            headers={**token, "Idempotency-Key": f"k-{number}"[:8]},
            json={"amountKES": 10_000, "phoneNumber": number},
        )
    await house.client.get("/api/withdrawals/254700000012", headers=token)


async def test_a_dump_of_a_full_journey_holds_no_number(url: str, house: House) -> None:
    """Every table as `COPY` writes it, and every column with its bytes read as text."""
    async with running_shop(url) as shop:
        await money_moves(shop)
        newest = (await shop.fetch("SELECT id FROM withdrawals ORDER BY id LIMIT 1"))[0]["id"]
    await people_look(house, show(newest))

    async with connected(url) as connection:
        leaks = await leaks_in(connection)
        dumped = {}
        for row in await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ):
            copy = io.BytesIO()
            await connection.copy_from_table(row["tablename"], output=copy)
            dumped[row["tablename"]] = copy.getvalue().decode("utf-8", "replace")

    assert [] == leaks
    assert {} == {name: found for name, text in dumped.items() if (found := numbers_in(text))}
    filled = {name for name, text in dumped.items() if text}
    assert {"withdrawals", "webhook_deliveries", "pii_access", "audit_log", "alerts"} <= filled
