"""What the rail answered is kept, however long the database is away, and sent only when fresh."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from payops.kernel.breaker import Circuit
from payops.withdrawals.domain import State
from payops.withdrawals.ports import Answer
from payops.withdrawals.service import sending
from payops.withdrawals.service.claiming import Claimed
from tests.support.rail import NEVER_CONNECTED, NO, OUTAGE, UNCLEAR, WRONG_KEY
from tests.support.shop import BARAKA, OpenShop, Shop, running_shop
from tests.support.waiting import eventually
from tests.support.wire import Wire, wired


@pytest.fixture
async def wire(url: str) -> AsyncIterator[Wire]:
    async with wired(url) as made:
        yield made


@pytest.fixture
async def far_shop(wire: Wire) -> AsyncIterator[Shop]:
    """A shop whose database can be taken away."""
    async with running_shop(wire.url) as made:
        yield made
        wire.mends()


async def is_on_the_wire(shop: Shop, *users: str) -> list[str]:
    """Withdrawals whose calls hang at the rail."""
    txids = [await shop.accepts(100, user=user) for user in users]
    shop.rail.holds()
    await shop.services.sender.send_due()
    await eventually(lambda: len(users) == len(shop.rail.sends))
    return txids


async def test_an_answer_outlasts_a_database_that_is_away(far_shop: Shop, wire: Wire) -> None:
    """It is recorded once the database is back, with no second send and no question."""
    shop = far_shop
    txids = await is_on_the_wire(shop, "usr_1", "usr_2")
    wire.is_cut()
    shop.rail.goes_on()

    await eventually(lambda: wire.refused > 4)
    assert shop.services.sender._loops
    wire.mends()
    await shop.settles_down()

    assert [State.SENT] * 2 == [await shop.state_of(txid) for txid in txids]
    assert [["taken"]] * 2 == [await shop.attempts(txid) for txid in txids]
    assert (2, []) == (len(shop.rail.sends), shop.rail.questions)
    await shop.assert_books()


async def test_a_definitive_no_outlasts_it_too(far_shop: Shop, wire: Wire) -> None:
    """Nobody else could ever learn that this one may be given back."""
    shop = far_shop
    shop.rail.ignores(NO)
    (txid,) = await is_on_the_wire(shop, "usr_1")
    wire.is_cut()
    shop.rail.goes_on()
    await eventually(lambda: wire.refused > 2)
    wire.mends()
    await shop.settles_down()

    assert (State.FAILED, ["declined"]) == (await shop.state_of(txid), await shop.attempts(txid))
    assert (100, 0) == await shop.balance("usr_1")
    await shop.assert_books()


async def test_patience_ends_and_leaves_it_to_the_lease(
    far_shop: Shop, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an hour, here a moment: the attempt stays open, so it is asked about, not sent."""
    assert timedelta(hours=1) == sending._RECORDING_MAX
    monkeypatch.setattr(sending, "_RECORDING_MAX", timedelta(milliseconds=1))
    shop = far_shop
    (txid,) = await is_on_the_wire(shop, "usr_1")
    wire.is_cut()
    shop.rail.goes_on()
    await shop.settles_down()
    wire.mends()

    assert (State.SENDING, [None]) == (await shop.state_of(txid), await shop.attempts(txid))
    await shop.time_comes(txid)
    await shop.sends()
    assert (State.UNRESOLVED, [txid]) == (await shop.state_of(txid), shop.rail.sends)
    await shop.assert_books()


async def test_stopping_ends_the_wait_for_the_database(far_shop: Shop, wire: Wire) -> None:
    """A process that is told to go does not stay for an hour; the lease brings it back."""
    shop = far_shop
    (txid,) = await is_on_the_wire(shop, "usr_1")
    wire.is_cut()
    shop.rail.goes_on()
    await eventually(lambda: wire.refused > 2)

    await shop.services.sender.stop(0)
    wire.mends()

    assert (State.SENDING, [None]) == (await shop.state_of(txid), await shop.attempts(txid))
    assert not shop.services.sender._loops


class Stalled:
    """The sender's claims, in a process that stands still for ``seconds`` after the first."""

    def __init__(self, shop: Shop, seconds: int) -> None:
        self._claims: Any = shop.services.sender._claims
        self._seconds = seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._claims, name)

    async def due(self, limit: int) -> list[Claimed]:
        return [
            replace(one, claimed_at=one.claimed_at - self._seconds)
            for one in await self._claims.due(limit)
        ]


async def test_a_claim_that_a_stalled_process_comes_back_to_is_not_sent(shop: Shop) -> None:
    """Its lease may end during the call: another process would believe it lost. It goes anew."""
    txid = await shop.accepts(100)
    lease = shop.services.settings.mpesa_retry.lease_seconds
    stalled: Any = Stalled(shop, lease // 2 + 1)
    shop.services.sender._claims = stalled

    await shop.sends()

    assert ["not_delivered", "taken"] == await shop.attempts(txid)
    assert [txid] == shop.rail.sends
    assert State.SENT == await shop.state_of(txid)
    await shop.assert_books()


async def test_a_stall_of_ours_says_nothing_about_the_rail(open_shop: OpenShop) -> None:
    """One failure would open the breaker; being slow ourselves is none of the rail's."""
    shop = await open_shop(lipana={"breaker_failures": 1, "timeout_seconds": 1})
    await shop.accepts(100)
    stalled: Any = Stalled(shop, shop.services.settings.mpesa_retry.lease_seconds)
    shop.services.sender._claims = stalled

    await shop.sends()

    assert Circuit.CLOSED is shop.services.sender._breaker.circuit


async def test_a_claim_within_half_its_lease_is_sent(shop: Shop) -> None:
    """What is left of the lease is longer than a call may take."""
    txid = await shop.accepts(100)
    lease = shop.services.settings.mpesa_retry.lease_seconds
    stalled: Any = Stalled(shop, lease // 2 - 5)
    shop.services.sender._claims = stalled

    await shop.sends()

    assert ["taken"] == await shop.attempts(txid)


@pytest.mark.parametrize("answer", [None, NO])
async def test_the_first_answer_to_a_new_key_ends_the_alert_of_the_old_one(
    open_shop: OpenShop, answer: Answer | None
) -> None:
    """The process that was refused is gone, and this one's breaker was never open."""
    refused = await open_shop()
    await refused.accepts(100)
    refused.rail.ignores(WRONG_KEY)
    await refused.sends()
    assert ["rail_credentials:lipana"] == await refused.alerts()

    restarted = await open_shop()
    await restarted.accepts(100, user=BARAKA)
    restarted.rail.ignores(*([answer] if answer else []))
    await restarted.sends()

    assert [] == await restarted.alerts()


@pytest.mark.parametrize("answer", [NEVER_CONNECTED, OUTAGE, UNCLEAR])
async def test_what_proves_nothing_about_the_key_leaves_the_alert_open(
    open_shop: OpenShop, answer: Answer
) -> None:
    """No connection, a 5xx, an unreadable answer: the key may be as wrong as before."""
    refused = await open_shop()
    await refused.accepts(100)
    refused.rail.ignores(WRONG_KEY)
    await refused.sends()

    restarted = await open_shop(mpesa_retry={"base_delay_ms": 60_000})
    txid = await restarted.accepts(100, user=BARAKA)
    restarted.rail.ignores(answer)
    await restarted.services.sender.send_due()

    async def is_recorded() -> bool:
        return [None] != await restarted.attempts(txid)

    await eventually(is_recorded)
    assert ["rail_credentials:lipana"] == await restarted.alerts()
