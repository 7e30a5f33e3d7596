"""Providers wait three seconds for an answer, whatever holds us up."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import httpx
import pytest

from tests.http.test_webhooks import ACK, calls, said, sign, success
from tests.support.api import Api, running_api
from tests.support.waiting import eventually

_WITHIN_SECONDS: Final = 3


@pytest.fixture
async def api(url: str) -> AsyncIterator[Api]:
    async with running_api(url) as made:
        yield made


@asynccontextmanager
async def nothing_is_kept(api: Api) -> AsyncIterator[None]:
    """Somebody holds the inbox's table, and lets go of it afterwards."""
    async with api.services.db.transaction() as tx:
        await tx.execute("LOCK TABLE webhook_deliveries IN SHARE MODE")
        yield


async def test_one_that_cannot_be_kept_is_answered_in_time_and_had_once(api: Api) -> None:
    """
    503 before three seconds are over, which the provider repeats: the effect is had once.
    """
    txid = await api.shop.is_sent(100)
    body = success(txid)
    async with nothing_is_kept(api):
        began = time.monotonic()
        headers = {"x-lipana-signature": "made up"}
        signed, forged = await asyncio.gather(
            _sent(api, body), api.stranger.post("/webhooks/mpesa", content=b"{}", headers=headers)
        )
        took = time.monotonic() - began

    assert took < _WITHIN_SECONDS
    for answer in (signed, forged):
        assert (503, "webhook_not_kept") == (answer.status_code, answer.json()["code"])
        assert "1" == answer.headers["retry-after"]

    assert ACK == said(await calls(api, body))

    async def applied() -> bool:
        await api.services.inbox.drain()
        return "completed" == await api.shop.state_of(txid)

    await eventually(applied)
    assert 1 == [reason for state, reason in await api.shop.inbox() if state == "applied"].count("")
    assert (0, 0) == await api.shop.balance()


async def test_those_behind_it_are_answered_in_time_too(api: Api) -> None:
    """
    Forty at once, more than are kept in one go: nobody waits for those before.
    """
    async with nothing_is_kept(api):
        began = time.monotonic()
        answers = await asyncio.gather(*(_sent(api, success(f"tx_{n}")) for n in range(40)))
        took = time.monotonic() - began

    assert {503} == {answer.status_code for answer in answers}
    assert took < _WITHIN_SECONDS
    await api.services.inbox.drained()


async def _sent(api: Api, content: object) -> httpx.Response:
    """As ``calls``, without waiting for the effect."""
    body = json.dumps(content).encode()
    return await api.stranger.post(
        "/webhooks/mpesa", content=body, headers={"x-lipana-signature": sign(body)}
    )
