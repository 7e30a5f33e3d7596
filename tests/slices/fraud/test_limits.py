"""Limits of many and of much: decided under the wallet's lock, so that no race passes them."""

import asyncio
import json
from datetime import timedelta

import asyncpg
import pytest

from payops.fraud.service import velocity
from payops.idempotency.domain import Answer
from payops.withdrawals.domain import State, read
from tests.support.rail import NO
from tests.support.shop import AMINA, BARAKA, OTHER_PHONE, OpenShop, Shop

LIMITED = {"withdrawals_per_hour": 3, "withdrawal_kes_per_day": 500_000}


def code_of(answer: Answer) -> str:
    assert answer.body is not None
    return str(json.loads(answer.body)["code"])


async def test_exactly_three_of_twenty_at_once_pass_the_hourly_limit(
    open_shop: OpenShop,
) -> None:
    """The limit is decided under the wallet's lock, so a race cannot pass it."""
    one = await open_shop(velocity=LIMITED)
    two = await open_shop(velocity=LIMITED)
    await one.funds(AMINA, 100_000)

    answers = await asyncio.gather(*(shop.asks_for(100) for shop in (one, two) * 10))

    refused = [answer for answer in answers if answer.status == 429]
    assert (3, 17) == (sum(answer.status == 202 for answer in answers), len(refused))
    assert {"velocity_limit_exceeded"} == {code_of(answer) for answer in refused}
    assert all(3_500 < int(answer.headers["Retry-After"]) <= 3_600 for answer in refused)
    assert (99_700, 300) == await one.balance()
    await one.assert_books()


async def test_the_daily_sum_cannot_be_passed_by_a_race(open_shop: OpenShop) -> None:
    """Four times 200,000 at once: two fit into half a million."""
    limits = {"withdrawals_per_hour": 0, "withdrawal_kes_per_day": 500_000}
    one, two = await open_shop(velocity=limits), await open_shop(velocity=limits)
    await one.funds(AMINA, 1_000_000)

    answers = await asyncio.gather(*(shop.asks_for(200_000) for shop in (one, two) * 2))

    assert [202, 202, 429, 429] == sorted(answer.status for answer in answers)
    assert (600_000, 400_000) == await one.balance()


async def test_cancelled_ones_do_not_count_and_failed_ones_do(open_shop: OpenShop) -> None:
    """A slot is given back only by the user's own change of mind."""
    shop = await open_shop(velocity={"withdrawals_per_hour": 2})
    first = await shop.accepts(100)
    await shop.cancels(first)
    shop.rail.ignores(NO)
    second = await shop.accepts(100)
    await shop.sends()
    assert State.FAILED == await shop.state_of(second)

    third = await shop.asks_for(100)
    fourth = await shop.asks_for(100)

    assert (202, 429) == (third.status, fourth.status)


async def test_refusals_do_not_count(open_shop: OpenShop) -> None:
    """Asking for too much ten times leaves all three slots."""
    shop = await open_shop(velocity=LIMITED)
    await shop.funds(AMINA, 300)
    for _ in range(10):
        assert 422 == (await shop.asks_for(1_000)).status

    assert [202] * 3 == [(await shop.asks_for(100)).status for _ in range(3)]


async def test_an_hour_later_a_slot_is_free(open_shop: OpenShop) -> None:
    """The window slides with the database's clock."""
    shop = await open_shop(velocity={"withdrawals_per_hour": 1})
    txid = await shop.accepts(100)
    await shop.funds(AMINA, 100)
    assert 429 == (await shop.asks_for(100)).status

    await shop.execute(
        "UPDATE withdrawals SET created_at = created_at - $2::interval WHERE id = $1",
        read(txid),
        timedelta(minutes=60),
    )

    assert 202 == (await shop.asks_for(100)).status


async def test_exactly_what_fits_reaches_a_number_whoever_pays(open_shop: OpenShop) -> None:
    """
    Twenty users on two replicas pay 50,000 to one number at once: ten fit into half a million.

    No wallet's lock holds them apart; the recipient's own does.
    """
    limits = {"withdrawals_per_hour": 0, "recipient_kes_per_day": 500_000}
    shops = [await open_shop(velocity=limits), await open_shop(velocity=limits)]
    users = [f"usr_{number:02}" for number in range(20)]
    for user in users:
        await shops[0].funds(user, 50_000)

    answers = await asyncio.gather(
        *(shops[n % 2].asks_for(50_000, user=user) for n, user in enumerate(users))
    )

    refused = [answer for answer in answers if answer.status == 429]
    assert (10, 10) == (sum(answer.status == 202 for answer in answers), len(refused))
    assert {"velocity_limit_exceeded"} == {code_of(answer) for answer in refused}
    (row,) = await shops[0].fetch("SELECT sum(amount)::bigint AS paid FROM withdrawals")
    assert {"paid": 50_000_000} == row
    await shops[0].assert_books()


async def test_one_number_does_not_use_up_anothers(open_shop: OpenShop) -> None:
    """The limit is each number's own."""
    shop = await open_shop(velocity={"recipient_kes_per_day": 1_000})
    await shop.accepts(1_000)
    await shop.funds(BARAKA, 2_000)

    to_same = await shop.asks_for(10, user=BARAKA)
    to_other = await shop.asks_for(1_000, user=BARAKA, to=OTHER_PHONE)

    assert (429, 202) == (to_same.status, to_other.status)


@pytest.mark.parametrize("ends", ["cancelled", "failed"])
async def test_a_number_gets_room_back_when_nothing_reached_it(
    open_shop: OpenShop, ends: str
) -> None:
    """Cancelled and failed payouts brought the recipient nothing: its rule counts neither."""
    shop = await open_shop(velocity={"recipient_kes_per_day": 1_000})
    shop.rail.ignores(NO)
    txid = await shop.accepts(1_000)
    await shop.funds(BARAKA, 1_000)
    assert 429 == (await shop.asks_for(1_000, user=BARAKA)).status

    if ends == "cancelled":
        await shop.cancels(txid)
    else:
        await shop.sends()
    assert ends == await shop.state_of(txid)

    assert 202 == (await shop.asks_for(1_000, user=BARAKA)).status


async def test_every_assessment_is_kept_with_its_grounds(open_shop: OpenShop) -> None:
    """Rules with versions, what was used, the outcome, and what it was about; in one commit."""
    shop = await open_shop(velocity={"withdrawals_per_hour": 1})
    txid = await shop.accepts(100)
    await shop.funds(AMINA, 100)
    await shop.asks_for(100)

    first, second = await shop.fetch("SELECT * FROM fraud_decisions ORDER BY id")

    assert ("accepted", "", txid, "first", []) == tuple(
        first[name] for name in ("outcome", "code", "subject", "seen", "hits")
    )
    assert ("refused", "velocity_limit_exceeded", None, ["user-withdrawals-per-hour"]) == tuple(
        second[name] for name in ("outcome", "code", "subject", "hits")
    )
    hourly = second["rules"][0]
    assert {"rule": "user-withdrawals-per-hour", "version": 0, "used": 1, "hit": True}.items() <= (
        hourly.items()
    )
    assert "req_test" == first["request_id"] == second["request_id"]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE fraud_decisions SET outcome = 'refused', code = 'x'",
        "DELETE FROM fraud_decisions",
        "TRUNCATE fraud_decisions",
    ],
)
async def test_a_decision_never_changes(shop: Shop, change: str) -> None:
    """The database itself refuses."""
    await shop.accepts(100)

    with pytest.raises(asyncpg.RestrictViolationError):
        await shop.execute(change)


async def test_many_refusals_raise_an_alert_and_can_block(open_shop: OpenShop) -> None:
    """The third in an hour, as configured; the user is blocked for a while, and it is on record."""
    settings = {
        "withdrawals_per_hour": 1,
        "anomaly_refusals": 3,
        "anomaly_block_minutes": 30,
    }
    shop = await open_shop(velocity=settings)
    await shop.accepts(100)
    await shop.funds(AMINA, 1_000)
    statuses = [(await shop.asks_for(100)).status for _ in range(3)]
    assert [429] * 3 == statuses

    blocked = await shop.asks_for(100)

    assert (403, "user_blocked") == (blocked.status, code_of(blocked))
    assert [f"velocity_anomaly:{AMINA}"] == await shop.alerts()
    (row,) = await shop.fetch("SELECT blocked_by, until - blocked_at AS lasts FROM user_blocks")
    assert {"blocked_by": "system:velocity", "lasts": timedelta(minutes=30)} == row
    assert "user_blocked" in await shop.audited(AMINA)


async def test_refusals_of_other_users_do_not_add_up(open_shop: OpenShop) -> None:
    """Each stands out, or not, alone."""
    shop = await open_shop(velocity={"withdrawals_per_hour": 1, "anomaly_refusals": 2})
    for user in (AMINA, BARAKA):
        await shop.accepts(100, user=user)
        assert 429 == (await shop.asks_for(100, user=user)).status

    assert [] == await shop.alerts()


async def test_locks_of_yesterday_are_forgotten(open_shop: OpenShop) -> None:
    """And nothing else: a lock row holds no count."""
    shop = await open_shop(velocity={"recipient_kes_per_day": 1_000})
    await shop.accepts(1_000)
    await shop.execute("UPDATE velocity_locks SET taken_at = now() - interval '25 hours'")

    assert 1 == await velocity.forget_locks(shop.db)
    await shop.funds(BARAKA, 1_000)
    assert 429 == (await shop.asks_for(1_000, user=BARAKA)).status
