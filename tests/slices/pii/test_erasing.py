"""What the law lets us shred is shredded, what it makes us keep is kept, and the books stay."""

from datetime import timedelta

import asyncpg
import pytest

from payops.app import operations_of
from payops.audit import service as audit
from payops.fraud.domain.devices import Origin
from payops.ops import service
from payops.ops.service.personal_data import erasures
from payops.pii.domain import ERASED
from payops.pii.errors import ErasureRefused
from payops.withdrawals.domain import State, read, show
from payops.withdrawals.errors import NothingToRetry
from payops.withdrawals.service import erasing, keeping
from tests.support.shop import AMINA, BARAKA, PHONE, OpenShop, Shop

YEARS_7 = 2557


async def is_paid(shop: Shop, user: str = AMINA) -> str:
    txid = await shop.is_sent(100, user=user)
    await shop.hears({"transactionId": txid, "amountKES": 100, "status": "success"})
    assert State.COMPLETED == await shop.state_of(txid)
    return txid


async def ages(shop: Shop, txid: str, days: int) -> None:
    """As if the withdrawal had been made, and had ended, that long ago."""
    await shop.execute(
        """UPDATE withdrawals SET created_at = created_at - make_interval(days => $2),
            updated_at = updated_at - make_interval(days => $2) WHERE id = $1""",
        read(txid),
        days,
    )


async def erased(shop: Shop, user: str = AMINA) -> dict[str, int]:
    classes = erasures(shop.services.settings.retention)
    return await service.erase(operations_of(shop.services), user, classes, actor="person:jane")


async def surveyed(shop: Shop, user: str = AMINA) -> dict[str, tuple[int, int]]:
    classes = erasures(shop.services.settings.retention)
    found = await service.survey(operations_of(shop.services), user, classes)
    return {
        one.name: (one.holding.erasable, one.holding.kept)
        for one in found
        if one.name != "devices and networks"
    }


async def test_a_number_past_its_retention_is_shredded(shop: Shop) -> None:
    """Sealed value, index and mask go; the withdrawal, its entries and its receipt stay."""
    txid = await is_paid(shop)
    await ages(shop, txid, YEARS_7 + 1)
    journals = await shop.fetch("SELECT * FROM journals ORDER BY id")

    done = await erased(shop)

    assert {"phone numbers of withdrawals": 1} == {
        name: count for name, count in done.items() if name.startswith("phone")
    }
    row = await shop.withdrawal(txid)
    assert (b"", b"", ERASED, 10_000) == (
        row.phone_sealed,
        row.phone_index,
        row.phone_masked,
        row.amount_minor,
    )
    assert journals == await shop.fetch("SELECT * FROM journals ORDER BY id")
    await shop.assert_books()


async def test_a_number_within_its_retention_is_kept(shop: Shop) -> None:
    """Transaction records are kept seven years; the survey says until when."""
    txid = await is_paid(shop)
    await ages(shop, txid, YEARS_7 - 1)
    classes = erasures(shop.services.settings.retention)
    operations = operations_of(shop.services)

    (phones, *_) = await service.survey(operations, AMINA, classes)
    done = await erased(shop)

    assert (0, 1) == (phones.holding.erasable, phones.holding.kept)
    assert phones.holding.kept_until
    left = phones.holding.kept_until - (await shop.fetch("SELECT now() AS now"))[0]["now"]
    assert timedelta(hours=23) < left < timedelta(days=1)
    assert 0 == done["phone numbers of withdrawals"]
    assert "+2547••••0012" == (await shop.withdrawal(txid)).phone_masked


async def test_raw_evidence_and_stored_answers_go_at_once(shop: Shop) -> None:
    """A notification may hold a name; an answer a mask. Neither is a transaction record."""
    await is_paid(shop)
    assert {
        "phone numbers of withdrawals": (0, 1),
        "bodies of notifications": (1, 0),
        "stored answers": (1, 0),
    } == await surveyed(shop)

    await erased(shop)

    assert {
        "phone numbers of withdrawals": (0, 1),
        "bodies of notifications": (0, 0),
        "stored answers": (0, 0),
    } == await surveyed(shop)
    assert [("applied", "")] == await shop.inbox()


async def test_a_repeat_after_erasure_still_pays_nothing(shop: Shop) -> None:
    """The key outlives the answer."""
    await shop.funds(AMINA, 200)
    first = await shop.asks_for(100, key="k-1")
    await shop.sends()
    await shop.hears({"transactionId": first.resource, "amountKES": 100, "status": "success"})
    await erased(shop)

    again = await shop.asks_for(100, key="k-1")

    assert (first.resource, True, None) == (again.resource, again.is_replay, again.body)
    assert (100, 0) == await shop.balance()


@pytest.mark.parametrize("days", [0, YEARS_7 + 1])
async def test_nothing_goes_while_a_withdrawal_is_open(shop: Shop, days: int) -> None:
    """However old: its number is needed to ask about it. And then nothing else goes either."""
    await is_paid(shop)
    txid = await shop.is_sent(100)
    await ages(shop, txid, days)
    before = await surveyed(shop)

    with pytest.raises(ErasureRefused, match="not final"):
        await erased(shop)

    assert before == await surveyed(shop)


async def test_one_that_is_final_and_asked_about_again_is_open(shop: Shop) -> None:
    """A contradiction that may come to light needs the number."""
    txid = await is_paid(shop)
    await ages(shop, txid, YEARS_7 + 1)
    await shop.db.run(lambda tx: keeping.retry(tx, read(txid), actor="person:jane"))

    with pytest.raises(ErasureRefused):
        await erased(shop)


async def test_only_that_user_is_touched(shop: Shop) -> None:
    """The other one's data is as it was."""
    for user in (AMINA, BARAKA):
        await ages(shop, await is_paid(shop, user), YEARS_7 + 1)
    before = await surveyed(shop, BARAKA)

    await erased(shop)

    assert before == await surveyed(shop, BARAKA)


async def test_shredding_is_audited(shop: Shop) -> None:
    """Who, whose and how much; nothing of what it was."""
    await ages(shop, await is_paid(shop), YEARS_7 + 1)

    await erased(shop)

    async with shop.db.transaction(read_only=True) as tx:
        (event,) = await audit.history(tx, kind="personal_data_erased")
    assert ("person:jane", AMINA) == (event.actor, event.user_id)
    assert {
        "phone numbers of withdrawals": 1,
        "bodies of notifications": 1,
        "stored answers": 1,
        "devices and networks": event.detail["devices and networks"],
    } == event.detail


async def test_an_erased_withdrawal_is_shown_and_not_asked_about(shop: Shop) -> None:
    """It is found by its id, not by the number, and a late report settles nothing new."""
    txid = await is_paid(shop)
    await ages(shop, txid, YEARS_7 + 1)
    await erased(shop)
    operations = operations_of(shop.services)

    by_phone = await service.find(
        operations,
        service.Search(phone=PHONE.digits),
        before=None,
        limit=9,
        actor="person:jane",
    )
    with pytest.raises(NothingToRetry, match="was erased"):
        await service.retry(operations, txid, actor="person:jane")
    report = {"transactionId": txid, "amountKES": 100, "status": "success", "phone": PHONE.digits}
    await shop.hears(report)

    assert [] == by_phone
    assert ERASED == (await service.account_of(operations, txid)).story.withdrawal.phone_masked
    assert State.COMPLETED == await shop.state_of(txid)
    assert [] == [key for key in await shop.alerts() if txid in key]


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ("phone_sealed = ''", "whole_or_erased"),
        ("phone_masked = 'erased'", "whole_or_erased"),
        ("phone_sealed = '', phone_masked = 'erased'", "whole_or_erased"),
        ("phone_sealed = '', phone_index = '', phone_masked = 'erased'", "while_open"),
    ],
)
async def test_the_database_allows_no_half_and_no_early_shredding(
    shop: Shop, change: str, check: str
) -> None:
    """Whatever code may come: a number is there whole or gone without a trace, and never early."""
    await (shop.is_sent(100) if check == "while_open" else is_paid(shop))

    with pytest.raises(asyncpg.CheckViolationError, match=f"ck_withdrawals_phone_{check}"):
        await shop.execute(f"UPDATE withdrawals SET {change}")


async def test_the_nightly_job_shreds_what_is_past_its_retention(shop: Shop) -> None:
    """Of all users, in bounded transactions; the rest is for later nights."""
    old, young = await is_paid(shop, AMINA), await is_paid(shop, BARAKA)
    await ages(shop, old, YEARS_7 + 1)

    # Its id says that it is of today, and a withdrawal is not older than its id.
    assert 0 == await erasing.forget_phones(shop.db, older_than_days=YEARS_7)
    await _made_long_ago(shop, old)
    count = await erasing.forget_phones(shop.db, older_than_days=YEARS_7)

    assert 1 == count
    assert (ERASED, "+2547••••0012") == (
        await _masked(shop, "2000-01-01"),
        (await shop.withdrawal(young)).phone_masked,
    )
    async with shop.db.transaction(read_only=True) as tx:
        (event,) = await audit.history(tx, kind="personal_data_erased")
    assert "system:retention" == event.actor


async def _made_long_ago(shop: Shop, txid: str) -> None:
    """A withdrawal with an id of its day: ids begin with their time."""
    await shop.execute(
        """WITH moved AS (SELECT ('00dc6acf-ac00-7000-8000-' || right(id::text, 12))::uuid AS new,
            id AS old FROM withdrawals WHERE id = $1),
        refs AS (DELETE FROM payout_references WHERE withdrawal_id = $1),
        tries AS (DELETE FROM payout_attempts WHERE withdrawal_id = $1)
        UPDATE withdrawals w SET id = moved.new, attempts = 0,
            created_at = '2000-01-01', updated_at = '2000-01-01'
        FROM moved WHERE w.id = moved.old""",
        read(txid),
    )


async def _masked(shop: Shop, day: str) -> str:
    (row,) = await shop.fetch(
        "SELECT phone_masked FROM withdrawals WHERE created_at::date = $1::text::date", day
    )
    masked: str = row["phone_masked"]
    return masked


async def test_devices_are_forgotten(open_shop: OpenShop) -> None:
    """With the codes that were asked for; those of others are not."""
    shop = await open_shop(device={"policy": "enforce"})
    for user in (AMINA, BARAKA):
        await shop.funds(user, 300)
        for fingerprint in (b"1" * 32, b"2" * 32):
            origin = Origin(fingerprint=fingerprint, network=bytes(32))
            await shop.asks_for(100, user=user, origin=origin)
    rows = """SELECT user_id, (SELECT count(*) FROM devices d WHERE d.user_id = u.user_id)
        + (SELECT count(*) FROM device_networks n WHERE n.user_id = u.user_id)
        + (SELECT count(*) FROM device_verifications v WHERE v.user_id = u.user_id)
        + (SELECT count(*) FROM device_messages m WHERE m.user_id = u.user_id) AS rows
        FROM (VALUES ('usr_amina'), ('usr_baraka')) AS u (user_id) ORDER BY 1"""
    before = {row["user_id"]: row["rows"] for row in await shop.fetch(rows)}
    assert min(before.values()) > 2
    await shop.cancels(await _newest(shop, AMINA))

    done = await erased(shop, AMINA)

    assert done["devices and networks"] >= 3
    after = {row["user_id"]: row["rows"] for row in await shop.fetch(rows)}
    assert {AMINA: 0, BARAKA: before[BARAKA]} == after


async def _newest(shop: Shop, user: str) -> str:
    (row,) = await shop.fetch("SELECT id FROM withdrawals WHERE user_id = $1", user)
    return show(row["id"])
