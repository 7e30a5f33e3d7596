from tests.support.shop import AMINA, Shop
from payops.withdrawals.domain import State
async def test_smoke(shop: Shop) -> None:
    txid = await shop.is_sent(100)
    assert (0, 100) == await shop.balance()
    assert await shop.hears({"transactionId": txid, "userId": AMINA, "amountKES": 100, "status": "success", "receipt": "SFX1"})
    assert State.COMPLETED == await shop.state_of(txid)
    await shop.assert_books()
