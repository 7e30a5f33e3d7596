"""Notifications whose time had not come: tried again for a reason, given up after a count."""

import asyncio
import contextvars

from payops.app import operations_of
from payops.infra.db import Tx
from payops.ops import service as ops
from payops.webhooks import service as webhooks
from payops.webhooks.domain import ERRORS_MAX, State, show
from payops.withdrawals.domain import State as Withdrawn
from tests.support.faulty import Faulty
from tests.support.shop import AMINA, BARAKA, OpenShop, Shop
from tests.support.waiting import eventually


def report(txid: str, status: str = "success", **fields: object) -> dict[str, object]:
    return {"transactionId": txid, "amountKES": 100, "status": status} | fields


def about(reference: str, **fields: object) -> dict[str, object]:
    """One that names a payout by the rail's own id only."""
    return {"payoutId": reference, "amount": 100, "status": "success"} | fields


async def waits(shop: Shop) -> dict[str, bool]:
    """By what it is about: whether a notification still waits for its time."""
    rows = await shop.fetch("SELECT subject, due_at > now() AS waits FROM webhook_deliveries")
    return {row["subject"]: row["waits"] for row in rows}


async def all_due(shop: Shop) -> None:
    await shop.execute("UPDATE webhook_deliveries SET due_at = now() WHERE due_at IS NOT NULL")


async def drained_all(shop: Shop) -> None:
    await all_due(shop)
    await shop.services.inbox.drain()


async def errors(shop: Shop) -> int:
    (row,) = await shop.fetch("SELECT errors FROM webhook_deliveries")
    count: int = row["errors"]
    return count


async def test_a_new_reference_wakes_those_about_it_and_no_others(shop: Shop) -> None:
    """With thousands of strangers' notifications waiting, each new payout costs a lookup."""
    for reference in ("po_1", "po_77", "po_10"):
        await shop.hears(about(reference))
    await shop.execute("UPDATE webhook_deliveries SET due_at = now() + interval '1 hour'")

    txid = await shop.is_sent(100)

    assert "po_1" == (await shop.withdrawal(txid)).provider_reference
    assert {"po_1": False, "po_77": True, "po_10": True} == await waits(shop)
    await shop.services.inbox.drain()
    assert Withdrawn.COMPLETED == await shop.state_of(txid)
    await shop.assert_books()


async def test_one_about_a_name_of_ours_nobody_has_is_not_woken(shop: Shop) -> None:
    """It names a withdrawal that does not exist; no reference can change that."""
    stranger = "wd_01h455vb4pex5vsknk084sn02q"
    await shop.hears(report(stranger))
    await shop.execute("UPDATE webhook_deliveries SET due_at = now() + interval '1 hour'")

    await shop.is_sent(100)

    assert {stranger: True} == await waits(shop)


async def test_another_source_s_equal_name_is_another_s(shop: Shop) -> None:
    """What the rail calls po_1 is not what somebody else calls so."""
    await shop.hears(about("po_1"))
    await shop.execute("UPDATE webhook_deliveries SET due_at = now() + interval '1 hour'")

    async def work(tx: Tx) -> None:
        await webhooks.rematch(tx, "somebody-else", {"po_1"})

    await shop.db.run(work)
    assert {"po_1": True} == await waits(shop)


async def test_only_errors_of_ours_count_towards_giving_up(shop: Shop) -> None:
    """Having been about nothing known a hundred times is patience, not failure."""
    await shop.hears(about("po_1"))
    await shop.execute("UPDATE webhook_deliveries SET attempts = 100")
    handler = Faulty(shop)
    await drained_all(shop)
    assert ([("unknown", "error")], 1) == (await shop.inbox(), await errors(shop))
    assert [] == await shop.alerts()

    handler.is_broken = False
    txid = await shop.is_sent(100)
    await drained_all(shop)

    assert (Withdrawn.COMPLETED, 0) == (await shop.state_of(txid), await errors(shop))
    await shop.assert_books()


async def test_errors_count_only_while_they_follow_each_other(shop: Shop) -> None:
    """A handler that fails now and then is no reason to give up."""
    await shop.hears(about("po_77"))
    handler = Faulty(shop)
    for _ in range(2):
        for _ in range(ERRORS_MAX - 1):
            await drained_all(shop)
        assert ERRORS_MAX - 1 == await errors(shop)
        handler.is_broken = False
        await drained_all(shop)
        assert 0 == await errors(shop)
        handler.is_broken = True

    assert [("unknown", "no such withdrawal")] == await shop.inbox()


async def test_what_failed_too_often_is_parked_and_a_replay_ends_it_well(shop: Shop) -> None:
    """One alert for a person; when the cause is gone, their replay applies it and closes that."""
    txid = await shop.is_sent(100)
    handler = Faulty(shop)
    await shop.hears(report(txid))
    for _ in range(ERRORS_MAX - 1):
        await drained_all(shop)
    (delivery_id,) = await shop.delivery_ids()
    assert [("parked", "its effect failed too often")] == await shop.inbox()
    assert [f"webhook_parked:{show(delivery_id)}"] == await shop.alerts()
    await drained_all(shop)
    assert [("parked", "its effect failed too often")] == await shop.inbox()

    handler.is_broken = False
    operations = operations_of(shop.services)
    replayed = await ops.replay(operations, show(delivery_id), actor="key:wanjiru")

    assert State.APPLIED is replayed.state
    assert Withdrawn.COMPLETED == await shop.state_of(txid)
    assert [] == await shop.alerts()
    await shop.assert_books()


async def test_a_replay_while_the_cause_stays_fails_as_before(shop: Shop) -> None:
    """It has the whole count of tries again, and the alert stays open."""
    txid = await shop.is_sent(100)
    Faulty(shop)
    await shop.hears(report(txid))
    for _ in range(ERRORS_MAX - 1):
        await drained_all(shop)
    (delivery_id,) = await shop.delivery_ids()

    operations = operations_of(shop.services)
    replayed = await ops.replay(operations, show(delivery_id), actor="key:wanjiru")

    assert (State.PENDING, 1) == (replayed.state, await errors(shop))
    assert [f"webhook_parked:{show(delivery_id)}"] == await shop.alerts()
    assert Withdrawn.SENT == await shop.state_of(txid)


async def test_two_replicas_in_the_middle_of_a_contradiction_take_turns(
    open_shop: OpenShop,
) -> None:
    """Both have read their notification before either may touch the withdrawal."""
    one, two = await open_shop(), await open_shop()
    txid = await one.is_sent(100)

    async def both_wait() -> bool:
        (row,) = await one.fetch(
            "SELECT count(*) AS waiting FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(row["waiting"] == 2)

    async def lock_until_both_wait(tx: Tx) -> None:
        await tx.execute("SELECT FROM withdrawals FOR UPDATE")
        for shop, status in ((one, "success"), (two, "failed")):
            body = report(txid, status)
            # An empty context: nothing of this transaction is theirs.
            hearing = asyncio.create_task(shop.hears(body), context=contextvars.Context())
            hearings.append(hearing)
        watch = asyncio.create_task(eventually(both_wait), context=contextvars.Context())
        await watch

    hearings: list[asyncio.Task[bool]] = []
    await one.db.run(lock_until_both_wait)
    await asyncio.gather(*hearings)

    assert ["applied", "parked"] == sorted(state for state, _ in await one.inbox())
    kinds = await one.audited(txid)
    assert 1 == sum(kind in {"withdrawal_success", "withdrawal_failed"} for kind in kinds)
    assert f"withdrawal_contradiction:{txid}" in await one.alerts()
    await one.assert_books()


async def test_contradictions_on_two_replicas_at_once_have_one_effect(
    open_shop: OpenShop,
) -> None:
    """Paid and failed, both signed, at the same moment: one stands, the other is a person's."""
    one, two = await open_shop(), await open_shop()
    users = [AMINA, BARAKA, *(f"usr_{n}" for n in range(10))]
    txids = [await one.is_sent(100, user=user) for user in users]

    await asyncio.gather(
        *(
            shop.hears(report(txid, status))
            for txid in txids
            for shop, status in ((one, "success"), (two, "failed"))
        )
    )

    for txid, user in zip(txids, users, strict=True):
        rows = await one.fetch(
            "SELECT state, reason FROM webhook_deliveries WHERE subject = $1 ORDER BY state", txid
        )
        assert ["applied", "parked"] == [row["state"] for row in rows]
        assert "contradiction" in rows[1]["reason"]
        is_paid = Withdrawn.COMPLETED == await one.state_of(txid)
        assert ((0, 0) if is_paid else (100, 0)) == await one.balance(user)
        kinds = await one.audited(txid)
        assert 1 == sum(kind in {"withdrawal_success", "withdrawal_failed"} for kind in kinds)
    alerts = await one.alerts()
    assert {f"withdrawal_contradiction:{txid}" for txid in txids} <= set(alerts)
    assert len(txids) == sum(alert.startswith("webhook_parked:") for alert in alerts)
    await one.assert_books()
