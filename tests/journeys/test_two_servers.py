"""Two servers behind one address: whichever takes a callback, money moves once."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from payops.withdrawals.domain import State
from tests.support.process import WEBHOOK_SECRET, Serving, caller, environment, forked
from tests.support.shop import Shop, running_shop
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

PAYOUTS = 12


@pytest.fixture
async def servers(own_url: str, tmp_path: Path) -> AsyncIterator[tuple[Serving, Serving]]:
    environ = environment(own_url, ROLE="api")
    with (
        forked(environ, tmp_path / "one.log") as one,
        forked(environ, tmp_path / "two.log") as two,
    ):
        async with caller("nobody") as http:
            await asyncio.gather(one.ready(http), two.ready(http))
        yield one, two


async def calls_back(http: httpx.AsyncClient, server: Serving, txid: str, status: str) -> int:
    """A signed callback, to the status of its answer."""
    body = json.dumps({"transactionId": txid, "amountKES": 100, "status": status}).encode()
    signature = hmac.digest(WEBHOOK_SECRET.encode(), body, hashlib.sha256).hex()
    answer = await http.post(
        f"{server.url}/webhooks/mpesa",
        content=body,
        headers={"x-lipana-signature": signature, "content-type": "application/json"},
    )
    return answer.status_code


async def states_of(shop: Shop, txid: str) -> list[str]:
    rows = await shop.fetch(
        "SELECT state FROM webhook_deliveries WHERE subject = $1 ORDER BY state", txid
    )
    return [row["state"] for row in rows]


async def test_contradictions_at_the_same_moment_have_one_effect(
    own_url: str, servers: tuple[Serving, Serving]
) -> None:
    """Paid to the one, failed to the other: both acknowledged, one effect, one for a person."""
    one, two = servers
    async with running_shop(own_url) as shop, caller("nobody") as http:
        users = [f"usr_{n}" for n in range(PAYOUTS)]
        txids = [await shop.is_sent(100, user=user) for user in users]

        answers = await asyncio.gather(
            *(
                calls_back(http, server, txid, status)
                for txid in txids
                for server, status in ((one, "success"), (two, "failed"))
            )
        )
        assert {200} == set(answers)

        for txid, user in zip(txids, users, strict=True):

            async def is_handled(txid: str = txid) -> bool:
                return ["applied", "parked"] == await states_of(shop, txid)

            await eventually(is_handled)
            is_paid = State.COMPLETED == await shop.state_of(txid)
            assert ((0, 0) if is_paid else (100, 0)) == await shop.balance(user)
        alerts = set(await shop.alerts())
        assert {f"withdrawal_contradiction:{txid}" for txid in txids} <= alerts
        await shop.assert_books()


async def test_copies_to_both_at_once_are_one_notification(
    own_url: str, servers: tuple[Serving, Serving]
) -> None:
    """The rail that heard nothing sends it again, and the balancer sends it elsewhere."""
    async with running_shop(own_url) as shop, caller("nobody") as http:
        txid = await shop.is_sent(100)

        answers = await asyncio.gather(
            *(calls_back(http, server, txid, "success") for server in servers * 5)
        )

        async def is_handled() -> bool:
            return ["applied"] == await states_of(shop, txid)

        await eventually(is_handled)
        assert {200} == set(answers)
        assert State.COMPLETED == await shop.state_of(txid)
        assert [("applied", "")] == await shop.inbox()
        assert [] == await shop.alerts()
        await shop.assert_books()
