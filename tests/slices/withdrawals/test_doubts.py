"""A doubt is repeated only while, and only where, the rail is sure to remember our id."""

import pytest

from payops.withdrawals.domain import State
from tests.support.rail import NEVER_CONNECTED, OUTAGE, FakeRail
from tests.support.shop import BARAKA, OpenShop, Shop
from tests.support.waiting import eventually

PATIENT = {"base_delay_ms": 60_000}


async def is_between_attempts(shop: Shop, answer: str, txid: str) -> None:
    async def is_answered() -> bool:
        return [answer] == await shop.attempts(txid)

    await eventually(is_answered)


async def is_doubtful(shop: Shop) -> str:
    """Its first answer was lost, after the rail acted; the next attempt is a minute off."""
    txid = await shop.accepts(100)
    shop.rail.answers(OUTAGE)
    await shop.services.sender.send_due()
    await is_between_attempts(shop, "lost", txid)
    assert State.SENDING == await shop.state_of(txid)
    return txid


async def grows_old(shop: Shop) -> None:
    """Everything was sent for the first time longer ago than a payout may be pending."""
    await shop.execute("UPDATE withdrawals SET first_sent_at = now() - interval '61 minutes'")


async def test_a_doubt_older_than_the_rail_need_remember_is_asked_about(
    open_shop: OpenShop,
) -> None:
    """A repeat of an id that was forgotten would be a second payout."""
    shop = await open_shop(mpesa_retry=PATIENT)
    txid = await is_doubtful(shop)
    await grows_old(shop)
    await shop.time_comes(txid)

    assert 0 == await shop.services.sender.send_due()

    assert (State.UNRESOLVED, [txid]) == (await shop.state_of(txid), shop.rail.sends)
    assert (0, 100) == await shop.balance()
    await shop.time_comes(txid)
    await shop.asks()
    assert [txid] == shop.rail.questions
    assert (State.SENT, 1) == (await shop.state_of(txid), len(shop.rail.book))
    await shop.assert_books()


async def test_a_doubt_within_that_time_is_repeated(open_shop: OpenShop) -> None:
    """The safe loop: the same id gets the first payout's answer."""
    shop = await open_shop(mpesa_retry=PATIENT)
    txid = await is_doubtful(shop)
    await shop.execute("UPDATE withdrawals SET first_sent_at = now() - interval '59 minutes'")
    await shop.services.sender.stop(5)

    other = await open_shop(shop.rail)
    await other.time_comes(txid)
    await other.sends()

    assert (State.SENT, [txid] * 2) == (await other.state_of(txid), shop.rail.sends)
    assert 1 == len(shop.rail.book)


async def test_a_doubt_that_grew_old_during_the_wait_ends_the_loop(open_shop: OpenShop) -> None:
    """The process that is driving it looks again too, before each attempt."""
    shop = await open_shop(mpesa_retry={"base_delay_ms": 1_500})
    txid = await is_doubtful(shop)
    await grows_old(shop)

    await shop.settles_down()

    assert (State.UNRESOLVED, [txid]) == (await shop.state_of(txid), shop.rail.sends)
    assert ["lost"] == await shop.attempts(txid)
    await shop.assert_books()


async def test_a_doubt_is_not_repeated_in_a_dialect_without_our_id(open_shop: OpenShop) -> None:
    """It arose while the rail de-duplicated; since then somebody switched that off."""
    before = await open_shop(mpesa_retry=PATIENT)
    txid = await is_doubtful(before)
    await before.services.sender.stop(5)

    after = await open_shop(FakeRail(deduplicates=False, book=before.rail.book))
    await after.time_comes(txid)

    assert 0 == await after.sends()
    assert (State.UNRESOLVED, []) == (await after.state_of(txid), after.rail.sends)
    assert (0, 100) == await after.balance()
    await after.time_comes(txid)
    await after.asks()
    assert (State.SENT, "po_1") == (
        (found := await after.withdrawal(txid)).state,
        found.provider_reference,
    )
    assert 1 == len(before.rail.book)
    await after.assert_books()


@pytest.mark.parametrize("deduplicates", [True, False])
async def test_what_never_left_is_no_doubt_however_old(
    open_shop: OpenShop, *, deduplicates: bool
) -> None:
    """Proof that nothing was acted on does not age, and needs no memory of the rail's."""
    shop = await open_shop(FakeRail(deduplicates=deduplicates), mpesa_retry=PATIENT)
    txid = await shop.accepts(100)
    shop.rail.ignores(NEVER_CONNECTED)
    await shop.services.sender.send_due()
    await is_between_attempts(shop, "not_delivered", txid)
    await shop.services.sender.stop(5)
    await grows_old(shop)

    other = await open_shop(shop.rail)
    await other.time_comes(txid)
    await other.sends()

    assert (State.SENT, 1) == (await other.state_of(txid), len(shop.rail.book))


async def test_one_doubt_holds_up_nobody_else(open_shop: OpenShop) -> None:
    """Of one batch, the doubtful one is asked about and the other is sent."""
    shop = await open_shop(mpesa_retry=PATIENT)
    doubtful = await is_doubtful(shop)
    await grows_old(shop)
    await shop.time_comes(doubtful)
    fresh = await shop.accepts(100, user=BARAKA)

    assert 1 == await shop.services.sender.send_due()
    await eventually(lambda: fresh in shop.rail.sends)

    assert [doubtful, fresh] == shop.rail.sends
    assert State.UNRESOLVED == await shop.state_of(doubtful)
