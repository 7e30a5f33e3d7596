"""Everything is sealed anew under the first key, beside whatever else goes on."""

import asyncio

from payops import bootstrap
from payops.infra.db import Tx
from payops.kernel.ids import new_id
from payops.pii.domain import HOUSE, Access, Msisdn, Purpose
from payops.pii.sealing import key_id_of
from payops.pii.service import Rotated, Rotation
from payops.webhooks.service import SEALED as BODIES
from payops.withdrawals.domain import State, read
from payops.withdrawals.service.erasing import SEALED as PHONES
from tests.support.rail import FakeRail
from tests.support.sealing import K1, K2, K3, K4, text_of
from tests.support.shop import OTHER_PHONE, PHONE, OpenShop, Shop

ONE = {"keys": f"k1:{text_of(K1)}", "index_key": text_of(K3)}
BOTH = {**ONE, "keys": f"k2:{text_of(K2)},{ONE['keys']}"}
TWO = {**ONE, "keys": f"k2:{text_of(K2)}"}
INDEX_BOTH = {
    "keys": BOTH["keys"],
    "index_key": text_of(K4),
    "index_key_previous": text_of(K3),
    "fingerprint_key": text_of(K3),
}
INDEX_TWO = {"keys": TWO["keys"], "index_key": text_of(K4), "fingerprint_key": text_of(K3)}


def rotation(shop: Shop, batch: int = 3) -> Rotation:
    return Rotation(
        shop.db,
        shop.services.personal_data,
        bootstrap.SEALED_COLUMNS,
        actor="person:jane",
        batch=batch,
    )


async def rotated(shop: Shop, batch: int = 3) -> Rotated:
    return await rotation(shop, batch).run()


async def has_bodies(shop: Shop, count: int) -> None:
    """Notifications that were kept, sealed under the shop's key."""
    data = shop.services.personal_data
    for number in range(count):
        delivery = new_id()
        await shop.execute(
            "INSERT INTO webhook_deliveries (id, source, dedupe_key, body_sealed, state)"
            " VALUES ($1, 'lipana', $2, $3, 'applied')",
            delivery,
            delivery.bytes,
            data.seal_value(BODIES.place(HOUSE, delivery), b"body %d" % number),
        )


async def bodies(shop: Shop) -> list[bytes]:
    """What the shop's keys make of the kept bodies."""
    rows = await shop.fetch("SELECT id, body_sealed FROM webhook_deliveries ORDER BY id")
    access = Access("person:jane", Purpose.WEBHOOK_PROCESSING, "test")
    async with shop.db.transaction() as tx:
        return await shop.services.personal_data.open_values(
            tx, [(BODIES.place(HOUSE, row["id"]), row["body_sealed"], access) for row in rows]
        )


async def phone_of(shop: Shop, txid: str) -> Msisdn:
    withdrawal = await shop.withdrawal(txid)
    access = Access("person:jane", Purpose.RECONCILIATION, txid)
    async with shop.db.transaction() as tx:
        return await shop.services.personal_data.open_phone(
            tx, PHONES.place(withdrawal.user_id, withdrawal.id), withdrawal.phone_sealed, access
        )


async def key_ids(shop: Shop) -> set[str]:
    rows = await shop.fetch(
        "SELECT phone_sealed AS sealed FROM withdrawals WHERE octet_length(phone_sealed) > 0"
        " UNION ALL SELECT body_sealed FROM webhook_deliveries WHERE body_sealed IS NOT NULL"
    )
    return {key_id_of(row["sealed"]) for row in rows}


async def test_every_sealed_column_is_brought_under_the_first_key(open_shop: OpenShop) -> None:
    """Afterwards the old key is not needed, and the report says so."""
    old = await open_shop(pii=ONE)
    txids = [await old.accepts(100, user=f"usr_{n}") for n in range(7)]
    await has_bodies(old, 8)

    done = await rotated(await open_shop(pii=BOTH))

    assert (15, True, {}, {"k2": 15}) == (
        done.resealed,
        done.is_complete,
        done.remaining,
        dict(done.key_ids),
    )
    assert {"k2"} == await key_ids(old)
    new = await open_shop(pii=TWO)
    assert [PHONE] * 7 == [await phone_of(new, txid) for txid in txids]
    assert [b"body %d" % n for n in range(8)] == await bodies(new)


async def test_a_second_run_finds_nothing_to_do(open_shop: OpenShop) -> None:
    """What is done is known by what a value begins with: nothing is opened again."""
    old = await open_shop(pii=ONE)
    await has_bodies(old, 4)
    both = await open_shop(pii=BOTH)
    await rotated(both)
    reads = await both.fetch("SELECT count(*) AS reads FROM pii_access")

    done = await rotated(both)

    assert (0, True) == (done.resealed, done.is_complete)
    assert reads == await both.fetch("SELECT count(*) AS reads FROM pii_access")


async def test_each_value_that_rotation_opens_is_on_record_and_proven(open_shop: OpenShop) -> None:
    """Who rotated could have read everything."""
    old = await open_shop(pii=ONE)
    txid = await old.accepts(100)
    await has_bodies(old, 2)

    await rotated(await open_shop(pii=BOTH))

    rows = await old.fetch(
        "SELECT actor, purpose, field, user_id FROM pii_access WHERE purpose = 'key_rotation'"
        " ORDER BY field"
    )
    user = (await old.withdrawal(txid)).user_id
    assert [
        ("person:jane", "key_rotation", "webhook_deliveries.body_sealed", HOUSE),
        ("person:jane", "key_rotation", "webhook_deliveries.body_sealed", HOUSE),
        ("person:jane", "key_rotation", "withdrawals.phone_sealed", user),
    ] == [tuple(row.values()) for row in rows]
    await old.assert_books()


async def test_a_run_that_is_stopped_is_continued_by_another(open_shop: OpenShop) -> None:
    """It ends after the transaction under way and says what is left."""
    old = await open_shop(pii=ONE)
    await has_bodies(old, 9)
    both = await open_shop(pii=BOTH)
    first = rotation(both, batch=2)

    def stop_soon(looked_at: int) -> None:
        if looked_at >= 4:
            first.stop()

    done = await first.run(stop_soon)

    assert (4, False, {"webhook_deliveries.body_sealed": 5}) == (
        done.resealed,
        done.is_complete,
        done.remaining,
    )
    assert {"k1", "k2"} == await key_ids(both)
    assert (5, True) == ((rest := await rotated(both)).resealed, rest.is_complete)


async def test_what_was_erased_needs_no_key(open_shop: OpenShop) -> None:
    """Empty values are no work that is left, and nothing to open."""
    old = await open_shop(pii=ONE)
    await old.cancels(await old.accepts(100))
    await old.execute(
        "UPDATE withdrawals SET phone_sealed = '', phone_index = '', phone_masked = 'erased'"
    )

    done = await rotated(await open_shop(pii=BOTH))

    assert (0, True, {}, {}) == (
        done.resealed,
        done.is_complete,
        done.remaining,
        dict(done.key_ids),
    )


async def test_a_missing_key_is_named_and_stops_nothing_else(open_shop: OpenShop) -> None:
    """Everything that can be opened is sealed anew; what cannot is counted under its key's id."""
    lost = await open_shop(pii={**ONE, "keys": f"k0:{text_of(K4)}"})
    await has_bodies(lost, 2)
    old = await open_shop(pii=ONE)
    await has_bodies(old, 3)

    done = await rotated(await open_shop(pii=BOTH), batch=2)

    assert (3, False) == (done.resealed, done.is_complete)
    assert {"webhook_deliveries.body_sealed": 2} == done.remaining
    assert ["sealing key k0 is not in the ring; values sealed under it: 2"] == done.faults


async def test_a_value_that_was_tampered_with_is_counted(open_shop: OpenShop) -> None:
    """It stays as it is: it is evidence."""
    old = await open_shop(pii=ONE)
    await has_bodies(old, 3)
    await old.execute(
        "UPDATE webhook_deliveries SET body_sealed = set_byte(body_sealed, 20,"
        " get_byte(body_sealed, 20) # 1) WHERE id = (SELECT id FROM webhook_deliveries LIMIT 1)"
    )

    done = await rotated(await open_shop(pii=BOTH))

    assert (2, 1, {}) == (done.resealed, done.broken, dict(done.missing))
    assert ["values that were altered or moved, so that no key opens: 1"] == done.faults


async def test_a_row_that_money_holds_is_passed_by_and_met_again(open_shop: OpenShop) -> None:
    """Rotation waits for nobody and nobody waits for it longer than a batch."""
    old = await open_shop(pii=ONE)
    txid = await old.accepts(100)
    await has_bodies(old, 2)
    both = await open_shop(pii=BOTH)
    held, released = asyncio.Event(), asyncio.Event()

    async def hold(tx: Tx) -> None:
        await tx.fetch("SELECT FROM withdrawals WHERE id = $1 FOR UPDATE", read(txid))
        held.set()
        await released.wait()

    holding = asyncio.create_task(old.db.run(hold))
    await held.wait()
    running = asyncio.create_task(rotated(both))
    async with asyncio.timeout(10):
        while await key_ids(both) != {"k1", "k2"}:
            await asyncio.sleep(0.01)
    released.set()
    await holding

    done = await running

    assert (3, True) == (done.resealed, done.is_complete)


async def test_writers_go_on_meanwhile(open_shop: OpenShop) -> None:
    """Withdrawals are accepted, sent and settled by processes with the old key first."""
    old = await open_shop(pii=BOTH | {"keys": f"k1:{text_of(K1)},k2:{text_of(K2)}"})
    await has_bodies(old, 30)
    both = await open_shop(pii=BOTH)
    stop = asyncio.Event()
    txids: list[str] = []

    async def traffic() -> None:
        while not stop.is_set():
            txid = await old.accepts(100, user=f"usr_{len(txids) % 3}")
            txids.append(txid)
            while not await old.sends():  # what is being resealed just now is left for later
                await asyncio.sleep(0.01)
            body = {"transactionId": txid, "amountKES": 100, "status": "success"}
            await old.hears(body)

    writing = asyncio.create_task(traffic())
    async with asyncio.timeout(20):
        while len(txids) < 3:
            await asyncio.sleep(0.01)
        for _ in range(3):
            await rotated(both, batch=2)
    stop.set()
    await writing

    # The old processes are gone now: what they wrote behind the last run is found by the next.
    done = await rotated(both)
    assert done.is_complete
    assert {"k2"} == await key_ids(both)
    new = await open_shop(pii=TWO)
    assert {PHONE} == {await phone_of(new, txid) for txid in txids}
    assert {State.COMPLETED} == {await new.state_of(txid) for txid in txids}
    await new.assert_books()


async def test_two_runs_at_once_share_the_work(open_shop: OpenShop) -> None:
    """No value is sealed twice, none is lost."""
    old = await open_shop(pii=ONE)
    await has_bodies(old, 40)
    shops = [await open_shop(pii=BOTH) for _ in range(2)]

    done = await asyncio.gather(*(rotated(shop, batch=4) for shop in shops))

    assert 40 == sum(one.resealed for one in done)
    assert [b"body %d" % n for n in range(40)] == await bodies(await open_shop(pii=TWO))


async def found(shop: Shop, phone: Msisdn) -> set[str]:
    """The withdrawals that a search by phone finds."""
    indexes = shop.services.personal_data.phone_indexes(phone)
    rows = await shop.fetch(
        "SELECT user_id FROM withdrawals WHERE phone_index = ANY($1::bytea[])", list(indexes)
    )
    return {row["user_id"] for row in rows}


async def test_an_index_key_is_rotated_beside_the_sealing_key(open_shop: OpenShop) -> None:
    """A search finds old and new rows before, during and after."""
    old = await open_shop(pii=ONE)
    await old.accepts(100, user="before")
    both = await open_shop(pii=INDEX_BOTH)
    await both.accepts(100, user="during")
    await both.accepts(100, user="another", to=OTHER_PHONE)
    assert {"before", "during"} == await found(both, PHONE)

    done = await rotated(both)

    assert done.is_complete
    new = await open_shop(pii=INDEX_TWO)
    await new.accepts(100, user="after")
    assert {"before", "during", "after"} == await found(new, PHONE)


async def test_an_index_key_is_rotated_alone(open_shop: OpenShop) -> None:
    """Rows under the current sealing key are still brought under the new index key."""
    old = await open_shop(pii=ONE)
    await old.accepts(100, user="before")
    both = await open_shop(pii={**INDEX_BOTH, "keys": ONE["keys"]})

    done = await rotated(both)

    assert (1, True) == (done.resealed, done.is_complete)
    assert {"before"} == await found(await open_shop(pii={**INDEX_TWO, "keys": ONE["keys"]}), PHONE)


async def test_a_callback_is_matched_whichever_key_the_row_was_indexed_under(
    open_shop: OpenShop,
) -> None:
    """A payout accepted before the rotation is settled after it."""
    old = await open_shop(pii=ONE)
    txid = await old.is_sent(100)
    both = await open_shop(FakeRail(), pii=INDEX_BOTH)
    body = {"transactionId": txid, "amountKES": 100, "status": "success", "phone": PHONE.digits}

    await both.hears(body)

    assert State.COMPLETED == await both.state_of(txid)


async def test_equal_payouts_stay_apart_while_index_keys_change(open_shop: OpenShop) -> None:
    """On a rail without references of ours, under whichever index a slot is held."""
    old = await open_shop(FakeRail(deduplicates=False), pii=ONE)
    first = await old.is_sent(100, user="usr_1")
    both = await open_shop(FakeRail(deduplicates=False), pii=INDEX_BOTH)
    second = await both.accepts(100, user="usr_2")

    await both.sends()
    assert State.PENDING == await both.state_of(second)

    await rotated(both)
    new = await open_shop(FakeRail(deduplicates=False), pii=INDEX_TWO)
    await new.time_comes(second)
    await new.sends()
    assert (State.SENT, State.PENDING) == (await new.state_of(first), await new.state_of(second))


async def test_equal_payouts_of_old_and_new_index_in_one_batch(open_shop: OpenShop) -> None:
    """One of them goes, by whichever process takes both up."""
    old = await open_shop(FakeRail(deduplicates=False), pii=ONE)
    both = await open_shop(FakeRail(deduplicates=False), pii=INDEX_BOTH)
    txids = [await old.accepts(100, user="usr_1"), await both.accepts(100, user="usr_2")]

    await both.sends()

    assert {State.SENT, State.PENDING} == {await both.state_of(txid) for txid in txids}
    slots = await both.fetch("SELECT DISTINCT withdrawal_id FROM payout_slots")
    assert 1 == len(slots)
