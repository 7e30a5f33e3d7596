"""Reading back without being told: ever more seldom, not for ever, and gently in an outage."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from payops.deposits.domain.states import State
from payops.deposits.ports import NoAnswer, NotKnown
from payops.deposits.store import writing
from payops.kernel.breaker import Circuit
from tests.support.mint import Mint
from tests.support.till import OpenTill, Till
from tests.support.waiting import eventually

OUTAGE = NoAnswer("503", is_outage=True)


async def wait_after(till: Till, quiet: timedelta, *, age: timedelta | None = None) -> timedelta:
    """How long until the next read-back, nothing having changed for ``quiet``."""
    await till.execute(
        "UPDATE deposit_payments SET state_since = now() - $1::interval,"
        " created_at = now() - $2::interval, due_at = now()",
        quiet,
        age or quiet,
    )
    await till.reads()
    (row,) = await till.fetch("SELECT due_at - now() AS wait FROM deposit_payments")
    found: timedelta = row["wait"]
    return found


def about(expected: timedelta, found: timedelta) -> bool:
    return abs(expected - found) < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("quiet", "wait"),
    [
        (timedelta(0), timedelta(seconds=30)),
        (timedelta(minutes=1), timedelta(seconds=30)),
        (timedelta(minutes=10), timedelta(minutes=2, seconds=30)),
        (timedelta(hours=8), timedelta(hours=2)),
        (timedelta(days=3), timedelta(hours=12)),
        (timedelta(days=29), timedelta(hours=12)),
    ],
)
async def test_the_longer_nothing_changes_the_more_seldom_it_is_read(
    till: Till, quiet: timedelta, wait: timedelta
) -> None:
    """A quarter of the silence, at least half a minute, at most half a day."""
    await till.invoice("20.00")

    assert about(wait, await wait_after(till, quiet))


async def test_a_change_begins_it_anew(till: Till) -> None:
    """After days of silence something is seen on chain: it is watched closely again."""
    invoice = await till.invoice("20.00")
    assert invoice.provider_reference
    await wait_after(till, timedelta(days=3))
    till.mint.becomes(invoice.provider_reference, State.CONFIRMING)
    await till.catches_up()

    (row,) = await till.fetch("SELECT due_at - now() AS wait FROM deposit_payments")
    assert about(timedelta(seconds=30), row["wait"])


@pytest.mark.parametrize("state", [State.WAITING, State.EXPIRED, State.FAILED])
async def test_after_thirty_days_it_is_read_no_more(till: Till, state: State) -> None:
    """Unpaid, expired, failed: soft states are watched for a month, and not for ever."""
    invoice = await till.invoice("20.00")
    assert invoice.provider_reference
    till.mint.becomes(invoice.provider_reference, state)
    await till.catches_up()
    await till.execute(
        "UPDATE deposit_payments SET created_at = now() - interval '31 days',"
        " state_since = now() - interval '31 days', due_at = now()"
    )
    await till.reads()

    (row,) = await till.fetch("SELECT due_at FROM deposit_payments")
    assert row["due_at"] is None
    assert 0 == await till.reads()


async def test_a_notification_wakes_what_is_read_no_more(till: Till) -> None:
    """Money after thirty-one days: told of, it is read, and worth what the market says."""
    invoice = await till.invoice("20.00")
    await till.execute("UPDATE deposit_payments SET due_at = NULL")
    await till.quote_ends(invoice)
    after = await till.settles(invoice, "0.02")

    assert State.FINISHED == after.state
    assert 2000 == await till.balance()


async def test_what_is_at_rest_is_not_read(till: Till) -> None:
    """Finished and credited: only reconciling looks at it again."""
    await till.settles(await till.invoice("20.00"), "0.02")
    till.mint.reads.clear()

    await till.catches_up()

    assert [] == till.mint.reads


async def test_a_refund_before_the_credit_is_at_rest(till: Till) -> None:
    """Nothing can come of it any more: it is not read for a month."""
    invoice = await till.invoice("20.00")
    await till.settles(invoice, "0.02", state=State.CONFIRMING)
    await till.settles(invoice, "0.02", state=State.REFUNDED, again=1)

    (row,) = await till.fetch("SELECT due_at FROM deposit_payments")
    assert row["due_at"] is None
    assert 0 == await till.balance()


@pytest.mark.parametrize("answer", [NoAnswer("html"), NotKnown(), OUTAGE])
async def test_a_read_that_fails_is_put_off_longer_each_time(
    open_tills: OpenTill, answer: Any
) -> None:
    """Half a minute, one, two: doubling, to eight hours and a half; an answer ends it."""
    till = await open_tills(crypto={"breaker_failures": 1_000})
    await till.invoice("20.00")
    waits = []
    for _ in range(3):
        till.mint.replies.append(answer)
        waits.append(await wait_after(till, timedelta(0)))

    assert all(about(timedelta(seconds=30 * 2**number), wait) for number, wait in enumerate(waits))
    await till.execute("UPDATE deposit_payments SET failures = 40")
    till.mint.replies.append(answer)
    assert about(timedelta(seconds=30 * 2**10), await wait_after(till, timedelta(0)))
    assert about(timedelta(seconds=30), await wait_after(till, timedelta(0)))


async def test_an_unpaid_invoice_that_cannot_be_read_calls_nobody(open_tills: OpenTill) -> None:
    """Hours of failures for an invoice that nobody has paid: no person is bothered."""
    till = await open_tills(crypto={"give_up_hours": 1, "breaker_failures": 1_000})
    invoice = await till.invoice("20.00")
    for _ in range(2):
        till.mint.replies.append(NoAnswer("html"))
        await till.catches_up()
        await till.execute("UPDATE deposit_payments SET failing_since = now() - interval '2 hours'")

    assert State.WAITING == (await till.look(invoice.shown_id)).state
    assert [] == await till.alerts()


async def test_in_an_outage_it_is_not_asked_but_for_one_trial(open_tills: OpenTill) -> None:
    """Three failures open the breaker: the others wait, one trial goes, and then all go on."""
    till = await open_tills(crypto={"breaker_failures": 3, "breaker_seconds": 1, "concurrency": 1})
    for _ in range(6):
        await till.invoice("20.00")
    breaker = till.services.deposits.registry.get("mint").breaker
    till.mint.reads.clear()
    till.mint.replies.extend([OUTAGE] * 3)
    await till.time_comes()
    await till.reads()
    assert Circuit.CLOSED is not breaker.circuit
    assert 3 == len(till.mint.reads)
    for _ in range(5):
        await till.reads()
    assert 3 == len(till.mint.reads)

    till.mint.replies.append(OUTAGE)
    await eventually(lambda: breaker.seconds_until_trial == 0)
    await till.time_comes()
    await till.reads()
    assert 4 == len(till.mint.reads)

    async def closed() -> bool:
        await till.catches_up()
        return breaker.circuit is Circuit.CLOSED

    await eventually(closed)
    await till.catches_up()
    assert 10 <= len(till.mint.reads)


async def test_two_replicas_read_what_is_due_once(open_tills: OpenTill) -> None:
    """Twenty due payments, two processes at the same moment: twenty reads."""
    mint = Mint()
    one, other = await open_tills(mint), await open_tills(mint)
    for _ in range(20):
        await one.invoice("20.00")
    mint.reads.clear()
    await one.time_comes()

    counts = await asyncio.gather(one.reads(), other.reads(), one.reads(), other.reads())

    assert 20 == sum(counts) == len(mint.reads) == len(set(mint.reads))


async def test_what_a_dead_process_had_claimed_is_read_after_its_lease(till: Till) -> None:
    """Claimed and never read: not due for the lease, and due again afterwards."""
    invoice = await till.invoice("20.00")
    assert invoice.provider_reference
    till.mint.arrives(invoice.provider_reference, "0.02")
    till.mint.becomes(invoice.provider_reference, State.FINISHED)
    await till.time_comes()
    lease = timedelta(minutes=2)
    (claimed,) = await till.db.run(lambda tx: writing.claim(tx, "mint", 8, lease))
    assert 0 == await till.reads()
    await till.time_comes()
    await till.reads()

    assert claimed.reference == invoice.provider_reference
    assert 2000 == await till.balance()
