"""What the rail said first, and was told that we have it, counts before what it said later."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from payops.infra.db import Tx
from payops.webhooks.ports import Handled
from payops.withdrawals.domain import State
from payops.withdrawals.ports import Outcome
from tests.support.shop import AMINA, Shop, open_shop, shop  # noqa: F401 - fixtures


async def test_a_later_contradiction_never_overtakes(shop: Shop) -> None:  # noqa: F811 - a fixture
    """
    While the effect of a success is under way, a failure that came after it has to wait.

    Otherwise the money would be released on the word that came second, after it was paid.
    """
    txid = await shop.is_sent(100)
    channels: Any = shop.services.inbox._channels
    channel = channels["lipana"]
    goes_on = asyncio.Event()

    async def slow_with_success(tx: Tx, reports: Sequence[Any]) -> list[Handled]:
        if any(report.outcome is Outcome.PAID for report in reports):
            await goes_on.wait()
        handled: list[Handled] = await channel.handler(tx, reports)
        return handled

    channels["lipana"] = replace(channel, handler=slow_with_success)
    for status in ("success", "failed"):
        said = {"transactionId": txid, "userId": AMINA, "amountKES": 100, "status": status}
        assert await shop.delivers(said)
    asyncio.get_running_loop().call_later(0.3, goes_on.set)
    await shop.services.inbox.drained()

    assert State.COMPLETED == await shop.state_of(txid)
    assert ["applied", "parked"] == [state for state, _ in await shop.inbox()]
    await shop.assert_books()
