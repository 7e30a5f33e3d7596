"""What people may open is counted, per principal and purpose, and no race gets past it."""

import asyncio
from collections import Counter

import pytest

from payops.infra.db import Database
from payops.kernel.ids import new_id
from payops.pii.domain import Access, Msisdn, Place, Purpose, Quota
from payops.pii.errors import QuotaReached
from payops.pii.service import PersonalData
from tests.support import sql
from tests.support.sealing import personal_data

AMINA = Msisdn("254700000012")
SUPPORT, INVESTIGATION = Purpose.CUSTOMER_SUPPORT, Purpose.INVESTIGATION


async def opens(
    database: Database,
    data: PersonalData,
    purpose: Purpose = SUPPORT,
    actor: str = "key:jane",
    count: int = 1,
) -> None:
    places = [Place("withdrawals", "phone_sealed", "u1", new_id()) for _ in range(count)]
    access = Access(actor, purpose, "wd_1", "req_1")
    async with database.transaction() as tx:
        await data.open_phones(
            tx, [(where, data.seal_phone(where, AMINA).sealed, access) for where in places]
        )


async def ago(database: Database, hours: int) -> None:
    """As if everything so far had been that long ago."""
    await sql.execute(
        database,
        "UPDATE pii_quotas SET opened_at = ARRAY("
        " SELECT at - make_interval(hours => $1) FROM unnest(opened_at) AS at)",
        hours,
    )


async def test_an_hour_has_room_for_so_many(database: Database) -> None:
    """The next one is refused, is told when to come back, and leaves no trace of a read."""
    data = personal_data(quota=Quota(per_hour=2))
    await opens(database, data, count=2)

    with pytest.raises(QuotaReached, match="No more than 2 values per hour") as refused:
        await opens(database, data)

    assert 3590 <= (refused.value.retry_after_seconds or 0) <= 3600
    assert 2 == await sql.fetchval(database, "SELECT count(*) FROM pii_access")


async def test_a_batch_that_does_not_fit_is_refused_whole(database: Database) -> None:
    """Nobody gets the first half of it."""
    data = personal_data(quota=Quota(per_hour=2))

    with pytest.raises(QuotaReached):
        await opens(database, data, count=3)
    await opens(database, data, count=2)


async def test_a_day_has_room_for_so_many(database: Database) -> None:
    """Slowly is not a way around it; and after a day there is room again."""
    data = personal_data(quota=Quota(per_hour=2, per_day=3))
    await opens(database, data, count=2)
    await ago(database, 2)
    await opens(database, data)

    with pytest.raises(QuotaReached, match="No more than 3 values per day") as refused:
        await opens(database, data)
    assert 21 * 3600 < (refused.value.retry_after_seconds or 0) <= 22 * 3600
    await ago(database, 23)
    await opens(database, data)


async def test_each_principal_and_each_purpose_has_its_own(database: Database) -> None:
    """One person's zeal stops nobody else, and no other work of the same person."""
    data = personal_data(quota=Quota(per_hour=1))

    await opens(database, data)
    await opens(database, data, INVESTIGATION)
    await opens(database, data, actor="key:brian")

    with pytest.raises(QuotaReached):
        await opens(database, data)


async def test_what_the_service_does_by_rule_is_not_counted(database: Database) -> None:
    """A quota on sending would stop payouts; there the withdrawals are the bound."""
    data = personal_data(quota=Quota(per_hour=1, per_day=1))

    for purpose in (Purpose.PAYOUT_SEND, Purpose.RECONCILIATION, Purpose.KEY_ROTATION):
        await opens(database, data, purpose, "system:dispatcher", count=3)

    assert 0 == await sql.fetchval(database, "SELECT count(*) FROM pii_quotas")


async def test_twenty_at_once_get_exactly_what_there_is(database: Database) -> None:
    """Those that wait for their turn see what the ones before them opened."""
    data = personal_data(quota=Quota(per_hour=7))

    outcomes = await asyncio.gather(
        *(opens(database, data) for _ in range(20)), return_exceptions=True
    )

    assert Counter({"NoneType": 7, "QuotaReached": 13}) == Counter(
        type(outcome).__name__ for outcome in outcomes
    )
    assert 7 == await sql.fetchval(database, "SELECT count(*) FROM pii_access")
