"""The inbox itself: keeping, parking, replaying, and surviving errors of our own."""

import json

import pytest

from payops.infra.settings.watching import Watching
from payops.kernel.ids import new_id
from payops.ops.watching.jobs import Watch
from payops.ops.watching.rules import RULES
from payops.webhooks import service
from payops.webhooks.domain import ERRORS_MAX, State
from payops.webhooks.errors import DeliveryNotFound, NotReplayable, UnknownSource
from payops.withdrawals.domain import State as Withdrawn
from tests.support.faulty import Faulty
from tests.support.shop import AMINA, BARAKA, Shop


def success(txid: str, **fields: object) -> dict[str, object]:
    return {"transactionId": txid, "amountKES": 100, "status": "success"} | fields


async def drain_all(shop: Shop) -> None:
    await shop.execute("UPDATE webhook_deliveries SET due_at = now() WHERE due_at IS NOT NULL")
    await shop.services.inbox.drain()


async def test_what_cannot_be_read_is_acknowledged_and_parked(shop: Shop) -> None:
    """Signed, so it is theirs; unreadable, so it is a person's."""
    for body in (b"", b"not json", b"[]", b'{"status": "success"', b"\xff\xfe"):
        assert await shop.hears(body)

    found = await shop.inbox()
    assert ["parked"] * 5 == [state for state, _ in found]
    assert all((reason or "").startswith("unreadable") for _, reason in found)
    assert 5 == len(await shop.alerts())


async def test_a_bad_signature_has_no_effect_and_never_blocks_the_real_one(shop: Shop) -> None:
    """The forged copy is kept as evidence; the same bytes, well signed, still count."""
    txid = await shop.is_sent(100)

    assert not await shop.hears(success(txid), signed=False)
    assert Withdrawn.SENT == await shop.state_of(txid)

    assert await shop.hears(success(txid))
    assert Withdrawn.COMPLETED == await shop.state_of(txid)
    assert ["applied", "rejected"] == sorted(state for state, _ in await shop.inbox())


async def test_forged_ones_are_kept_up_to_a_cap(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood fills neither the table nor the disk; the gauge brings the count back."""
    monkeypatch.setattr(service, "_REJECTED_MAX", 3)

    for n in range(6):
        assert not await shop.hears({"n": n}, signed=False)
    assert 3 == len(await shop.inbox())

    await shop.execute("DELETE FROM webhook_deliveries")
    await shop.services.inbox.set_figures()
    await shop.hears({"n": 7}, signed=False)
    assert [("rejected", None)] == await shop.inbox()


async def test_forged_ones_are_heard_of_on_day_30_as_on_day_1(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cap is one of a day: a flood of long ago hides none of today from the rule."""
    monkeypatch.setattr(service, "_REJECTED_MAX", 3)
    rules = [rule for rule in RULES if rule.name == "signature_failures"]
    watch = Watch(shop.db, Watching(rejected_callbacks=2), (), lambda: (), rules)
    for day in (1, 30):
        await shop.services.inbox.set_figures()
        for n in range(6):
            await shop.hears({"day": day, "n": n}, signed=False)
        assert {"signature_failures": 1} == await watch.look()
        await grow_old(shop, days=29)
        assert {} == await watch.look()

    assert 6 == len(await shop.inbox())


async def test_forged_ones_are_deleted_after_their_retention(shop: Shop) -> None:
    """Whole rows, and only theirs: what was well signed stays on record without its body."""
    await shop.hears(success(await shop.is_sent(100)))
    await shop.hears({"n": 1}, signed=False)
    await shop.execute("UPDATE webhook_deliveries SET received_at = now() - interval '91 days'")
    await shop.hears({"n": 2}, signed=False)

    run = await shop.services.scheduler.run_and_wait("retention")

    counts = json.loads(run.result or "{}")
    assert (1, 1) == (counts["rejected"], counts["bodies"])
    assert ["applied", "rejected"] == sorted(state for state, _ in await shop.inbox())


async def grow_old(shop: Shop, *, days: int) -> None:
    """All that was kept came that much earlier; an id is of its time."""
    await shop.execute(
        """UPDATE webhook_deliveries SET received_at = received_at - make_interval(days => $1),
            id = (lpad(to_hex(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint
                - $1 * 86400000::bigint), 12, '0') || right(replace(id::text, '-', ''), 20))::uuid
        """,
        days,
    )


async def test_a_body_is_sealed_at_rest(shop: Shop) -> None:
    """It may hold names and numbers."""
    await shop.hears({"phone": "254700000012", "status": "success", "payoutId": "po_9"})

    (row,) = await shop.fetch("SELECT body_sealed, dedupe_key FROM webhook_deliveries")
    assert b"254700000012" not in row["body_sealed"] + row["dedupe_key"]


async def test_an_error_of_ours_backs_off_and_is_had_later(shop: Shop) -> None:
    """The notification is kept; its effect comes when we can."""
    txid = await shop.is_sent(100)
    handler = Faulty(shop)
    await shop.hears(success(txid))
    assert [("pending", "error")] == await shop.inbox()
    (row,) = await shop.fetch("SELECT due_at > now() AS waits FROM webhook_deliveries")
    assert row["waits"]

    handler.is_broken = False
    await drain_all(shop)

    assert Withdrawn.COMPLETED == await shop.state_of(txid)
    assert [("applied", "")] == await shop.inbox()
    await shop.assert_books()


async def test_an_error_that_stays_parks_it_and_tells_a_person(shop: Shop) -> None:
    """After a bounded number of tries; nothing was half done."""
    txid = await shop.is_sent(100)
    Faulty(shop)
    await shop.hears(success(txid))

    for _ in range(ERRORS_MAX - 1):
        assert "pending" == (await shop.inbox())[0][0]
        await drain_all(shop)

    assert [("parked", "its effect failed too often")] == await shop.inbox()
    assert 1 == len(await shop.alerts())
    assert Withdrawn.SENT == await shop.state_of(txid)


async def test_one_poisoned_notification_costs_only_itself(shop: Shop) -> None:
    """Those that came with it have their effect."""
    good, bad = await shop.is_sent(100), await shop.is_sent(100, user=BARAKA)
    handler = Faulty(shop)
    for txid in (good, bad):
        await shop.hears(success(txid))
    handler.poison = bad

    await drain_all(shop)

    assert (Withdrawn.COMPLETED, Withdrawn.SENT) == (
        await shop.state_of(good),
        await shop.state_of(bad),
    )
    await shop.assert_books()


async def test_a_drain_catches_up_with_what_was_kept_and_not_applied(shop: Shop) -> None:
    """The process that kept it died before the effect; 250 of them are three pages."""
    txids = [await shop.is_sent(100, user=f"usr_{n}") for n in range(5)]
    handler = Faulty(shop)
    for txid in txids:
        for copy in range(50):
            await shop.delivers(success(txid, copy=copy))
    await shop.services.inbox.drained()
    handler.is_broken = False

    await drain_all(shop)

    assert {Withdrawn.COMPLETED} == {await shop.state_of(txid) for txid in txids}
    assert {"applied"} == {state for state, _ in await shop.inbox()}
    await shop.assert_books()


async def test_a_replay_is_audited_and_has_the_effect_that_was_missing(shop: Shop) -> None:
    """A parked notification is given its chance again by a person with a name."""
    txid = await shop.is_sent(100)
    handler = Faulty(shop)
    await shop.hears(success(txid))
    for _ in range(ERRORS_MAX - 1):
        await drain_all(shop)
    handler.is_broken = False
    (delivery_id,) = await shop.delivery_ids()

    replayed = await shop.services.inbox.replay(delivery_id, actor="key:wanjiru")

    assert State.APPLIED is replayed.state
    assert Withdrawn.COMPLETED == await shop.state_of(txid)
    (event,) = await shop.fetch("SELECT actor FROM audit_log WHERE kind = 'webhook_replayed'")
    assert "key:wanjiru" == event["actor"]
    await shop.assert_books()


async def test_replaying_what_had_its_effect_changes_nothing(shop: Shop) -> None:
    """The echo of a success."""
    txid = await shop.is_sent(100)
    await shop.hears(success(txid, userId=AMINA))
    (delivery_id,) = await shop.delivery_ids()

    replayed = await shop.services.inbox.replay(delivery_id, actor="key:wanjiru")

    assert State.APPLIED is replayed.state
    assert 1 == (await shop.audited(txid)).count("withdrawal_success")
    await shop.assert_books()


async def test_a_forged_one_cannot_be_replayed(shop: Shop) -> None:
    """No person's word makes a bad signature good."""
    await shop.hears({"n": 1}, signed=False)
    (delivery_id,) = await shop.delivery_ids()

    with pytest.raises(NotReplayable):
        await shop.services.inbox.replay(delivery_id, actor="key:wanjiru")
    with pytest.raises(DeliveryNotFound):
        await shop.services.inbox.replay(new_id(), actor="key:wanjiru")


async def test_a_source_nobody_knows_is_not_found(shop: Shop) -> None:
    """There is no default."""
    with pytest.raises(UnknownSource):
        await shop.services.inbox.receive("nobody", {}, b"{}")


async def test_handled_bodies_are_dropped_after_their_retention(shop: Shop) -> None:
    """Parked and unknown ones keep theirs: somebody still needs them."""
    txid = await shop.is_sent(100)
    await shop.hears(success(txid))
    await shop.hears(success(txid, amountKES=99))
    await shop.execute("UPDATE webhook_deliveries SET received_at = now() - interval '91 days'")

    assert 1 == await service.forget_bodies(shop.db, older_than_days=90)

    rows = await shop.fetch("SELECT state, body_sealed IS NULL AS gone FROM webhook_deliveries")
    assert {("applied", True), ("parked", False)} == {(r["state"], r["gone"]) for r in rows}
