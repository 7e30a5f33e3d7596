"""While the rail is away: nothing is sent, nothing is lost, and nobody waits for ever."""

from datetime import timedelta

from payops.withdrawals.domain import State, read
from tests.support.rail import NEVER_CONNECTED, NO, OUTAGE, WRONG_KEY
from tests.support.shop import OpenShop
from tests.support.waiting import eventually


async def test_an_open_breaker_leaves_the_queue_alone(open_shop: OpenShop) -> None:
    """What waits is pending, without an attempt, and may be cancelled."""
    shop = await open_shop(lipana={"breaker_failures": 1})
    first = await shop.accepts(100)
    shop.rail.ignores(NEVER_CONNECTED)
    await shop.sends()
    second = await shop.accepts(100, user="usr_2")

    assert 0 == await shop.sends()

    assert [first] == shop.rail.sends
    assert {State.PENDING} == {await shop.state_of(t) for t in (first, second)}
    assert [] == await shop.attempts(second)
    assert State.CANCELLED == (await shop.cancels(first)).state
    assert (100, 0) == await shop.balance()
    await shop.assert_books()


async def test_one_trial_closes_the_breaker_again(open_shop: OpenShop) -> None:
    """After the wait one goes out; its answer lets the others follow and ends the alert."""
    shop = await open_shop(lipana={"breaker_seconds": 1})
    txids = [await shop.accepts(10, user=f"usr_{n}") for n in range(3)]
    shop.rail.ignores(*[WRONG_KEY] * 3)
    await shop.sends()
    assert ["rail_credentials:lipana"] == await shop.alerts()
    for txid in txids:
        await shop.time_comes(txid)

    assert 0 == await shop.sends()
    assert 1 == await eventually(shop.sends)
    assert 2 == await shop.sends()

    assert {State.SENT} == {await shop.state_of(txid) for txid in txids}
    assert [] == await shop.alerts()


async def test_queued_for_too_long_fails_and_releases(open_shop: OpenShop) -> None:
    """Past the limit the money goes back, because nothing can have been acted on."""
    shop = await open_shop(lipana={"breaker_failures": 1})
    tried = await shop.accepts(100)
    shop.rail.ignores(NEVER_CONNECTED)
    await shop.sends()
    fresh = await shop.accepts(100, user="usr_2")
    await shop.execute(
        "UPDATE withdrawals SET created_at = now() - $2::interval WHERE id = $1",
        read(tried),
        timedelta(minutes=61),
    )

    await shop.sends()

    withdrawal = await shop.withdrawal(tried)
    assert withdrawal.failure is not None
    assert (State.FAILED, "provider_unavailable") == (withdrawal.state, withdrawal.failure.code)
    assert State.PENDING == await shop.state_of(fresh)
    assert (100, 0) == await shop.balance()
    await shop.assert_books()


async def test_between_two_attempts_it_goes_back_to_the_queue(open_shop: OpenShop) -> None:
    """Somebody else's failures opened the breaker: what never left may be cancelled."""
    shop = await open_shop(mpesa_retry={"base_delay_ms": 60_000}, lipana={"breaker_failures": 2})
    txid = await shop.accepts(100)
    shop.rail.ignores(NEVER_CONNECTED)
    await shop.services.sender.send_due()

    async def is_waiting() -> bool:
        return ["not_delivered"] == await shop.attempts(txid)

    await eventually(is_waiting)
    assert State.SENDING == await shop.state_of(txid)

    shop.services.sender._breaker.trip()
    await shop.time_comes(txid)
    await shop.services.sender.send_due()

    assert State.PENDING == await shop.state_of(txid)
    assert State.CANCELLED == (await shop.cancels(txid)).state
    await shop.assert_books()


async def test_in_doubt_between_two_attempts_is_asked_about_in_the_end(
    open_shop: OpenShop,
) -> None:
    """It may not be cancelled, nor fail for waiting; past the limit it is unresolved."""
    shop = await open_shop(mpesa_retry={"base_delay_ms": 60_000})
    txid = await shop.accepts(100)
    shop.rail.answers(OUTAGE)
    await shop.services.sender.send_due()

    async def is_waiting() -> bool:
        return ["lost"] == await shop.attempts(txid)

    await eventually(is_waiting)
    shop.services.sender._breaker.trip()
    await shop.time_comes(txid)
    await shop.services.sender.send_due()
    assert State.SENDING == await shop.state_of(txid)

    await shop.execute("UPDATE withdrawals SET first_sent_at = now() - interval '61 minutes'")
    await shop.time_comes(txid)
    await shop.services.sender.send_due()

    assert State.UNRESOLVED == await shop.state_of(txid)
    assert (0, 100) == await shop.balance()
    await shop.assert_books()


async def test_leases_end_even_while_the_breaker_is_open(open_shop: OpenShop) -> None:
    """A question must not wait for the rail to take payouts again."""
    shop = await open_shop()
    txid = await shop.accepts(100)
    await shop.services.sender._claims.due(1)
    shop.services.sender._breaker.trip()
    await shop.time_comes(txid)

    await shop.services.sender.send_due()

    assert State.UNRESOLVED == await shop.state_of(txid)


async def test_a_definitive_no_is_no_outage(open_shop: OpenShop) -> None:
    """Refusals of single payouts never open the breaker."""
    shop = await open_shop(lipana={"breaker_failures": 1})
    for n in range(3):
        await shop.accepts(10, user=f"usr_{n}")
    shop.rail.ignores(NO, NO, NO)

    assert 3 == await shop.sends()
    assert {"failed"} == {row["state"] for row in await shop.fetch("SELECT state FROM withdrawals")}
