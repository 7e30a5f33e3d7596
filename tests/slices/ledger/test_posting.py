"""Posting: balances and entries move together, once, and never below zero."""

import asyncio

import asyncpg
import pytest

from payops.infra.db import Database, DatabaseUnavailable
from payops.kernel.money import KES, USD, Money
from payops.ledger import entries, service
from payops.ledger.domain import AVAILABLE, PLATFORM, Journal, Owner, Posting
from payops.ledger.errors import (
    AlreadyPosted,
    InsufficientFunds,
    JournalNotFound,
    NotReversible,
)
from payops.ledger.service.books import REVERSIBLE
from tests.support import sql
from tests.support.books import OTHER, TXID, USER, balance, broken, funding, kes, post


async def test_a_credit_makes_the_wallet_and_an_entry_on_each_side(database: Database) -> None:
    """The wallet equals its entries; the house side is an entry only."""
    await post(database, funding(100))

    assert (10_000, 0) == await balance(database)
    assert [("platform", -10_000), ("wallet:available", 10_000)] == [
        (row["account"], row["amount"])
        for row in await sql.fetch(database, "SELECT * FROM entries ORDER BY line")
    ]
    assert set() == await broken(database)


async def test_a_hold_is_captured_or_released_but_not_both(database: Database) -> None:
    """Whatever comes second finds the hold closed."""
    hold = entries.withdrawal_held(USER, kes(40), reference=TXID)
    await post(database, funding(100), hold)
    assert (6_000, 4_000) == await balance(database)

    await post(database, entries.withdrawal_paid(USER, kes(40), reference=TXID, hold=hold.id))
    with pytest.raises(AlreadyPosted):
        await post(
            database, entries.withdrawal_released(USER, kes(40), reference=TXID, hold=hold.id)
        )

    assert (6_000, 0) == await balance(database)
    assert set() == await broken(database)


async def test_the_same_journal_is_posted_once(database: Database) -> None:
    """By kind and reference, however many try at once."""
    results = await asyncio.gather(
        *(post(database, funding(1, reference="bonus")) for _ in range(10)),
        return_exceptions=True,
    )

    assert 9 == sum(isinstance(result, AlreadyPosted) for result in results)
    assert (100, 0) == await balance(database)


async def test_a_wallet_never_becomes_negative(database: Database) -> None:
    """Not even by one cent, and nothing of the journal stays."""
    await post(database, funding(100))
    debit = entries.debit(USER, Money(10_001, KES), reference="r", reason="stake")

    with pytest.raises(InsufficientFunds):
        await post(database, debit)

    assert (10_000, 0) == await balance(database)
    assert 1 == await sql.fetchval(database, "SELECT count(*) FROM journals")


async def test_a_wallet_that_does_not_exist_holds_nothing(database: Database) -> None:
    """An entry without its wallet is never written."""
    debit = entries.debit(USER, kes(1), reference="r", reason="stake")

    with pytest.raises(InsufficientFunds):
        async with database.transaction() as tx:
            await service.post(tx, [debit])

    assert 0 == await sql.fetchval(database, "SELECT count(*) FROM entries")


async def test_one_bad_journal_takes_the_whole_batch_with_it(database: Database) -> None:
    """A batch is one transaction: all of it stands or none."""
    with pytest.raises(InsufficientFunds):
        await post(
            database,
            funding(5, user=OTHER),
            funding(5),
            entries.debit(USER, kes(6), reference="r", reason="stake"),
        )

    assert (None, None) == (await balance(database), await balance(database, OTHER))


async def test_money_that_runs_in_circles_stays_whole(database: Database) -> None:
    """Forty debits of the last twenty shillings: twenty pass."""
    await post(database, funding(20))

    results = await asyncio.gather(
        *(
            post(database, entries.debit(USER, kes(1), reference=str(n), reason="stake"))
            for n in range(40)
        ),
        return_exceptions=True,
    )

    assert 20 == sum(isinstance(result, InsufficientFunds) for result in results)
    assert (0, 0) == await balance(database)
    assert set() == await broken(database)


async def test_wallets_locked_in_any_order_do_not_deadlock(database: Database) -> None:
    """Batches name them in their own order; the lock takes them in one."""
    users = [f"usr_{n}" for n in range(8)]
    await post(database, *(funding(1, user=user) for user in users))

    async def lock_all(names: list[str]) -> int:
        async with database.transaction() as tx:
            return len(await service.lock(tx, [Owner(name, KES.code) for name in names]))

    found = await asyncio.gather(*(lock_all(users if n % 2 else users[::-1]) for n in range(20)))

    assert [8] * 20 == found


async def test_a_journal_is_reversed_once_by_its_opposite(database: Database) -> None:
    """The original stays; the correction points at it."""
    credit = funding(100)
    await post(database, credit)

    async def reverse() -> Journal:
        return await database.run(
            lambda tx: service.reverse(tx, USER, credit.id, reason="a mistake")
        )

    reversal = await reverse()

    assert (credit.id, (0, 0)) == (reversal.closes, await balance(database))
    with pytest.raises(AlreadyPosted):
        await reverse()
    assert set() == await broken(database)


async def test_a_hold_and_its_end_are_not_reversed(database: Database) -> None:
    """The opposite of a hold would give back money that is on its way out."""
    held = entries.withdrawal_held(USER, kes(10), reference="w_1")
    paid = entries.withdrawal_paid(USER, kes(10), reference="w_1", hold=held.id)
    await post(database, funding(100), held)

    async def is_refused(journal: Journal) -> None:
        before = await balance(database)
        with pytest.raises(NotReversible):
            async with database.transaction() as tx:
                await service.reverse(tx, USER, journal.id, reason="a mistake")
        assert before == await balance(database)

    await is_refused(held)
    await post(database, paid)
    await is_refused(paid)
    assert set() == await broken(database)


async def test_only_kinds_that_nothing_else_closes_are_reversed(database: Database) -> None:
    """A kind that is added is not reversible until somebody says so."""
    credit = funding(100)
    await post(database, credit)
    async with database.transaction() as tx:
        reversal = await service.reverse(tx, USER, credit.id, reason="a mistake")

    with pytest.raises(NotReversible):
        async with database.transaction() as tx:
            await service.reverse(tx, USER, reversal.id, reason="it was none")
    assert {"credit", "debit"} == REVERSIBLE


async def test_what_was_spent_cannot_be_reversed(database: Database) -> None:
    """A correction obeys the same rule as any posting."""
    credit = funding(100)
    stake = entries.debit(USER, kes(1), reference="s", reason="stake")
    await post(database, credit, stake)

    with pytest.raises(InsufficientFunds):
        async with database.transaction() as tx:
            await service.reverse(tx, USER, credit.id, reason="a mistake")

    assert (9_900, 0) == await balance(database)


async def test_another_user_s_journal_cannot_be_reversed(database: Database) -> None:
    """Ids belong to their user."""
    credit = funding(100)
    await post(database, credit)

    with pytest.raises(JournalNotFound):
        async with database.transaction() as tx:
            await service.reverse(tx, OTHER, credit.id, reason="a mistake")


async def test_currencies_are_wallets_of_their_own(database: Database) -> None:
    """A dollar covers no shilling."""
    dollars = entries.credit(USER, Money(500, USD), reference="d", reason="test")
    await post(database, funding(1), dollars)

    with pytest.raises(InsufficientFunds):
        await post(database, entries.debit(USER, kes(2), reference="r", reason="stake"))

    assert ((100, 0), (500, 0)) == (
        await balance(database),
        await balance(database, currency=USD),
    )


async def test_entries_that_do_not_sum_to_zero_are_stopped_by_the_schema(
    database: Database,
) -> None:
    """The second line of defence, behind a journal that cannot exist unbalanced."""
    journal = funding(1)
    object.__setattr__(
        journal, "postings", (Posting(AVAILABLE, kes(1)), Posting(PLATFORM, -kes(2)))
    )

    with pytest.raises(asyncpg.CheckViolationError, match="do not sum to zero"):
        await post(database, journal)

    assert 0 == await sql.fetchval(database, "SELECT count(*) FROM entries")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET amount = amount + 1",
        "DELETE FROM entries",
        "TRUNCATE entries",
        "UPDATE journals SET reason = 'another'",
        "DELETE FROM journals",
        "TRUNCATE journals CASCADE",
        "UPDATE entries SET amount = 1 WHERE false",
    ],
)
async def test_the_books_are_append_only(database: Database, statement: str) -> None:
    """Corrections are new journals; the schema refuses everything else."""
    await post(database, funding(100))

    with pytest.raises(asyncpg.RestrictViolationError, match="is append-only"):
        await sql.execute(database, statement)

    assert set() == await broken(database)


@pytest.mark.parametrize("column", ["available", "held"])
async def test_the_schema_itself_knows_no_negative_wallet(database: Database, column: str) -> None:
    """Whatever the code does."""
    await post(database, funding(1))

    with pytest.raises(asyncpg.CheckViolationError, match=f"ck_wallets_{column}_not_negative"):
        await sql.execute(database, f"UPDATE wallets SET {column} = -1")


async def test_a_connection_lost_in_the_middle_leaves_no_half_journal(
    database: Database,
) -> None:
    """No entry without its wallet, no wallet without its entry."""
    await post(database, funding(1))

    with pytest.raises(DatabaseUnavailable):  # noqa: PT012 - the block is the transaction
        async with database.transaction() as tx:
            await service.lock(tx, [Owner(USER, KES.code)])
            await service.post(tx, [funding(100)])
            await tx.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    assert (100, 0) == await balance(database)
    assert set() == await broken(database)
