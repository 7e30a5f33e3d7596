"""After a failover or a restore: what the database has as queued may have been paid already."""

from datetime import UTC, datetime, timedelta

import pytest

from payops.app import operations_of
from payops.ops import service as ops
from payops.ops.service import Queued
from payops.ops.users import service as users
from payops.switches import service as switches
from payops.withdrawals import domain
from payops.withdrawals.domain import State
from payops.withdrawals.errors import NotHalted, WithdrawalsHalted
from payops.withdrawals.ports import NotKnown, Outcome
from tests.support.people import NOT_PAID, approve, ask_resolve
from tests.support.rail import Booked, FakeRail
from tests.support.shop import AMINA, BARAKA, OTHER_PHONE, PHONE, OpenShop, Shop

REASON = "failover: the standby was 40 s behind"


async def throw(shop: Shop, *, halted: bool, name: str = "withdrawals") -> None:
    change = switches.halt if halted else switches.resume
    async with shop.db.transaction() as tx:
        await change(tx, name, reason=REASON, actor="person:test")


async def doubts(
    shop: Shop,
    *txids: str,
    since: datetime | None = None,
    dry_run: bool = False,
) -> Queued:
    return await ops.doubt(
        operations_of(shop.services),
        txids or None,
        since=since,
        reason=REASON,
        dry_run=dry_run,
        actor="person:wanjiru",
    )


async def is_forgotten(shop: Shop, kes: int = 100) -> str:
    """Sent and taken; then an asynchronous standby takes over that never heard of the claim."""
    txid = await shop.is_sent(kes)
    await shop.execute("DELETE FROM payout_attempts")
    await shop.execute("DELETE FROM payout_references")
    await shop.execute(
        "UPDATE withdrawals SET state = 'pending', attempts = 0, tries = 0, is_doubtful = false,"
        " first_sent_at = NULL, provider_reference = NULL, due_at = now()"
    )
    await throw(shop, halted=True)
    return txid


@pytest.mark.parametrize("name", ["withdrawals", "lipana"])
async def test_while_halted_nothing_is_cancelled(shop: Shop, name: str) -> None:
    """A halt keeps everything as it is: what waits may be in doubt. Afterwards it can be again."""
    txid, gone = await shop.accepts(100), await shop.accepts(50)
    await shop.cancels(gone)
    await throw(shop, halted=True, name=name)

    with pytest.raises(WithdrawalsHalted):
        await shop.cancels(txid, user=AMINA)
    assert State.CANCELLED == (await shop.cancels(gone)).state  # a repeat changes nothing

    assert (State.PENDING, (50, 100)) == (await shop.state_of(txid), await shop.balance())
    await throw(shop, halted=False, name=name)
    assert State.CANCELLED == (await shop.cancels(txid, user=AMINA)).state


async def test_a_block_while_halted_gives_back_later(shop: Shop) -> None:
    """The block stands at once; the sweep gives the money back when the halt is over."""
    txid = await shop.accepts(100)
    await throw(shop, halted=True)

    made = await users.block(
        operations_of(shop.services), AMINA, reason="test", until=None, actor="person:test"
    )

    assert [] == made.cancelled
    assert 0 == await users.sweep(shop.db, shop.services.metrics)
    assert State.PENDING == await shop.state_of(txid)
    await throw(shop, halted=False)
    assert 1 == await users.sweep(shop.db, shop.services.metrics)
    assert (100, 0) == await shop.balance()


async def test_a_payout_that_a_failover_forgot_is_not_given_back(shop: Shop) -> None:
    """Its callback puts it in doubt, the rail is asked, and it is what it was: paid, once."""
    txid = await is_forgotten(shop)
    shop.rail.pays(txid)

    await shop.hears(
        {
            "transactionId": txid,
            "amountKES": 100,
            "status": "success",
            "payoutId": shop.rail.book[0].reference,
        }
    )
    await shop.asks()

    assert (State.COMPLETED, (0, 0)) == (await shop.state_of(txid), await shop.balance())
    assert 1 == len(shop.rail.sends)
    await shop.assert_books()


async def test_what_is_queued_is_put_in_doubt_and_asked_about(shop: Shop) -> None:
    """Before the service goes on: the paid one is found, the other waits for people, unsent."""
    paid = await is_forgotten(shop)
    await throw(shop, halted=False)
    never = await shop.accepts(70, user=BARAKA)
    await throw(shop, halted=True)
    shop.rail.pays(paid)

    foreseen = await doubts(shop, dry_run=True)
    assert [State.PENDING] * 2 == [await shop.state_of(txid) for txid in (paid, never)]
    made = await doubts(shop)

    assert (2, 17_000) == (foreseen.count, foreseen.amount_minor)
    assert foreseen == made
    assert [State.UNRESOLVED] * 2 == [await shop.state_of(txid) for txid in (paid, never)]
    assert 0 == (await doubts(shop)).count
    await shop.asks()
    await throw(shop, halted=False)
    assert 0 == await shop.sends()
    assert (State.COMPLETED, State.UNRESOLVED) == (
        await shop.state_of(paid),
        await shop.state_of(never),
    )
    assert (0, 70) == await shop.balance(BARAKA)
    await shop.assert_books()


async def test_who_doubted_and_why_is_on_record(shop: Shop) -> None:
    """Of each withdrawal; a dry run leaves nothing."""
    txid = await shop.accepts(100)
    await throw(shop, halted=True)
    await doubts(shop, dry_run=True)
    await doubts(shop)

    (event,) = await shop.fetch(
        "SELECT actor, detail FROM audit_log WHERE kind = 'withdrawal_unresolved'"
    )
    detail = event["detail"]
    assert "person:wanjiru" == event["actor"]
    assert "doubted" in str(detail)
    assert REASON in str(detail)
    assert State.UNRESOLVED == await shop.state_of(txid)


async def test_only_those_that_are_meant(shop: Shop) -> None:
    """Named ones, or those accepted since; never one that is not queued."""
    sent = await shop.is_sent(100)
    old, new, named = [await shop.accepts(100) for _ in range(3)]
    await shop.execute(
        "UPDATE withdrawals SET created_at = now() - interval '2 hours' WHERE id = $1",
        domain.read(old),
    )
    await throw(shop, halted=True)

    assert 1 == (await doubts(shop, named, sent)).count
    assert 1 == (await doubts(shop, since=datetime.now(UTC) - timedelta(hours=1))).count

    assert {
        sent: State.SENT,
        old: State.PENDING,
        new: State.UNRESOLVED,
        named: State.UNRESOLVED,
    } == {txid: await shop.state_of(txid) for txid in (sent, old, new, named)}


async def test_nothing_is_doubted_while_the_service_sends(shop: Shop) -> None:
    """There, what is queued was accepted a moment ago, and doubting it would hold it for days."""
    txid = await shop.accepts(100)
    for name in ("", "lipana"):
        if name:
            await throw(shop, halted=True, name=name)
        with pytest.raises(NotHalted):
            await doubts(shop)
        with pytest.raises(NotHalted):
            await doubts(shop, txid)

    assert 1 == (await doubts(shop, dry_run=True)).count
    assert State.PENDING == await shop.state_of(txid)


async def test_more_than_a_batch_are_doubted(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some at a time, each lot in a transaction of its own."""
    monkeypatch.setattr("payops.ops.service.doubting._BATCH", 2)
    for n in range(5):
        await shop.accepts(10, user=f"usr_{n}")
    await throw(shop, halted=True)

    assert (5, 5_000) == ((made := await doubts(shop)).count, made.amount_minor)

    await shop.assert_books()


async def test_what_the_rail_never_heard_of_ends_with_people(shop: Shop) -> None:
    """No answer of the rail is proof: people settle it, and only then is the money back."""
    txid = await shop.accepts(100)
    await throw(shop, halted=True)
    await doubts(shop)
    for _ in range(shop.services.settings.mpesa_status.unknown_answers_max):
        shop.rail.says(NotKnown())
        await shop.execute("UPDATE withdrawals SET unknown_at = now() - interval '1 day'")
        await shop.time_comes(txid)
        await shop.asks()
    assert State.REVIEW == await shop.state_of(txid)

    await approve(shop, await ask_resolve(shop, txid, NOT_PAID))

    assert (State.FAILED, (100, 0)) == (await shop.state_of(txid), await shop.balance())
    await shop.assert_books()


async def test_without_references_an_equal_one_waits_for_the_doubt(open_shop: OpenShop) -> None:
    """A search could take the new payout for the old one: it goes out when the old is settled."""
    shop = await open_shop(FakeRail(deduplicates=False))
    doubted = await shop.accepts(100)
    await throw(shop, halted=True)
    await doubts(shop)
    await throw(shop, halted=False)
    equal = await shop.accepts(100, user=BARAKA)
    other = await shop.accepts(100, user=BARAKA, to=OTHER_PHONE)

    await shop.sends()

    assert [other] == shop.rail.sends
    shop.rail.book.append(Booked("po_lost", doubted, PHONE, 100, Outcome.PAID))
    await shop.asks()
    await shop.time_comes(equal)
    await shop.sends()
    assert (State.COMPLETED, [other, equal]) == (await shop.state_of(doubted), shop.rail.sends)
    await shop.assert_books()
