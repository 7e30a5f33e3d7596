"""The same key: the same effect, the same bytes, whatever failed in between."""

import asyncio
import contextvars
import json
from collections.abc import Sequence
from typing import Any

import pytest

from payops.idempotency.domain import Answer, Keyed
from payops.idempotency.errors import InProgress, KeyReused
from payops.idempotency.service import Desk, forget_old_answers
from payops.infra.db import CommitUnknown, DatabaseUnavailable, Tx
from payops.kernel.money import KES
from payops.ledger import service as ledger
from payops.ledger.domain import Owner
from payops.withdrawals.domain import State
from payops.withdrawals.service.requesting import Request
from tests.support.rail import NO
from tests.support.shop import AMINA, BARAKA, OTHER_PHONE, OpenShop, Shop
from tests.support.sql import fetchval

Decide = Any


async def count(shop: Shop) -> int:
    found: int = await fetchval(shop.db, "SELECT count(*) FROM withdrawals")
    return found


def desk_around(shop: Shop, before: Decide = None, after: Decide = None) -> Desk[Request]:
    """A desk that decides like the shop's, with something happening in its transaction."""
    decide = shop.services.withdrawal_desk._decide

    async def decided(tx: Tx, batch: Sequence[Keyed[Request]]) -> Sequence[Answer]:
        if before:
            await before(tx)
        answers = await decide(tx, batch)
        if after:
            await after(tx)
        return answers

    return Desk(shop.db, decided)


async def test_twenty_at_once_with_one_key_are_one_withdrawal(open_shop: OpenShop) -> None:
    """Two replicas, ten each: one effect, and twenty times the same bytes."""
    one, two = await open_shop(), await open_shop()
    await one.funds(AMINA, 5_000)

    answers = await asyncio.gather(*(shop.asks_for(100, key="k") for shop in (one, two) * 10))

    assert 1 == await count(one)
    assert 1 == len({(answer.status, answer.body, answer.resource) for answer in answers})
    assert 1 == sum(not answer.is_replay for answer in answers)
    assert (4_900, 100) == await one.balance()
    await one.assert_books()


async def test_a_repeat_gets_the_first_answer_to_the_byte(shop: Shop) -> None:
    """Also after the withdrawal has moved on: it is the answer to that request."""
    await shop.funds(AMINA, 500)
    first = await shop.asks_for(100, key="k")
    await shop.sends()

    again = await shop.asks_for(100, key="k")

    assert (first.status, first.body, first.headers, first.resource) == (
        again.status,
        again.body,
        again.headers,
        again.resource,
    )
    assert (False, True) == (first.is_replay, again.is_replay)


@pytest.mark.parametrize("other", [{"kes": 101}, {"kes": 100, "to": OTHER_PHONE}])
async def test_the_key_of_another_request_is_refused(shop: Shop, other: Any) -> None:
    """Another amount or another phone under the same key moves nothing."""
    await shop.funds(AMINA, 500)
    await shop.asks_for(100, key="k")

    with pytest.raises(KeyReused):
        await shop.asks_for(other.pop("kes"), key="k", **other)

    assert (400, 100) == await shop.balance()


async def test_two_different_requests_with_one_key_at_once(open_shop: OpenShop) -> None:
    """One of them is the request of that key, the other is told so; never both."""
    one, two = await open_shop(), await open_shop()
    await one.funds(AMINA, 5_000)

    results = await asyncio.gather(
        *(shop.asks_for(kes, key="k") for shop in (one, two) for kes in (100, 200)),
        return_exceptions=True,
    )

    assert 1 == await count(one)
    assert 2 == sum(isinstance(result, KeyReused) for result in results)
    assert 2 == sum(isinstance(result, Answer) for result in results)


async def test_another_caller_s_equal_key_is_another_key(shop: Shop) -> None:
    """So is another user's: each gets an effect of their own."""
    await shop.funds(AMINA, 500)
    await shop.funds(BARAKA, 500)

    answers = [
        await shop.asks_for(100, key="k", caller="key:one"),
        await shop.asks_for(100, key="k", caller="key:two"),
        await shop.asks_for(100, key="k", caller="key:one", user=BARAKA),
    ]

    assert 3 == len({answer.resource for answer in answers})
    assert 3 == await count(shop)


async def test_a_refusal_is_replayed_though_it_would_pass_now(shop: Shop) -> None:
    """Byte for byte, the request id in it included; a new key is a new request."""
    refused = await shop.asks_for(100, key="k")
    await shop.funds(AMINA, 500)

    again = await shop.asks_for(100, key="k")

    assert (422, refused.body, True) == (again.status, again.body, again.is_replay)
    assert 0 == await count(shop)
    assert 202 == (await shop.asks_for(100, key="k2")).status


async def test_a_replayed_limit_tells_the_time_that_is_left(open_shop: OpenShop) -> None:
    """Retry-After counts from when it was first said; the body stays as it was."""
    shop = await open_shop(velocity={"withdrawals_per_hour": 1})
    await shop.accepts(100)
    await shop.funds(AMINA, 100)
    refused = await shop.asks_for(100, key="k")
    await shop.execute("UPDATE idempotency_keys SET created_at = created_at - interval '600 s'")

    again = await shop.asks_for(100, key="k")

    assert (429, refused.body) == (again.status, again.body)
    assert 600 == int(refused.headers["Retry-After"]) - int(again.headers["Retry-After"])


async def test_a_failed_payout_s_key_stays_burned(shop: Shop) -> None:
    """The same answer for ever, and never a second payout."""
    await shop.funds(AMINA, 100)
    first = await shop.asks_for(100, key="k")
    shop.rail.ignores(NO)
    await shop.sends()
    assert first.resource
    assert State.FAILED == await shop.state_of(first.resource)

    again = await shop.asks_for(100, key="k")
    await shop.sends()

    assert (first.body, first.resource) == (again.body, again.resource)
    assert (1, [first.resource]) == (await count(shop), shop.rail.sends)


async def test_a_connection_cut_before_the_commit_leaves_nothing(shop: Shop) -> None:
    """No hold, no row, no key; the same key again is a first request."""
    await shop.funds(AMINA, 100)

    async def cut(tx: Tx) -> None:
        await tx.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(DatabaseUnavailable):
        await desk_around(shop, after=cut).submit(shop.keyed(100, key="k"))
    assert (100, 0) == await shop.balance()
    assert 0 == await fetchval(shop.db, "SELECT count(*) FROM idempotency_keys")

    answer = await shop.asks_for(100, key="k")
    assert (202, False) == (answer.status, answer.is_replay)
    await shop.assert_books()


async def test_a_crash_of_ours_before_the_commit_leaves_nothing(shop: Shop) -> None:
    """An unexpected error rolls the whole request back, key included."""
    await shop.funds(AMINA, 100)

    async def crash(tx: Tx) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await desk_around(shop, after=crash).submit(shop.keyed(100, key="k"))

    assert (100, 0) == await shop.balance()
    assert 202 == (await shop.asks_for(100, key="k")).status


class _LostReply:
    """Cuts the connection around COMMIT, so that its answer never comes."""

    def __init__(self, shop: Shop, *, commits: bool) -> None:
        self._shop = shop
        self._commits = commits
        self.cuts = 0

    async def __call__(self, tx: Tx) -> None:
        driver: Any = tx._driver
        pid = await tx.fetchval("SELECT pg_backend_pid()")

        class Driver:
            def __getattr__(self, name: str) -> Any:
                return getattr(driver, name)

            @staticmethod
            async def execute(sql: str, *arguments: object, **limits: int) -> Any:
                if sql.endswith("COMMIT") and not self.cuts:
                    self.cuts += 1
                    if self._commits:
                        await driver.execute(sql)
                    await asyncio.create_task(self._kill(pid))
                    return await driver.execute("SELECT 1" if self._commits else sql)
                return await driver.execute(sql, *arguments, **limits)

        tx._driver = Driver()

    async def _kill(self, pid: int) -> None:
        connection: Any = await self._shop.db._engine.raw_connection()
        try:
            await connection.driver_connection.execute(f"SELECT pg_terminate_backend({pid}, 2000)")
        finally:
            connection.close()


async def test_a_commit_whose_answer_was_lost_is_read_back(shop: Shop) -> None:
    """It stood: the caller gets the stored answer, and there is one withdrawal."""
    await shop.funds(AMINA, 500)
    lost = _LostReply(shop, commits=True)

    answer = await desk_around(shop, after=lost).submit(shop.keyed(100, key="k"))

    assert (1, 202) == (lost.cuts, answer.status)
    assert 1 == await count(shop)
    again = await shop.asks_for(100, key="k")
    assert (answer.body, answer.resource) == (again.body, again.resource)
    await shop.assert_books()


async def test_a_commit_that_was_lost_is_unknown_and_never_assumed(shop: Shop) -> None:
    """It did not stand: the caller is told to ask again, and asking again is safe."""
    await shop.funds(AMINA, 500)
    lost = _LostReply(shop, commits=False)

    with pytest.raises(CommitUnknown):
        await desk_around(shop, after=lost).submit(shop.keyed(100, key="k"))

    assert (1, 0) == (lost.cuts, await count(shop))
    assert (202, False) == ((a := await shop.asks_for(100, key="k")).status, a.is_replay)
    assert 1 == await count(shop)
    await shop.assert_books()


async def test_a_wallet_locked_for_too_long_is_in_progress(shop: Shop) -> None:
    """The client is told when to ask again; nothing was done and no key is burned."""
    await shop.funds(AMINA, 500)
    async with shop.db.transaction() as tx:
        await ledger.lock(tx, [Owner(AMINA, KES.code)])

        with pytest.raises(InProgress) as caught:
            await asyncio.create_task(shop.asks_for(100, key="k"), context=contextvars.Context())

    assert 1 == caught.value.retry_after_seconds
    assert 202 == (await shop.asks_for(100, key="k")).status


async def test_answers_past_their_retention_are_dropped_and_the_link_is_kept(
    shop: Shop,
) -> None:
    """A payout's key guards it for ever; a refusal's key may be used anew."""
    refused = await shop.asks_for(100, key="refused")
    await shop.funds(AMINA, 500)
    made = await shop.asks_for(100, key="made")
    await shop.execute("UPDATE idempotency_keys SET created_at = now() - interval '31 days'")
    young = await shop.asks_for(50, key="young")

    assert 2 == await forget_old_answers(shop.db, older_than_days=30)

    again = await shop.asks_for(100, key="made")
    assert (202, None, made.resource, True) == (
        again.status,
        again.body,
        again.resource,
        again.is_replay,
    )
    assert young.body == (await shop.asks_for(50, key="young")).body
    with pytest.raises(KeyReused):
        await shop.asks_for(101, key="made")
    assert (422, 202) == (refused.status, (await shop.asks_for(100, key="refused")).status)
    assert 0 == await forget_old_answers(shop.db, older_than_days=30)


async def test_an_answer_holds_no_phone_number(shop: Shop) -> None:
    """What is kept for thirty days is what was shown: masked."""
    await shop.funds(AMINA, 500)
    await shop.asks_for(100, key="k")

    (row,) = await shop.fetch("SELECT * FROM idempotency_keys")

    assert "+2547••••0012" == json.loads(row["body"])["phoneNumber"]
    assert b"254700000012" not in row["body"] + row["fingerprint"]
