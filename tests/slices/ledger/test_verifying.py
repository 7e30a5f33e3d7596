"""The checker finds every lie that can be planted, and names it."""

from typing import Any

import pytest

from payops.bootstrap import INVARIANTS
from payops.infra.db import Database, connect
from payops.ledger import entries, service
from tests.support.books import OTHER, TXID, USER, broken, funding, kes, post
from tests.support.shop import AMINA, Shop, open_shop, shop
from tests.support.till import Till, open_tills, till

__all__ = ["open_shop", "open_tills", "shop", "till"]


async def plant(database: Database, *statements: str) -> None:
    """Past triggers, foreign keys and checks, as somebody with the superuser's password could."""
    async with database.transaction() as tx:
        await tx.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            assert await tx.execute(statement), statement


LEDGER_LIES: list[Any] = [
    ("journals_sum_to_zero", ["UPDATE entries SET amount = amount + 1 WHERE account = 'platform'"]),
    (
        "journals_have_entries",
        ["DELETE FROM entries WHERE journal_id = (SELECT id FROM journals LIMIT 1)"],
    ),
    ("wallets_equal_their_entries", ["UPDATE wallets SET available = available + 1"]),
    ("wallets_equal_their_entries", ["UPDATE wallets SET held = held + 1"]),
    ("wallets_equal_their_entries", ["DELETE FROM wallets WHERE user_id = 'usr_1'"]),
    (
        "wallets_equal_their_entries",
        [
            "DELETE FROM entries WHERE user_id = 'usr_2'",
            "DELETE FROM journals WHERE user_id = 'usr_2'",
        ],
    ),
    (
        "wallets_are_not_negative",
        [
            "ALTER TABLE wallets DROP CONSTRAINT ck_wallets_available_not_negative",
            "UPDATE wallets SET available = -1",
        ],
    ),
    (
        "journals_close_once",
        [
            "DROP INDEX uq_journals_user_id_closes",
            (
                "UPDATE journals SET closes ="
                " (SELECT id FROM journals WHERE kind = 'withdrawal_held') WHERE user_id = 'usr_1'"
            ),
        ],
    ),
    (
        "journals_close_once",
        ["UPDATE journals SET closes = gen_random_uuid() WHERE kind = 'withdrawal_paid'"],
    ),
    (
        "house_balances_equal_their_entries",
        [
            (
                "INSERT INTO house_balances VALUES"
                " ('platform', 'KES', -1, 'ffffffff-ffff-ffff-ffff-ffffffffffff')"
            )
        ],
    ),
]


@pytest.fixture
async def books(own_url: str) -> Any:
    """A database of the test's own: some lies need a constraint dropped first."""
    database = connect(own_url, pool_size=2, notify=False)
    hold = entries.withdrawal_held(USER, kes(40), reference=TXID)
    paid = entries.withdrawal_paid(USER, kes(40), reference=TXID, hold=hold.id)
    await post(database, funding(100), funding(100, user=OTHER), hold, paid)
    assert set() == await broken(database)
    yield database
    await database.close()


@pytest.mark.parametrize(("name", "statements"), LEDGER_LIES)
async def test_a_planted_lie_in_the_ledger_is_found(
    books: Database, name: str, statements: list[str]
) -> None:
    """Each by the invariant that it breaks."""
    async with books.transaction() as tx:
        await tx.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            await tx.execute(statement)

    assert name in await broken(books)


async def a_history(shop: Shop) -> tuple[str, str]:
    """One withdrawal paid and one under way; all books right."""
    paid = await shop.is_sent(100)
    await shop.hears({"transactionId": paid, "amountKES": 100, "status": "success"})
    is_open = await shop.is_sent(100)
    await shop.assert_books()
    return paid, is_open


@pytest.mark.parametrize(
    ("name", "statement"),
    [
        ("held_equals_open_withdrawals", "UPDATE withdrawals SET amount = 1 WHERE state = 'sent'"),
        ("held_equals_open_withdrawals", "DELETE FROM withdrawals WHERE state = 'sent'"),
        (
            "final_withdrawals_closed_their_hold",
            "UPDATE withdrawals SET state = 'failed', failure_code = 'x' WHERE state = 'completed'",
        ),
        (
            "final_withdrawals_closed_their_hold",
            "UPDATE withdrawals SET state = 'completed' WHERE state = 'sent'",
        ),
        (
            "final_withdrawals_closed_their_hold",
            "DELETE FROM journals WHERE kind = 'withdrawal_paid'",
        ),
        ("holds_belong_to_withdrawals", "DELETE FROM withdrawals WHERE state = 'completed'"),
        (
            "holds_belong_to_withdrawals",
            "UPDATE withdrawals SET amount = amount + 1 WHERE state = 'completed'",
        ),
        (
            "attempts_are_numbered_without_gaps",
            "DELETE FROM payout_attempts WHERE number = 1",
        ),
        (
            "attempts_are_numbered_without_gaps",
            "UPDATE withdrawals SET attempts = attempts + 1",
        ),
        ("keys_lead_to_withdrawals", "DELETE FROM withdrawals WHERE state = 'completed'"),
        (
            "keys_lead_to_withdrawals",
            "UPDATE idempotency_keys SET resource = (SELECT min(resource) FROM idempotency_keys)",
        ),
        (
            "reversed_withdrawals_were_given_back",
            "UPDATE withdrawals SET state = 'reversed' WHERE state = 'completed'",
        ),
        (
            "refunds_belong_to_withdrawals",
            "UPDATE journals SET kind = 'withdrawal_refunded' WHERE kind = 'withdrawal_paid'",
        ),
        (
            "write_offs_belong_to_withdrawals",
            "UPDATE journals SET kind = 'withdrawal_written_off' WHERE kind = 'withdrawal_paid'",
        ),
        ("open_withdrawals_are_due", "UPDATE withdrawals SET due_at = NULL WHERE state = 'sent'"),
        (
            "reads_of_personal_data_are_proven",
            "DELETE FROM pii_access WHERE id IN ( SELECT min(id::text)::uuid FROM pii_access)",
        ),
        ("reads_of_personal_data_are_proven", "UPDATE pii_access SET actor = 'system:somebody'"),
        ("reads_of_personal_data_are_proven", "UPDATE pii_access SET event_id = NULL"),
        ("reads_of_personal_data_are_proven", "DELETE FROM audit_log"),
    ],
)
async def test_a_planted_lie_about_withdrawals_is_found(
    shop: Shop, name: str, statement: str
) -> None:
    """Books that balance do not prove that nothing was lost: these do."""
    await a_history(shop)

    await plant(shop.db, statement)

    assert name in await broken(shop.db, *INVARIANTS)


@pytest.mark.parametrize(
    ("name", "statement"),
    [
        ("credited_receipts_are_in_the_ledger", "UPDATE deposit_receipts SET credited = 1"),
        (
            "credited_receipts_are_in_the_ledger",
            "DELETE FROM entries WHERE account = 'wallet:available'",
        ),
        ("deposits_in_the_ledger_have_receipts", "DELETE FROM deposit_receipts"),
        ("invoices_show_what_was_credited", "UPDATE invoices SET credited = credited + 1"),
        (
            "an_arrival_is_credited_once",
            (
                "INSERT INTO deposit_receipts (user_id, id, invoice_id, payment_id, provider,"
                " reference, state, coin, amount, arrived_at) SELECT user_id, gen_random_uuid(),"
                " invoice_id, payment_id, provider, reference, 'seen', coin, amount, arrived_at"
                " FROM deposit_receipts"
            ),
        ),
    ],
)
async def test_a_planted_lie_about_deposits_is_found(till: Till, name: str, statement: str) -> None:
    """What was credited is what arrived, whoever wrote it down."""
    await till.settles(await till.invoice("20.00"), "0.02")
    await till.assert_books()

    await plant(till.db, statement)

    assert name in await broken(till.db, *INVARIANTS)


async def test_every_invariant_has_a_lie_that_breaks_it() -> None:
    """A check that was never seen to fail is no check."""
    planted = {name for name, _ in LEDGER_LIES}
    tests: tuple[Any, ...] = (
        test_a_planted_lie_about_withdrawals_is_found,
        test_a_planted_lie_about_deposits_is_found,
    )
    for test in tests:
        planted |= {name for name, _ in test.pytestmark[0].args[1]}

    assert {invariant.name for invariant in INVARIANTS} == planted


async def test_a_violation_shows_the_rows_that_break_it(shop: Shop) -> None:
    """Enough to begin looking: whose wallet, and both figures."""
    await a_history(shop)
    await plant(shop.db, "UPDATE wallets SET available = available + 1")

    (violation,) = await service.verify(shop.db)

    assert "wallets_equal_their_entries" == violation.name
    assert (AMINA, "1", "0") == tuple(
        violation.rows[0][name] for name in ("user_id", "available", "entries_available")
    )
