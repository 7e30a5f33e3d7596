"""A number that cannot be opened stops its own payout, and no other; a person is told."""

import base64
from collections.abc import Awaitable, Callable

import pytest

from payops.withdrawals.domain import State, read
from tests.support.rail import UNCLEAR, FakeRail
from tests.support.shop import AMINA, BARAKA, OpenShop, Shop

OTHER_KEYS = {"keys": f"k2:{base64.b64encode(bytes(range(32))).decode()}"}

Breaks = Callable[[OpenShop, Shop, str], Awaitable[Shop]]


async def key_is_gone(open_shop: OpenShop, shop: Shop, _: str) -> Shop:
    """The ring of the next process lacks the key that everything so far is sealed with."""
    return await open_shop(shop.rail, pii=OTHER_KEYS)


async def is_altered(open_shop: OpenShop, shop: Shop, txid: str) -> Shop:
    """Somebody changed a byte of the sealed number."""
    await shop.execute(
        "UPDATE withdrawals SET phone_sealed ="
        " set_byte(phone_sealed, length(phone_sealed) - 1,"
        " get_byte(phone_sealed, length(phone_sealed) - 1) # 1) WHERE id = $1",
        read(txid),
    )
    return shop


async def wait_seconds(shop: Shop, txid: str) -> int:
    (row,) = await shop.fetch(
        "SELECT extract(epoch FROM due_at - now())::int AS wait FROM withdrawals WHERE id = $1",
        read(txid),
    )
    wait: int = row["wait"]
    return wait


@pytest.mark.parametrize("broken", [key_is_gone, is_altered])
async def test_what_cannot_be_read_is_not_sent_and_not_lost(
    open_shop: OpenShop, broken: Breaks
) -> None:
    """It stays queued with its money held, without an attempt; the others go out."""
    first = await open_shop()
    unreadable = await first.accepts(100)
    shop = await broken(open_shop, first, unreadable)
    fine = await shop.accepts(100, user=BARAKA)

    assert 1 == await shop.sends()

    assert [fine] == shop.rail.sends
    assert (State.PENDING, State.SENT) == (
        await shop.state_of(unreadable),
        await shop.state_of(fine),
    )
    assert [] == await shop.attempts(unreadable)
    assert (0, 100) == await shop.balance(AMINA)
    assert [f"phone_unreadable:{unreadable}"] == await shop.alerts()
    assert 240 < await wait_seconds(shop, unreadable) <= 300
    await shop.assert_books()


async def test_one_that_cannot_be_read_may_be_cancelled(open_shop: OpenShop) -> None:
    """Nothing was sent, so the money is the customer's to have back."""
    txid = await (await open_shop()).accepts(100)
    shop = await open_shop(pii=OTHER_KEYS)
    await shop.sends()

    assert State.CANCELLED == (await shop.cancels(txid)).state
    assert (100, 0) == await shop.balance()
    await shop.assert_books()


async def test_with_its_key_back_it_is_sent(open_shop: OpenShop) -> None:
    """Nothing of it was lost; it is paid once."""
    shop = await open_shop()
    txid = await shop.accepts(100)
    await (await open_shop(shop.rail, pii=OTHER_KEYS)).sends()
    await shop.time_comes(txid)

    await shop.sends()

    assert (State.SENT, [txid]) == (await shop.state_of(txid), shop.rail.sends)
    await shop.assert_books()


@pytest.mark.parametrize("broken", [key_is_gone, is_altered])
@pytest.mark.parametrize("at_night", [True, False])
async def test_what_cannot_be_read_is_not_asked_about_and_not_lost(
    open_shop: OpenShop, broken: Breaks, *, at_night: bool
) -> None:
    """The question needs the number: it waits, unresolved and held, and the others are asked."""
    first = await open_shop()
    unreadable = await is_unclear(first)
    shop = await broken(open_shop, first, unreadable)
    fine = await is_unclear(shop, user=BARAKA)
    for txid in (unreadable, fine):
        shop.rail.pays(txid)
        await shop.time_comes(txid)

    await (shop.reconciles() if at_night else shop.asks())

    assert [fine] == shop.rail.questions
    assert (State.UNRESOLVED, State.COMPLETED) == (
        await shop.state_of(unreadable),
        await shop.state_of(fine),
    )
    assert (0, 100) == await shop.balance(AMINA)
    assert [f"phone_unreadable:{unreadable}"] == await shop.alerts()
    await shop.assert_books()


async def test_with_its_key_back_it_is_asked_about(open_shop: OpenShop) -> None:
    """And settled by the answer."""
    shop = await open_shop(FakeRail())
    txid = await is_unclear(shop)
    shop.rail.pays(txid)
    await shop.time_comes(txid)
    await (await open_shop(shop.rail, pii=OTHER_KEYS)).asks()
    assert State.UNRESOLVED == await shop.state_of(txid)
    await shop.time_comes(txid)

    await shop.asks()

    assert State.COMPLETED == await shop.state_of(txid)
    await shop.assert_books()


async def is_unclear(shop: Shop, *, user: str = AMINA) -> str:
    """Unresolved here, and in the rail's book."""
    txid = await shop.accepts(100, user=user)
    shop.rail.answers(UNCLEAR)
    await shop.sends()
    assert State.UNRESOLVED == await shop.state_of(txid)
    return txid
