"""Receipts that were kept as the rail or a person happened to write them."""

from typing import Any
from uuid import UUID

from payops.infra import migrating
from payops.infra.db import connect
from payops.withdrawals.service import keeping
from payops.withdrawals.service.keeping import Filters
from tests.support.postgres import connected

ONE, TWO, THREE, FOUR, FIVE = (UUID(int=number) for number in range(1, 6))

OLD = """
WITH held AS (
    INSERT INTO journals (user_id, id, kind, reference, reason)
    VALUES ('amina', $1, 'withdrawal_held', $1::uuid::text, '') RETURNING user_id, id)
INSERT INTO withdrawals (user_id, id, state, amount, rail, hold_id, phone_sealed, phone_index,
    phone_masked, caller, receipt)
SELECT user_id, id, 'completed', 10000, 'lipana', id, '', '', 'erased', 'key:tests', $2 FROM held
"""
CLAIM = """
INSERT INTO payout_references (rail, kind, reference, user_id, withdrawal_id)
VALUES ('lipana', $3, $2, 'amina', $1)
"""


async def was_kept(connection: Any, one: UUID, receipt: str, *claims: str) -> None:
    """A completed payout of the older release, with what it has claimed."""
    await connection.execute(OLD, one, receipt)
    for claim in claims:
        await connection.execute(CLAIM, one, claim, "receipt")


async def kept(connection: Any) -> tuple[list[str], list[tuple[str, UUID]]]:
    """The receipts of payouts, and the claims."""
    payouts = await connection.fetch("SELECT receipt FROM withdrawals ORDER BY id")
    claims = await connection.fetch(
        "SELECT reference, withdrawal_id AS id FROM payout_references WHERE kind = 'receipt'"
        " ORDER BY withdrawal_id, reference"
    )
    return [row["receipt"] for row in payouts], [(row["reference"], row["id"]) for row in claims]


async def test_a_receipt_in_small_letters_is_found_after_the_upgrade(empty_url: str) -> None:
    """In any spelling; the rail's own id of the payout keeps its letters."""
    await migrating.migrate(empty_url, "0024")
    async with connected(empty_url) as connection:
        await was_kept(connection, ONE, "slk4h7rty9", "slk4h7rty9")
        await connection.execute(CLAIM, ONE, "po_abc", "payout")
        await was_kept(connection, TWO, "SLK4H7RTY0", "SLK4H7RTY0")

        await migrating.migrate(empty_url)

        expected = [("SLK4H7RTY9", ONE), ("SLK4H7RTY0", TWO)]
        assert (["SLK4H7RTY9", "SLK4H7RTY0"], expected) == await kept(connection)
    database = connect(empty_url, pool_size=2)
    filters = [Filters(receipt="slk4h7rty9"), Filters(named="SLK4H7RTY9"), Filters(named="po_abc")]
    async with database.transaction(read_only=True) as tx:
        found = [await keeping.page(tx, one, before=None, limit=9) for one in filters]
    await database.close()
    assert [[ONE]] * 3 == [[one.id for one in page] for page in found]


async def test_what_one_payout_claimed_in_two_spellings_is_one_claim(empty_url: str) -> None:
    """The rail wrote it small first and in capitals later."""
    await migrating.migrate(empty_url, "0024")
    async with connected(empty_url) as connection:
        await was_kept(connection, ONE, "slk4h7rty9", "slk4h7rty9", "Slk4h7rty9", "SLK4H7RTY9")

        await migrating.migrate(empty_url)

        assert (["SLK4H7RTY9"], [("SLK4H7RTY9", ONE)]) == await kept(connection)


async def test_what_two_payouts_have_is_left_to_people(empty_url: str) -> None:
    """One receipt for two payouts: nothing of what is known of it is written over."""
    await migrating.migrate(empty_url, "0024")
    async with connected(empty_url) as connection:
        await was_kept(connection, ONE, "slk4h7rty9", "slk4h7rty9")
        await was_kept(connection, TWO, "SLK4H7RTY9", "SLK4H7RTY9")
        await was_kept(connection, THREE, "slk4h7rty1", "slk4h7rty1")
        await was_kept(connection, FOUR, "Slk4h7rty1", "Slk4h7rty1")
        await was_kept(connection, FIVE, "slk4h7rty0", "slk4h7rty0")

        await migrating.migrate(empty_url)

        receipts = ["slk4h7rty9", "SLK4H7RTY9", "slk4h7rty1", "Slk4h7rty1", "SLK4H7RTY0"]
        claims = list(zip(receipts, (ONE, TWO, THREE, FOUR, FIVE), strict=True))
        assert (receipts, claims) == await kept(connection)
