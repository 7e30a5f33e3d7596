"""A blocked user's withdrawals: none is sent that was not; none is forgotten that was."""

from payops.fraud.service import blocking
from payops.withdrawals.domain import State
from tests.support.shop import AMINA, BARAKA, Shop


async def _blocks(shop: Shop, user: str) -> None:
    async with shop.db.transaction() as tx:
        await blocking.block(tx, user, reason="test", by="person:test", until=None)


async def test_what_a_blocked_user_has_queued_is_not_sent(shop: Shop) -> None:
    """Not even in the moment before it is given back; others are sent as ever."""
    waiting, other = await shop.accepts(500), await shop.accepts(500, user=BARAKA)
    await _blocks(shop, AMINA)
    await shop.sends()
    assert [other] == shop.rail.sends
    assert State.PENDING == await shop.state_of(waiting)
    await shop.assert_books()


async def test_what_was_sent_before_the_block_is_followed_to_its_end(shop: Shop) -> None:
    """The rail has it: its callback settles it."""
    txid = await shop.is_sent(500)
    await _blocks(shop, AMINA)
    await shop.hears({"transactionId": txid, "status": "success", "amountKES": 500})
    assert State.COMPLETED == await shop.state_of(txid)
    await shop.assert_books()
