"""The overview counts what really happened, and says what it does not know."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from payops.app import overview_desk_of
from payops.ops.overview.schemas import HourReply, OverviewReply
from payops.ops.overview.service import OverviewDesk
from payops.switches import service as switches
from payops.withdrawals.domain import State
from tests.support.past import was_accepted
from tests.support.people import ask_resolve
from tests.support.postgres import connected
from tests.support.shop import BARAKA, Shop
from tests.support.till import Till

HOUR = timedelta(hours=1)


async def seen(house: Shop | Till) -> OverviewReply:
    """As a process that has not looked before sees it."""
    return OverviewReply.of(await overview_desk_of(house.services).overview())


async def hour_of(house: Shop | Till, since: datetime) -> HourReply:
    reply = await seen(house)
    assert reply.hours
    (found,) = [hour for hour in reply.hours.each if hour.since == since]
    return found


def hours_ago(hours: int) -> datetime:
    """When the hour began that long before this one."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - hours * HOUR


async def test_of_an_empty_service_everything_is_zero_and_nothing_is_wrong(shop: Shop) -> None:
    """And what was never done is said to be so, rather than to be well."""
    reply = await seen(shop)

    assert {"database": "ok", "migrations": "ok"} == reply.health.checks
    assert ([], None, None) == (
        reply.health.halted,
        reply.health.books,
        reply.health.audit_sealed_until,
    )
    assert {"critical": 0, "warning": 0, "info": 0} == reply.health.open_alerts
    assert (0, "0.00", 0) == (
        reply.exposure.held.count,
        reply.exposure.held.amount.amount,
        reply.exposure.held.oldest_seconds,
    )
    assert reply.hours
    assert (24, 0, None) == (
        len(reply.hours.each),
        reply.hours.accepted,
        reply.hours.paid_p50_seconds,
    )
    assert {(None, None, None)} == {(j.slot, j.status, j.overdue_minutes) for j in reply.jobs}


async def test_held_money_is_told_by_state_and_what_may_have_been_paid_apart(shop: Shop) -> None:
    """Of all that is not final, and with the age of the oldest; what is final is not held."""
    paid = await shop.is_sent(70)
    await shop.hears({"transactionId": paid, "amountKES": 70, "status": "success"})
    lost = await shop.is_lost(300, user=BARAKA)
    await shop.accepts(500)
    await shop.execute(
        "UPDATE withdrawals SET first_sent_at = now() - interval '2 hours' WHERE state = $1",
        State.UNRESOLVED.value,
    )

    exposure = (await seen(shop)).exposure

    assert (2, "800.00") == (exposure.held.count, exposure.held.amount.amount)
    assert (1, "300.00") == (exposure.unclear.count, exposure.unclear.amount.amount)
    assert 7_200 <= exposure.unclear.oldest_seconds == exposure.held.oldest_seconds < 7_260
    assert {State.PENDING, State.UNRESOLVED} == {one.state for one in exposure.by_state}
    assert State.UNRESOLVED == await shop.state_of(lost)


async def test_what_waits_for_the_worker_and_for_people_is_counted(shop: Shop) -> None:
    """Due now and not later; a notification that is parked; an act that needs a second person."""
    lost = await shop.is_lost(300)
    await shop.accepts(50, user=BARAKA)
    await shop.execute("UPDATE withdrawals SET due_at = now() - interval '90 seconds'")
    await shop.accepts(60)
    await shop.execute(
        "UPDATE withdrawals SET due_at = now() + interval '1 hour' WHERE amount = 6000"
    )
    await shop.hears(b"no JSON at all")
    await ask_resolve(shop, lost)

    work = (await seen(shop)).work

    assert 2 == work.withdrawals_due
    assert 90 <= work.withdrawals_due_seconds < 150
    assert [("parked", 1)] == [(one.state, one.count) for one in work.inbox]
    assert (1, 0) == (work.approvals_pending, work.invoices_in_review)


async def test_a_halt_and_the_alert_of_it_are_in_the_health(shop: Shop) -> None:
    """Both, because an alert can be acknowledged and forgotten."""
    async with shop.db.transaction() as tx:
        await switches.halt(tx, "withdrawals", reason="rail down", actor="key:tests")

    health = (await seen(shop)).health

    assert ["withdrawals"] == health.halted
    assert {"critical": 1, "warning": 0, "info": 0} == health.open_alerts


async def test_payouts_are_told_by_the_hour_they_were_accepted_in(shop: Shop) -> None:
    """Paid sums and percentiles are of those that were paid; older ones are not in it at all."""
    since = hours_ago(3)
    for number in range(3):
        txid = await shop.is_sent(100)
        await shop.hears({"transactionId": txid, "amountKES": 100, "status": "success"})
        at = since + timedelta(minutes=10 + number)
        await was_accepted(shop.db, txid, at, seconds=10 * number)
    failed = await shop.is_sent(200, user=BARAKA)
    await shop.hears(
        {"transactionId": failed, "amountKES": 200, "status": "failed", "errorMessage": "no float"}
    )
    await was_accepted(shop.db, failed, since, seconds=5)
    for old in (await shop.accepts(40), await shop.accepts(40)):
        await was_accepted(shop.db, old, since - 24 * HOUR, seconds=0)

    found = await hour_of(shop, since)

    assert (4, 3, 1, "300.00") == (
        found.accepted,
        found.completed,
        found.failed,
        found.paid.amount,
    )
    assert (10, 20) == (found.paid_p50_seconds, found.paid_p95_seconds)
    assert "+03:00" == found.since.isoformat()[-6:]
    reply = await seen(shop)
    assert reply.hours
    assert (4, 10, 20) == (
        reply.hours.accepted,
        reply.hours.paid_p50_seconds,
        reply.hours.paid_p95_seconds,
    )


async def test_a_deposit_counts_in_the_hour_of_its_credit_in_each_currency(till: Till) -> None:
    """What was posted, not what invoices say: more money to the same invoice is one more."""
    first = await till.invoice("20.00")
    await till.settles(first, "0.02")
    await till.settles(await till.invoice("1300.00", "KES"), "0.01")
    await till.invoice("5.00")

    reply = await seen(till)

    assert reply.hours
    assert 2 == reply.hours.deposits_credited
    assert [("KES", "1300.00"), ("USD", "20.00")] == [
        (one.currency, one.amount) for one in reply.hours.deposit_sums
    ]
    assert 2 == sum(hour.deposits_credited for hour in reply.hours.each[-2:])
    assert 1 == reply.work.deposits.pending


async def test_the_books_stand_as_the_last_check_left_them(shop: Shop) -> None:
    """With the names of what does not hold, and when that was seen."""
    await shop.services.scheduler.run_and_wait("ledger-verify")
    right = (await seen(shop)).health.books
    await shop.execute(
        "INSERT INTO wallets (user_id, currency, available, held, version)"
        " VALUES ('x', 'KES', 5, 0, 1)"
    )
    await shop.services.scheduler.run_and_wait("ledger-verify")
    wrong = (await seen(shop)).health.books
    await shop.execute("DELETE FROM wallets WHERE user_id = 'x'")

    assert right
    assert (True, []) == (right.ok, right.violations)
    assert wrong
    assert not wrong.ok
    assert wrong.violations
    assert right.checked_at < wrong.checked_at


@pytest.mark.parametrize(
    ("status", "result"), [("failed", None), ("done", '{"violations": ["one that was cut sh')]
)
async def test_a_check_that_says_nothing_is_not_taken_for_a_good_one(
    shop: Shop, status: str, result: str | None
) -> None:
    """It failed itself, or its result cannot be read; and one under way says nothing yet."""
    for age, state, said in (("2 hours", status, result), ("1 minute", "running", None)):
        await shop.execute(
            "INSERT INTO job_runs (job, slot, replica, status, started_at, finished_at,"
            " lease_until, result) VALUES ('ledger-verify', now() - $1::text::interval, 'test',"
            " $2, now(), CASE WHEN $2 <> 'running' THEN now() END, now() + interval '1 hour', $3)",
            age,
            state,
            said,
        )

    reply = await seen(shop)

    assert reply.health.books
    assert (False, []) == (reply.health.books.ok, reply.health.books.violations)
    (job,) = [job for job in reply.jobs if job.name == "ledger-verify"]
    assert "running" == job.status


async def test_a_job_is_overdue_also_when_nothing_runs_at_all(shop: Shop) -> None:
    """The watch itself is dead then and raises no alert: the overview is where it is seen."""
    for job in ("webhook-drain", "watch"):
        await shop.execute(
            "INSERT INTO job_runs (job, slot, replica, status, started_at, finished_at,"
            " lease_until) VALUES ($1, now() - interval '2 hours', 'test', 'done',"
            " now() - interval '2 hours', now() - interval '2 hours', now() - interval '2 hours')",
            job,
        )

    jobs = {job.name: job for job in (await seen(shop)).jobs}

    late = jobs["webhook-drain"].overdue_minutes
    assert late is not None
    assert 15 <= late <= 17
    assert jobs["watch"].overdue_minutes is not None


async def test_the_hours_are_read_once_a_minute_whoever_looks(shop: Shop) -> None:
    """Everything else is fresh each time; they bear the time they were read at."""
    desk = overview_desk_of(shop.services)
    first = await desk.overview()
    await shop.accepts(100)
    second, third = await asyncio.gather(desk.overview(), desk.overview())

    assert first.hours
    assert first.hours is second.hours is third.hours
    assert (0, 1, 1) == tuple(one.exposure.held.count for one in (first, second, third))


async def test_hours_that_cannot_be_read_in_time_hide_nothing_else(shop: Shop) -> None:
    """They are missing and said to be; the rest is told."""
    await shop.accepts(100)
    desk = overview_desk_of(shop.services)
    impatient = OverviewDesk(
        shop.db,
        shop.services.scheduler,
        desk._switches,
        desk._approvals,
        desk._crypto,
        late_minutes=15,
        hours_seconds_max=1,
    )
    url = shop.services.settings.database_url
    assert url
    async with connected(url.get_secret_value()) as other, other.transaction():
        await other.execute("LOCK TABLE journals")
        reply = OverviewReply.of(await impatient.overview())

    assert reply.hours is None
    assert 1 == reply.exposure.held.count
