"""One payout of the rail's, and one receipt, belong to one withdrawal: the first to claim them."""

import asyncio

import pytest

from payops.infra.db import Tx
from payops.withdrawals.domain import State
from payops.withdrawals.ports import Candidates, Outcome, Report
from payops.withdrawals.service.moving import Moves
from tests.support.rail import FakeRail
from tests.support.shop import BARAKA, OTHER_PHONE, OpenShop, Shop
from tests.support.waiting import eventually

RECEIPT = "SFX1ABCDEF"


def said(txid: str, status: str, **more: object) -> dict[str, object]:
    return {"transactionId": txid, "amountKES": 100, "status": status} | more


def told_of(txid: str, *kinds: str) -> list[str]:
    """The alerts of a report that names what is another's."""
    names = [f"payout_reference:{txid}:{kind}" for kind in kinds]
    return sorted([*names, f"withdrawal_contradiction:{txid}"])


async def alerts_of(shop: Shop) -> list[str]:
    return [key for key in await shop.alerts() if not key.startswith("webhook_parked")]


@pytest.mark.parametrize("status", ["success", "failed", "pending"])
async def test_a_report_with_another_s_payout_id_moves_nothing(shop: Shop, status: str) -> None:
    """It is parked and asked about, whatever it says; the id stays with whom it was given to."""
    first = await shop.is_sent(100)
    second = await shop.is_lost(100, user=BARAKA)
    reference = (await shop.withdrawal(first)).provider_reference

    await shop.hears(said(second, status, payoutId=reference))

    assert (State.UNRESOLVED, (0, 100)) == (
        await shop.state_of(second),
        await shop.balance(BARAKA),
    )
    assert None is (await shop.withdrawal(second)).provider_reference
    assert [("parked", "mismatch: reference")] == await shop.inbox()
    assert told_of(second, "payout") == await alerts_of(shop)
    await shop.asks()
    assert [second] == shop.rail.questions
    await shop.assert_books()


async def test_a_report_with_another_s_receipt_moves_nothing(shop: Shop) -> None:
    """M-Pesa paid once; whose money it was is for a person to find out."""
    first = await shop.is_sent(100)
    second = await shop.is_sent(100, user=BARAKA)
    await shop.hears(said(first, "success", receipt=RECEIPT))

    await shop.hears(said(second, "success", receipt=RECEIPT))

    assert (State.SENT, (0, 100)) == (await shop.state_of(second), await shop.balance(BARAKA))
    assert [("applied", ""), ("parked", "mismatch: receipt")] == await shop.inbox()
    assert told_of(second, "receipt") == await alerts_of(shop)
    await shop.assert_books()


async def test_of_one_batch_the_first_has_the_receipt(shop: Shop) -> None:
    """Two reports that are applied together are no less two."""
    txids = [await shop.is_sent(100), await shop.is_sent(100, user=BARAKA)]
    settle = shop.services.inbox._channels["lipana"].handler
    reports = [Report(Outcome.PAID, txid=txid, receipt=RECEIPT) for txid in txids]

    async with shop.db.transaction() as tx:
        handled = await settle(tx, reports)

    assert ["", "mismatch: receipt"] == [one.reason for one in handled]
    assert [State.COMPLETED, State.SENT] == [await shop.state_of(txid) for txid in txids]
    assert told_of(txids[1], "receipt") == await alerts_of(shop)
    await shop.assert_books()


async def test_of_two_at_once_the_loser_looks_again(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both replicas see the receipt free, and both write: the second finds it taken."""
    one, two = await open_shop(), await open_shop()
    first, second = await one.is_sent(100), await one.is_sent(100, user=BARAKA)
    seen = asyncio.Barrier(2)
    write, waits = Moves.write, iter([True, True])

    async def together(self: Moves, tx: Tx) -> None:
        if next(waits, False):
            await seen.wait()
        await write(self, tx)

    monkeypatch.setattr(Moves, "write", together)
    await asyncio.gather(
        one.hears(said(first, "success", receipt=RECEIPT)),
        two.hears(said(second, "success", receipt=RECEIPT)),
    )

    states = {txid: await one.state_of(txid) for txid in (first, second)}
    assert [State.COMPLETED, State.SENT] == sorted(states.values())
    (loser,) = [txid for txid, state in states.items() if state is State.SENT]
    assert told_of(loser, "receipt") == await alerts_of(one)
    assert ["applied", "parked"] == sorted(state for state, _ in await one.inbox())
    await one.assert_books()


@pytest.mark.parametrize("outcome", [Outcome.PAID, Outcome.FAILED])
async def test_an_answer_with_another_s_names_is_not_believed(shop: Shop, outcome: Outcome) -> None:
    """What we asked for ourselves is held against the same claims; it is asked again later."""
    first = await shop.is_sent(100)
    second = await shop.is_lost(100, user=BARAKA)
    reference = (await shop.withdrawal(first)).provider_reference
    shop.rail.says(Report(outcome, txid=second, reference=reference))

    await shop.asks()

    left = await shop.withdrawal(second)
    assert (State.UNRESOLVED, None) == (left.state, left.provider_reference)
    assert left.due_at is not None
    assert told_of(second, "payout") == await alerts_of(shop)
    await shop.assert_books()


async def test_of_one_batch_of_answers_the_first_has_the_candidate(open_shop: OpenShop) -> None:
    """Without references of ours a search finds by phone and amount, so it finds for both."""
    shop = await open_shop(FakeRail(deduplicates=False))
    txids = [await shop.is_lost(100), await shop.is_lost(100, user=BARAKA, to=OTHER_PHONE)]
    found = Report(Outcome.PAID, reference="po_7", amount_minor=10_000)
    shop.rail.says(Candidates((found,)), Candidates((found,)))
    shop.rail.holds()
    asking = asyncio.create_task(shop.asks())
    await eventually(lambda: len(txids) == len(shop.rail.questions))
    shop.rail.goes_on()
    await asking

    states = sorted([await shop.state_of(txid) for txid in txids])
    assert [State.COMPLETED, State.UNRESOLVED] == states
    assert [] == await alerts_of(shop)
    await shop.assert_books()
