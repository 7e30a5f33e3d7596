"""Credits and debits by reference: the same again is the first, another is refused."""

import asyncio
import json
from typing import Any

import pytest

from payops.idempotency.domain import Answer, Key, Keyed
from payops.kernel.ids import new_id
from payops.kernel.money import KES, USD, Money
from payops.ledger.service import Direction, Movement
from tests.support.books import OTHER, USER, balance, broken, kes
from tests.support.shop import OpenShop, Shop, open_shop, shop

__all__ = ["open_shop", "shop"]

CREDIT, DEBIT = Direction.CREDIT, Direction.DEBIT


async def moves(
    shop: Shop,
    direction: Direction,
    amount: Money,
    reference: str,
    *,
    user: str = USER,
    key: str = "",
) -> Answer:
    movement = Movement(user, direction, amount, reference, "stake", "key:tests", "req_1")
    keyed = Keyed(
        Key(user, "key:tests", direction.value, key or str(new_id())),
        f"{amount}{reference}".encode(),
        movement,
    )
    return await shop.services.movement_desk.submit(keyed)


def content(answer: Answer) -> Any:
    assert answer.body is not None
    return json.loads(answer.body)


async def test_the_same_reference_again_is_the_first_journal(shop: Shop) -> None:
    """201 and then 200, with one effect; whatever the key."""
    first = await moves(shop, CREDIT, kes(5), "r1")
    again = await moves(shop, CREDIT, kes(5), "r1")

    assert (201, 200) == (first.status, again.status)
    assert content(first)["journalId"] == content(again)["journalId"] == again.resource
    assert (500, 0) == await balance(shop.db)


@pytest.mark.parametrize(
    ("direction", "amount"),
    [(CREDIT, kes(6)), (DEBIT, kes(5)), (CREDIT, Money(500, USD))],
)
async def test_a_reference_names_one_movement(
    shop: Shop, direction: Direction, amount: Money
) -> None:
    """Another amount, direction or currency is another movement: refused."""
    await moves(shop, CREDIT, kes(5), "r1")

    answer = await moves(shop, direction, amount, "r1")

    assert (409, "reference_reused") == (answer.status, content(answer)["code"])
    assert (500, 0) == await balance(shop.db)


async def test_another_user_s_reference_is_their_own(shop: Shop) -> None:
    """References are unique per user."""
    assert 201 == (await moves(shop, CREDIT, kes(5), "r1")).status
    assert 201 == (await moves(shop, CREDIT, kes(7), "r1", user=OTHER)).status


async def test_a_debit_beyond_the_available_is_refused(shop: Shop) -> None:
    """Also for a user who has no wallet; the reference stays free."""
    assert 422 == (await moves(shop, DEBIT, kes(1), "r1")).status
    await moves(shop, CREDIT, kes(5), "r2")
    assert 422 == (await moves(shop, DEBIT, Money(501, KES), "r1")).status

    assert 201 == (await moves(shop, DEBIT, kes(5), "r1")).status
    assert (0, 0) == await balance(shop.db)


async def test_one_reference_at_once_is_one_journal(open_shop: OpenShop) -> None:
    """Twenty requests with keys of their own, on two replicas, for a user without a wallet."""
    one, two = await open_shop(), await open_shop()

    answers = await asyncio.gather(*(moves(shop, CREDIT, kes(5), "r1") for shop in (one, two) * 10))

    assert [200] * 19 + [201] == sorted(answer.status for answer in answers)
    assert 1 == len({answer.resource for answer in answers})
    assert (500, 0) == await balance(one.db)
    assert set() == await broken(one.db)


async def test_scarce_money_is_never_spent_twice(open_shop: OpenShop) -> None:
    """Sixty debits of one shilling from twenty: twenty pass."""
    one, two = await open_shop(), await open_shop()
    await moves(one, CREDIT, kes(20), "fund")

    answers = await asyncio.gather(
        *(moves(shop, DEBIT, kes(1), f"r{n}") for n, shop in enumerate((one, two) * 30))
    )

    assert [201] * 20 + [422] * 40 == sorted(answer.status for answer in answers)
    assert (0, 0) == await balance(one.db)
    assert set() == await broken(one.db)


async def test_a_key_repeated_gets_the_first_answer(shop: Shop) -> None:
    """Refused ones included: 422 stays 422 under its key."""
    refused = await moves(shop, DEBIT, kes(1), "r1", key="k")
    await moves(shop, CREDIT, kes(5), "r2")

    again = await moves(shop, DEBIT, kes(1), "r1", key="k")

    assert (422, refused.body, True) == (again.status, again.body, again.is_replay)
    assert (500, 0) == await balance(shop.db)


async def test_every_movement_and_refusal_is_on_record_once(shop: Shop) -> None:
    """A repeat is no news."""
    await moves(shop, CREDIT, kes(5), "r1")
    await moves(shop, CREDIT, kes(5), "r1")
    await moves(shop, DEBIT, kes(6), "r2")

    kinds = [row["kind"] for row in await shop.fetch("SELECT kind FROM audit_log ORDER BY id")]
    assert ["wallet_credit_posted", "wallet_debit_refused"] == kinds
