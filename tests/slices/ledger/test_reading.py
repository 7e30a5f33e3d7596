"""Reading the books: balances then and now, history, and the folded house side."""

import asyncio
from datetime import timedelta
from uuid import UUID

from payops.infra.db import Database
from payops.kernel.ids import floor_id
from payops.kernel.money import KES, Money
from payops.ledger import entries, service
from payops.ledger.domain import Owner, Wallet
from tests.support import sql
from tests.support.books import OTHER, TXID, USER, broken, funding, kes, post


async def house(database: Database) -> dict[str, Money]:
    async with database.transaction(read_only=True) as tx:
        return dict(await service.house_balances(tx))


async def age(database: Database) -> None:
    """Move everything posted so far an hour into the past, ids and all."""
    then = floor_id(await sql.fetchval(database, "SELECT now() - interval '1 hour'"))
    async with database.transaction() as tx:
        await tx.execute("SET LOCAL session_replication_role = replica")
        for number, row in enumerate(await tx.fetch("SELECT id FROM journals ORDER BY id")):
            older = UUID(int=then.int + number)
            await tx.execute(
                "UPDATE journals SET id = $2, posted_at = posted_at - interval '1 hour'"
                " WHERE id = $1",
                row["id"],
                older,
            )
            await tx.execute(
                "UPDATE entries SET journal_id = $2 WHERE journal_id = $1", row["id"], older
            )


async def test_a_balance_can_be_read_as_it_stood_then(database: Database) -> None:
    """From the entries, so it is the truth and not a memory."""
    await post(database, funding(100))
    await age(database)
    between = await sql.fetchval(database, "SELECT now() - interval '30 minutes'")
    await post(database, entries.withdrawal_held(USER, kes(30), reference=TXID))

    async with database.transaction(read_only=True) as tx:
        then = await service.wallets(tx, USER, at=between)
        before = await service.wallets(tx, USER, at=between - timedelta(days=1))
        now = await service.wallets(tx, USER)

    owner = Owner(USER, KES.code)
    assert [Wallet(owner, 10_000, 0)] == then
    assert [] == before
    assert [Wallet(owner, 7_000, 3_000)] == now


async def test_history_is_newest_first_and_pages_without_gaps(database: Database) -> None:
    """Each page goes on where the last one ended; other users are not in it."""
    journals = [funding(n) for n in range(1, 8)]
    for journal in journals:
        await post(database, journal)
    await post(database, funding(1, user=OTHER))

    seen: list[UUID] = []
    async with database.transaction(read_only=True) as tx:
        while page := await service.history(tx, USER, before=seen[-1] if seen else None, limit=3):
            seen += [posted.id for posted in page]

    assert [journal.id for journal in reversed(journals)] == seen


async def test_folding_changes_no_balance(database: Database) -> None:
    """What is folded and what came since add up to the same, before, between and after."""
    await post(database, funding(100), funding(50, user=OTHER))
    expected = {"platform": -kes(150)}
    assert expected == await house(database)
    assert 0 == await service.fold_house(database), "too young to be surely all visible"

    await age(database)
    assert 1 == await service.fold_house(database)
    assert expected == await house(database)
    assert -15_000 == await sql.fetchval(database, "SELECT balance FROM house_balances")

    hold = entries.withdrawal_held(USER, kes(40), reference=TXID)
    paid = entries.withdrawal_paid(USER, kes(40), reference=TXID, hold=hold.id)
    await post(database, hold, paid, funding(1))
    assert {"platform": -kes(151), "mpesa:clearing": kes(40)} == await house(database)
    assert 0 == await service.fold_house(database)
    assert set() == await broken(database)


async def test_two_folds_at_once_fold_once(database: Database) -> None:
    """A lock makes the second one find nothing."""
    await post(database, funding(100))
    await age(database)

    counts = await asyncio.gather(*(service.fold_house(database) for _ in range(4)))

    assert 1 == sum(counts)
    assert {"platform": -kes(100)} == await house(database)
    assert set() == await broken(database)
