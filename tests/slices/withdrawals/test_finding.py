"""Finding a withdrawal by what others call it: through small indexed tables, not by reading all."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from payops.infra.db import Tx
from payops.kernel.ids import new_id
from payops.withdrawals.domain import read
from payops.withdrawals.ports import Taken
from payops.withdrawals.service import keeping
from payops.withdrawals.service.keeping import Filters
from payops.withdrawals.store import reading
from tests.support.rail import OUTAGE
from tests.support.shop import AMINA, BARAKA, Shop


async def found(shop: Shop, **filters: str) -> list[str]:
    async with shop.db.transaction(read_only=True) as tx:
        page = await keeping.page(tx, Filters(**filters), before=None, limit=10)  # type: ignore[arg-type]
    return [withdrawal.txid for withdrawal in page]


async def plan(tx: Tx, statement: str, *arguments: object) -> str:
    return "\n".join(row[0] for row in await tx.fetch(f"EXPLAIN {statement}", *arguments))


@pytest.fixture
async def crowded(shop: Shop) -> AsyncIterator[Tx]:
    """A transaction in which one withdrawal has more names and attempts than anybody reads."""
    txid = await shop.accepts(100)
    async with shop.db.transaction() as tx:
        await tx.execute(
            "INSERT INTO payout_references (rail, kind, reference, user_id, withdrawal_id)"
            " SELECT 'lipana', 'payout', 'po_' || n, user_id, id"
            " FROM withdrawals, generate_series(1, 20000) AS n WHERE id = $1",
            read(txid),
        )
        await tx.execute(
            "INSERT INTO payout_attempts (user_id, withdrawal_id, number, answer, answered_at)"
            " SELECT user_id, id, n, 'lost', now()"
            " FROM withdrawals, generate_series(1, 20000) AS n WHERE id = $1",
            read(txid),
        )
        await tx.execute("ANALYZE payout_references, payout_attempts")
        yield tx


async def test_a_name_of_any_rail_is_looked_up_by_its_key(crowded: Tx) -> None:
    """Rail, kind and name are all in the condition: as quick with a million as with one."""
    shown = await plan(crowded, reading._KNOWN_AS, ["payout", "receipt"], "po_1")

    assert "Seq Scan" not in shown
    (condition,) = [
        line for line in shown.splitlines() if "Index Cond" in line and "reference" in line
    ]
    assert "rails.name" in condition


async def test_attempts_are_looked_up_by_their_key(crowded: Tx) -> None:
    """The table's key begins with the user."""
    shown = await plan(crowded, reading._ATTEMPTS, AMINA, new_id())

    assert "Seq Scan" not in shown
    (condition,) = [line for line in shown.splitlines() if "Index Cond" in line]
    assert "user_id" in condition
    assert "withdrawal_id" in condition


async def test_names_lead_to_withdrawals_of_every_rail(shop: Shop) -> None:
    """Each rail's names are its own, and all of them are looked through."""
    txid = await shop.is_sent(100)
    for rail in ("aaa", "zzz"):
        other = await shop.accepts(100, user=BARAKA)
        await shop.execute("UPDATE withdrawals SET rail = $2 WHERE id = $1", read(other), rail)
        await shop.execute(
            "INSERT INTO payout_references (rail, kind, reference, user_id, withdrawal_id)"
            " VALUES ($1, 'payout', 'po_1', $2, $3)",
            rail,
            BARAKA,
            read(other),
        )

    async with shop.db.transaction(read_only=True) as tx:
        known = await reading.known_as(tx, "po_1", ["payout"])
        unknown = await reading.known_as(tx, "po_1", ["receipt"])

    assert 3 == len(known)
    assert read(txid) in known
    assert set[UUID]() == unknown


async def test_nothing_is_found_where_nobody_was_ever_paid(shop: Shop) -> None:
    """Without a single rail on record the lookup ends at once."""
    assert [] == await found(shop, reference="po_1")


async def test_a_name_given_to_two_finds_the_one_that_has_it(shop: Shop) -> None:
    """The alert about the other names it; both are in a person's hand."""
    first = await shop.accepts(100)
    second = await shop.accepts(100, user=BARAKA)
    shop.rail.answers(Taken("po_same"), Taken("po_same"))
    await shop.sends()
    (alert,) = await shop.alerts()

    (shown,) = await found(shop, reference="po_same")

    assert {first, second} == {shown, alert.split(":")[1]}


async def test_a_name_and_another_filter_must_both_fit(shop: Shop) -> None:
    """Also when the name is our own id."""
    txid = await shop.is_sent(100)
    await shop.hears({"transactionId": txid, "status": "success", "receipt": "SLK4H7RTY9"})

    for names in ({"reference": "po_1"}, {"receipt": "SLK4H7RTY9"}, {"named": txid}):
        assert [txid] == await found(shop, user_id=AMINA, **names)
        assert [] == await found(shop, user_id=BARAKA, **names)
    assert [txid] == await found(shop, reference="po_1", receipt="SLK4H7RTY9", named="po_1")
    assert [] == await found(shop, reference="po_1", receipt="other")


async def test_what_no_rail_knows_may_be_a_request_s_id(shop: Shop) -> None:
    """The id that a customer's app has in its log."""
    txid = await shop.accepts(100)

    assert [txid] == await found(shop, named="req_test")
    assert [] == await found(shop, named="req_other")


async def test_attempts_are_shown_in_order(shop: Shop) -> None:
    """And only those of the withdrawal: not its user's others, not its neighbour's."""
    await shop.is_sent(100, user=BARAKA)
    await shop.is_sent(50)
    shop.rail.answers(OUTAGE)
    txid = await shop.accepts(100)
    await shop.sends()

    async with shop.db.transaction(read_only=True) as tx:
        story = await keeping.story(tx, read(txid))

    assert [(1, "lost"), (2, "taken")] == [(row["number"], row["answer"]) for row in story.attempts]
