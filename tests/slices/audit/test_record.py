"""Recording and reading back."""

from datetime import timedelta

import asyncpg
import pytest
import structlog

from payops.audit import service, store
from payops.audit.domain import HOUSE, AuditEvent
from payops.infra.db import Database
from tests.slices.audit.chain import events, recorded, tamper
from tests.support import sql


async def test_a_record_reads_back_as_it_was_written(database: Database) -> None:
    """Every field comes back, with the database's time beside it."""
    event = AuditEvent(
        kind="withdrawal_failed",
        actor="system:dispatcher",
        user_id="user-1",
        subject="wd_1",
        request_id="req_1",
        detail={"amount_minor": 150000, "code": "declined", "again": False},
    )
    async with database.transaction() as tx:
        await service.record(tx, [event])
        now = await tx.fetchval("SELECT now()")

    async with database.transaction(read_only=True) as tx:
        (entry,) = await service.history(tx)

    assert (event.id, event.user_id, event.kind, event.actor) == (
        entry.id,
        entry.user_id,
        entry.kind,
        entry.actor,
    )
    assert (event.subject, event.request_id, event.detail) == (
        entry.subject,
        entry.request_id,
        entry.detail,
    )
    assert now == entry.at


async def test_what_concerns_no_user_is_the_house_s(database: Database) -> None:
    """The user id is never empty, so the table can be spread by it."""
    async with database.transaction() as tx:
        await service.record(tx, [AuditEvent(kind="key_created", actor="ops:amina")])
        (entry,) = await service.history(tx, user_id=HOUSE)

    assert (HOUSE, None, None) == (entry.user_id, entry.subject, entry.request_id)


async def test_a_record_stands_or_falls_with_its_transaction(database: Database) -> None:
    """What was rolled back never happened, and is not said to have."""

    async def record_and_fail() -> None:
        async with database.transaction() as tx:
            await service.record(tx, events(2))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await record_and_fail()

    assert 0 == await sql.fetchval(database, "SELECT count(*) FROM audit_log")


async def test_recording_nothing_asks_the_database_nothing(database: Database) -> None:
    """An empty batch is not an error."""
    async with database.transaction() as tx:
        await service.record(tx, [])

    assert 0 == await sql.fetchval(database, "SELECT count(*) FROM audit_log")


async def test_a_transaction_open_for_too_long_may_not_record(database: Database) -> None:
    """Its rows would appear behind the end of the chain."""
    async with database.transaction() as tx:
        written = await store.insert(tx, events(1), ["{}"], timedelta(0))

    assert 0 == written


async def test_a_record_that_was_tampered_with_is_still_shown(database: Database, url: str) -> None:
    """Whoever investigates must be able to read the page it is on."""
    await recorded(database, 2)
    await tamper(url, "UPDATE audit_log SET detail = 'no JSON'")

    async with database.transaction(read_only=True) as tx:
        entries = await service.history(tx)

    assert [{"unreadable": "no JSON"}] * 2 == [entry.detail for entry in entries]


async def test_two_records_with_one_id_do_not_pass_unnoticed(database: Database) -> None:
    """An event is recorded once; recording it again fails the transaction."""
    batch = await recorded(database, 1)

    async def record_again() -> None:
        async with database.transaction() as tx:
            await service.record(tx, batch)

    with pytest.raises(asyncpg.UniqueViolationError):
        await record_again()


async def test_a_phone_number_in_a_detail_is_masked_and_reported(database: Database) -> None:
    """The record stands, the number does not, and the log names the kind of event."""
    leaky = AuditEvent(kind="leaky", actor="test", detail={"to": "254700000012"})
    with structlog.testing.capture_logs() as lines:
        async with database.transaction() as tx:
            await service.record(tx, [leaky])
            (entry,) = await service.history(tx)

    assert {"to": "*****"} == entry.detail
    assert [("audit.personal_data_masked", "leaky")] == [(x["event"], x["kind"]) for x in lines]


@pytest.mark.parametrize("table", ["audit_log", "audit_seals"])
@pytest.mark.parametrize("change", ["UPDATE {} SET seq = seq", "DELETE FROM {}", "TRUNCATE {}"])
async def test_the_log_and_its_seals_are_append_only(
    database: Database, table: str, change: str
) -> None:
    """The database refuses even a change that touches no row."""
    if table == "audit_log":
        change = change.replace("seq", "kind")

    with pytest.raises(asyncpg.PostgresError, match=f"{table} is append-only"):
        await sql.execute(database, change.format(table))


async def test_history_is_filtered_and_newest_first(database: Database) -> None:
    """Each filter narrows; they may be combined."""
    first = await recorded(database, 2, subject="wd_1")
    other_user = await recorded(database, 1, user_id="user-2", subject="wd_2")
    other_request = await recorded(database, 1, subject="wd_1", request_id="req_2")

    async with database.transaction(read_only=True) as tx:
        everything = await service.history(tx)
        of_subject = await service.history(tx, subject="wd_1")
        of_user = await service.history(tx, user_id="user-2")
        of_request = await service.history(tx, subject="wd_1", request_id="req_2")
        of_kind = await service.history(tx, kind="no_such_kind")

    newest_first = [e.id for e in [*other_request, *other_user, *reversed(first)]]
    assert newest_first == [entry.id for entry in everything]
    assert [e.id for e in [*other_request, *reversed(first)]] == [e.id for e in of_subject]
    assert [e.id for e in other_user] == [entry.id for entry in of_user]
    assert [e.id for e in other_request] == [entry.id for entry in of_request]
    assert [] == of_kind


async def test_history_is_read_in_pages(database: Database) -> None:
    """The last id of a page leads to the next; together they are the whole."""
    batch = await recorded(database, 5)

    async with database.transaction(read_only=True) as tx:
        first = await service.history(tx, limit=3)
        second = await service.history(tx, limit=3, before=first[-1].id)

    assert [e.id for e in reversed(batch)] == [entry.id for entry in [*first, *second]]
    assert (3, 2) == (len(first), len(second))
