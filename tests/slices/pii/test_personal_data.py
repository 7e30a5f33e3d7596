"""Personal data goes in sealed and comes out recorded."""

from datetime import timedelta

import asyncpg
import pytest

from payops.infra.db import Database
from payops.kernel.ids import new_id
from payops.pii import service
from payops.pii.domain import Access, Msisdn, Place, Purpose
from payops.pii.errors import SealBroken
from payops.pii.service import Tally
from payops.pii.service.opening import Resealed
from tests.support import sql
from tests.support.sealing import K1, K2, personal_data

AMINA, BARAKA = Msisdn("254700000012"), Msisdn("254700000013")


def place(user_id: str = "user-1") -> Place:
    return Place("withdrawals", "phone_sealed", user_id, new_id())


def access(purpose: Purpose = Purpose.PAYOUT_SEND, actor: str = "system:dispatcher") -> Access:
    return Access(actor, purpose, "wd_1", "req_1", "dispatcher")


async def test_opening_a_phone_number_is_recorded(database: Database) -> None:
    """Who, whose, what, why, for what and from where; in the same transaction."""
    data, where = personal_data(), place()
    stored = data.seal_phone(where, AMINA)

    async with database.transaction() as tx:
        opened = await data.open_phone(tx, where, stored.sealed, access())
        (record,) = await service.accesses(tx)

    assert AMINA == opened
    assert ("user-1", "system:dispatcher", "payout_send", "wd_1") == (
        record.user_id,
        record.actor,
        record.purpose,
        record.subject,
    )
    assert ("withdrawals.phone_sealed", "req_1", "dispatcher") == (
        record.field,
        record.request_id,
        record.origin,
    )


async def test_what_is_stored_is_unreadable_findable_and_showable() -> None:
    """Sealed bytes differ each time, the index is the same, the mask hides the middle."""
    data = personal_data()
    first, second = data.seal_phone(place(), AMINA), data.seal_phone(place("user-2"), AMINA)

    assert first.sealed != second.sealed
    assert first.index == second.index == data.phone_index(AMINA) != data.phone_index(BARAKA)
    assert "+2547••••0012" == first.masked


async def test_a_batch_is_opened_in_order_and_recorded_row_by_row(database: Database) -> None:
    """One statement, one record for each value."""
    data, places = personal_data(), [place("user-1"), place("user-2")]
    items = [
        (where, data.seal_phone(where, phone).sealed, access())
        for where, phone in zip(places, (AMINA, BARAKA), strict=True)
    ]

    async with database.transaction() as tx:
        opened = await data.open_phones(tx, items)
        nothing = await data.open_phones(tx, [])
        records = await service.accesses(tx)

    assert ([AMINA, BARAKA], []) == (opened, nothing)
    assert ["user-2", "user-1"] == [record.user_id for record in records]


async def test_other_values_are_opened_the_same_way(database: Database) -> None:
    """A callback's body is any bytes."""
    data, where = personal_data(), Place("webhooks", "body_sealed", "@house", new_id())
    sealed = data.seal_value(where, b'{"status": "success"}')

    async with database.transaction() as tx:
        opened = await data.open_value(tx, where, sealed, access(Purpose.WEBHOOK_PROCESSING))

    assert b'{"status": "success"}' == opened
    rows = await sql.fetch(database, "SELECT user_id, purpose, field FROM pii_access")
    assert [("@house", "webhook_processing", "webhooks.body_sealed")] == [
        tuple(row.values()) for row in rows
    ]


async def test_a_broken_seal_is_an_error(database: Database) -> None:
    """Nothing is returned for a value moved to another user's row."""
    data, where = personal_data(), place("user-1")
    stored = data.seal_phone(where, AMINA)
    other = Place(where.table, where.column, "user-2", where.row_id)

    with pytest.raises(SealBroken):
        async with database.transaction() as tx:
            await data.open_phone(tx, other, stored.sealed, access())


async def test_without_a_record_nothing_is_opened(database: Database) -> None:
    """When the record cannot be written, the value is not decrypted."""
    data, where = personal_data(), place()
    stored = data.seal_phone(where, AMINA)

    with pytest.raises(asyncpg.PostgresError):
        async with database.transaction(read_only=True) as tx:
            await data.open_phone(tx, where, stored.sealed, access())


async def test_rotation_reseals_in_place_and_is_recorded(database: Database) -> None:
    """After it the old key is not needed, and who rotated is known."""
    old, both, new = (
        personal_data(("k1", K1)),
        personal_data(("k2", K2), ("k1", K1)),
        personal_data(("k2", K2)),
    )
    where = place()
    sealed = old.seal_phone(where, AMINA).sealed
    assert not sealed.startswith(both.marks.header)

    async with database.transaction() as tx:
        rotation = access(Purpose.KEY_ROTATION, "ops:amina")
        (resealed,) = await both.reseal(tx, [(where, sealed, rotation)], indexed=True)
        assert isinstance(resealed, Resealed)
        opened = await new.open_phone(tx, where, resealed.sealed, access())

    assert AMINA == opened
    assert resealed.index == both.phone_index(AMINA)
    assert resealed.sealed.startswith(both.marks.header)
    rows = await sql.fetch(database, "SELECT purpose FROM pii_access ORDER BY id")
    assert ["key_rotation", "payout_send"] == [row["purpose"] for row in rows]


@pytest.mark.parametrize("purpose", Purpose)
async def test_the_database_knows_every_purpose(database: Database, purpose: Purpose) -> None:
    """The closed list in the code and the one in the schema are the same."""
    data, where = personal_data(), place()
    sealed = data.seal_value(where, b"x")

    async with database.transaction() as tx:
        assert b"x" == await data.open_value(tx, where, sealed, access(purpose))


async def test_the_database_knows_no_other_purpose(database: Database) -> None:
    """A read for no stated reason cannot be recorded, so it cannot happen."""
    with pytest.raises(asyncpg.CheckViolationError):
        await sql.execute(
            database,
            "INSERT INTO pii_access (user_id, id, actor, purpose, subject, field, origin)"
            " VALUES ('u', gen_random_uuid(), 'a', 'curiosity', 's', 'f', 'o')",
        )


@pytest.mark.parametrize(
    "change", ["UPDATE pii_access SET actor = ''", "DELETE FROM pii_access", "TRUNCATE pii_access"]
)
async def test_the_access_log_is_append_only(database: Database, change: str) -> None:
    """Nobody takes their own reads out of it."""
    with pytest.raises(asyncpg.PostgresError, match="pii_access is append-only"):
        await sql.execute(database, change)


async def test_accesses_are_filtered_paged_and_counted(database: Database) -> None:
    """By user, actor, purpose and subject, newest first; the report counts them."""
    data = personal_data()
    async with database.transaction() as tx:
        for user_id, why in (
            ("user-1", access()),
            ("user-2", access()),
            ("user-1", access(Purpose.CUSTOMER_SUPPORT, "key:amina")),
        ):
            where = place(user_id)
            await data.open_value(tx, where, data.seal_value(where, b"x"), why)
        now = await tx.fetchval("SELECT now()")

    async with database.transaction(read_only=True) as tx:
        everything = await service.accesses(tx)
        of_user = await service.accesses(tx, user_id="user-1", subject="wd_1")
        of_actor = await service.accesses(tx, actor="key:amina", purpose=Purpose.CUSTOMER_SUPPORT)
        rest = await service.accesses(tx, before=everything[0].id, limit=1)
        report = await service.access_report(tx, now - timedelta(days=7))

    assert ["user-1", "user-2", "user-1"] == [record.user_id for record in everything]
    assert [everything[0], everything[2]] == of_user
    assert [everything[0]] == of_actor
    assert [everything[1]] == rest
    assert [
        Tally("key:amina", "customer_support", reads=1, users=1),
        Tally("system:dispatcher", "payout_send", reads=2, users=2),
    ] == report
