"""Many at once on little money: readers never see a wallet below zero or a shilling too many."""

import asyncio
import random
from collections import Counter
from typing import Any, Final

import pytest

from payops.idempotency.domain import Key, Keyed
from payops.kernel.ids import new_id
from payops.kernel.money import KES, Money
from payops.ledger import store
from payops.ledger.service import Direction, Movement
from payops.withdrawals.errors import NotCancellable
from tests.support.shop import Shop, running_shop

USERS: Final = [f"usr_bank_{n}" for n in range(10)]
CLIENTS: Final = 16
ACTIONS: Final = 25
_LOOK: Final = """
SELECT (SELECT count(*) FROM wallets WHERE available < 0 OR held < 0) AS negative,
    (SELECT coalesce(sum(available + held), 0)::bigint FROM wallets) AS owned,
    (SELECT coalesce(sum(amount), 0)::bigint FROM entries WHERE account LIKE 'wallet:%') AS posted,
    (SELECT coalesce(sum(amount), 0)::bigint FROM entries) AS total,
    (SELECT coalesce(sum(amount), 0)::bigint FROM withdrawals
        WHERE state NOT IN ('completed', 'failed', 'cancelled', 'reversed')) AS open,
    (SELECT coalesce(sum(held), 0)::bigint FROM wallets) AS held
"""


class Bank:
    """Clients of two replicas, and readers who look all the time."""

    def __init__(self, replicas: tuple[Shop, Shop]) -> None:
        self.replicas = replicas
        self.chance = random.Random(7)
        self.statuses: Counter[int] = Counter()
        self.looks = 0
        self.open: list[str] = []

    async def run(self) -> None:
        """Until every client is done; the first thing that is wrong ends it for all."""
        async with asyncio.TaskGroup() as group:
            reading = [group.create_task(self.read(shop)) for shop in self.replicas]
            clients = [group.create_task(self.client()) for _ in range(CLIENTS)]
            await asyncio.wait(clients)
            for reader in reading:
                reader.cancel()

    async def client(self) -> None:
        for _ in range(ACTIONS):
            shop, user = self.chance.choice(self.replicas), self.chance.choice(USERS)
            action = self.chance.choice(
                ["credit", "debit", "debit", "withdraw", "withdraw", "cancel"]
            )
            if action == "cancel":
                await self.cancel(shop)
            elif action == "withdraw":
                answer = await shop.asks_for(self.chance.randint(10, 40), user=user)
                self.statuses[answer.status] += 1
                if answer.resource:
                    self.open.append(answer.resource)
            else:
                self.statuses[await self.move(shop, user, Direction(action))] += 1

    async def move(self, shop: Shop, user: str, direction: Direction) -> int:
        reference = str(new_id())
        amount = Money.whole(self.chance.randint(1, 30), KES)
        movement = Movement(user, direction, amount, reference, "bank", "key:bank", None)
        key = Key(user, "key:bank", direction.value, reference)
        answer = await shop.services.movement_desk.submit(Keyed(key, b"same", movement))
        return answer.status

    async def cancel(self, shop: Shop) -> None:
        if self.open:
            txid = self.open.pop(self.chance.randrange(len(self.open)))
            try:
                await asyncio.gather(*(shop.cancels(txid) for _ in range(2)))
            except NotCancellable:
                self.statuses[409] += 1

    async def read(self, shop: Shop) -> None:
        while True:
            async with shop.db.transaction(read_only=True) as tx:
                seen: Any = await tx.fetchrow(_LOOK)
            assert 0 == seen["negative"], "a wallet is negative"
            assert seen["owned"] == seen["posted"], "wallets and entries differ"
            assert 0 == seen["total"], "the books do not balance"
            assert seen["open"] == seen["held"], "holds and withdrawals differ"
            self.looks += 1


async def bank_at(url: str) -> Bank:
    async with running_shop(url) as one, running_shop(url) as other:
        for user in USERS:
            await one.funds(user, 30)
        bank = Bank((one, other))
        await bank.run()
        await one.assert_books()
    return bank


async def test_scarce_money_is_never_spent_twice(url: str) -> None:
    """
    Ten users, two replicas, hundreds of movements: each look in a snapshot of its own adds up.
    """
    bank = await bank_at(url)

    assert bank.looks > 10
    assert bank.statuses[422] > 20, "the money was not scarce"
    assert bank.statuses[202] > 20
    assert set(bank.statuses) <= {200, 201, 202, 409, 422}


async def test_a_missing_row_lock_is_seen(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Without FOR UPDATE two replicas spend the same shilling, and this bank notices.
    """
    monkeypatch.setattr(store, "_LOCK", store._LOCK.replace("FOR UPDATE OF w", ""))

    with pytest.raises(Exception):  # noqa: B017, PT011 - whichever line of defence it meets first
        await bank_at(url)
