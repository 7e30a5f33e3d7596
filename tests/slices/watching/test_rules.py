"""Each rule sees its trouble, says it once, and takes it back when it is over."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from payops.infra.scheduling import Job
from payops.infra.settings.watching import Watching
from payops.kernel.ids import new_id
from payops.ops.watching import queries
from payops.ops.watching.credentials import Credential, in_use
from payops.ops.watching.jobs import Watch
from payops.ops.watching.rules import RULES, Figures, Scene
from payops.switches import service as switches
from payops.withdrawals.ports import Declined
from tests.support import sql
from tests.support.rail import NO
from tests.support.shop import BARAKA, Shop

LOW_FLOAT = Declined("INSUFFICIENT_BALANCE", "Insufficient payout balance")


def watch(
    shop: Shop,
    *only: str,
    jobs: Sequence[Job] = (),
    credentials: Sequence[Credential] = (),
    **thresholds: Any,
) -> Watch:
    """A watch over the rules ``only``, so that one fact is looked at."""
    rules = [rule for rule in RULES if rule.name in only]
    assert len(only) == len(rules)
    return Watch(shop.db, Watching(**thresholds), jobs, lambda: credentials, rules)


async def details(shop: Shop) -> dict[str, tuple[int, int]]:
    """Figure and limit of each open alert of a rule."""
    rows = await shop.fetch(
        "SELECT key, detail FROM alerts WHERE resolved_at IS NULL AND detail ? 'figure'"
    )
    return {row["key"]: (row["detail"]["figure"], row["detail"]["limit"]) for row in rows}


async def test_unclear_payouts_are_added_up_in_shillings(shop: Shop) -> None:
    """Above the limit only, over all of them, until they are settled; what waits is not unclear."""
    first = await shop.is_lost(300)
    watching = watch(shop, "payout_exposure", exposure_kes=300)
    assert {} == await watching.look()

    second = await shop.is_lost(10, user=BARAKA)
    await shop.accepts(500)
    assert {"payout_exposure": 1} == await watching.look()
    assert {"payout_exposure": (310, 300)} == await details(shop)

    for txid, kes in ((first, 300), (second, 10)):
        await shop.hears({"transactionId": txid, "amountKES": kes, "status": "success"})
    await watching.look()
    assert {} == await details(shop)


async def test_a_queue_that_does_not_move_is_noticed_unless_it_is_halted(shop: Shop) -> None:
    """A rail that is away answers nothing: the age of what waits tells of it."""
    await shop.accepts(100)
    watching = watch(shop, "payouts_waiting", pending_minutes=10)
    assert {} == await watching.look()

    await shop.execute("UPDATE withdrawals SET created_at = now() - interval '12 minutes'")
    await watching.look()
    assert {"payouts_waiting:lipana": (12, 10)} == await details(shop)

    async with shop.db.transaction() as tx:
        await switches.halt(tx, "withdrawals", reason="a test", actor="person:jane")
    await watching.look()
    assert ["halted:withdrawals"] == await shop.alerts()


async def test_a_rate_of_failures_needs_enough_payouts_to_be_one(shop: Shop) -> None:
    """Two of four are half; of fewer than the least number nothing is said."""
    shop.rail.answers(NO, NO)
    for _ in range(4):
        txid = await shop.accepts(100)
        await shop.sends()
        await shop.hears({"transactionId": txid, "amountKES": 100, "status": "success"})

    assert {} == await watch(shop, "payout_failures", failure_count_min=5).look()
    assert (
        {} == await watch(shop, "payout_failures", failure_count_min=4, failure_percent=50).look()
    )
    await watch(shop, "payout_failures", failure_count_min=4, failure_percent=49).look()
    assert {"payout_failures:lipana": (50, 49)} == await details(shop)


async def test_silence_is_trouble_while_payouts_wait(shop: Shop) -> None:
    """One signed notification of that rail ends it; a forged one does not."""
    watching = watch(shop, "callbacks_silent", silence_minutes=15)
    await shop.is_sent(100)
    assert {} == await watching.look()

    await shop.execute("UPDATE withdrawals SET updated_at = now() - interval '20 minutes'")
    await shop.hears({"transactionId": "po_nobody", "status": "success"}, signed=False)
    await watching.look()
    assert {"callbacks_silent:lipana": (20, 15)} == await details(shop)

    await shop.hears({"transactionId": "po_nobody", "status": "success"})
    await watching.look()
    assert {} == await details(shop)


async def test_an_inbox_that_is_not_drained_is_noticed(shop: Shop) -> None:
    """By the age of the oldest that still waits for its effect."""
    await shop.hears({"transactionId": "po_nobody", "status": "success"})
    await shop.execute(
        "UPDATE webhook_deliveries SET state = 'pending', due_at = now(),"
        " received_at = now() - interval '3 minutes'"
    )
    await watch(shop, "inbox_backlog", inbox_seconds=180).look()
    assert {} == await details(shop)

    await watch(shop, "inbox_backlog", inbox_seconds=179).look()
    assert {"inbox_backlog:lipana": (180, 179)} == await details(shop)


async def test_badly_signed_notifications_are_counted(shop: Shop) -> None:
    """By source, in the last quarter of an hour."""
    for number in range(3):
        await shop.hears({"transactionId": f"po_{number}"}, signed=False)

    assert {} == await watch(shop, "signature_failures", rejected_callbacks=3).look()
    await watch(shop, "signature_failures", rejected_callbacks=2).look()
    assert {"signature_failures:lipana": (3, 2)} == await details(shop)


async def test_refusals_for_a_low_float_are_told_from_other_refusals(shop: Shop) -> None:
    """By the rail's code, however it is written; an hour later it is over."""
    shop.rail.answers(LOW_FLOAT, NO, LOW_FLOAT)
    for _ in range(3):
        await shop.accepts(100)
        await shop.sends()
    watching = watch(
        shop, "float_low", float_refusals=1, float_codes=("insufficient_balance", "E17")
    )

    await watching.look()
    assert {"float_low:lipana": (2, 1)} == await details(shop)

    await shop.execute("UPDATE withdrawals SET updated_at = now() - interval '16 minutes'")
    await watching.look()
    assert {} == await details(shop)


async def nothing() -> None:
    """A job of the tests; nobody runs it."""


def job(name: str, **when: Any) -> Job:
    return Job(name=name, run=nothing, timeout=timedelta(hours=1), **when)


async def ran(shop: Shop, name: str, ago: str, status: str = "done") -> None:
    """A run in the history, whose slot was ``ago``."""
    await shop.execute(
        "INSERT INTO job_runs (job, slot, replica, status, started_at, finished_at, lease_until)"
        f" VALUES ($1, now() - interval '{ago}', 'test', $2, now() - interval '{ago}',"
        " CASE WHEN $2 <> 'running' THEN now() END, now() + interval '1 minute')",
        name,
        status,
    )


async def test_a_reconciliation_that_was_not_finished_is_overdue(shop: Shop) -> None:
    """Only what was done counts; a job that never ran is measured from the first run of any."""
    jobs = [job("reconcile-mpesa", cron="0 2 * * *"), job("reconcile-crypto", cron="0 3 * * *")]
    watching = watch(shop, "reconciliation_overdue", jobs=jobs, reconciliation_hours=26)
    assert {} == await watching.look()

    await ran(shop, "ledger-verify", "40 hours")
    await ran(shop, "reconcile-mpesa", "27 hours")
    await ran(shop, "reconcile-mpesa", "3 hours", "failed")
    await watching.look()
    assert {
        "reconciliation_overdue:reconcile-crypto": (40, 26),
        "reconciliation_overdue:reconcile-mpesa": (27, 26),
    } == await details(shop)

    await ran(shop, "reconcile-mpesa", "1 minute")
    await ran(shop, "reconcile-crypto", "1 minute")
    await watching.look()
    assert {} == await details(shop)


async def test_a_slot_that_nobody_did_is_missed(shop: Shop) -> None:
    """Whether it was never run or failed; one that still runs is not."""
    every = timedelta(minutes=1)
    names = ("seal", "drain", "fold", "slow")
    jobs = [job(name, every=every) for name in names]
    watching = watch(shop, "job_missed", jobs=jobs, job_late_minutes=15)
    for name in (*names, queries.WATCH_JOB):
        await ran(shop, name, "16 minutes 30 seconds")
    await ran(shop, "seal", "2 minutes")
    await ran(shop, "drain", "2 minutes", "failed")
    await ran(shop, "slow", "14 minutes", "running")

    await watching.look()
    assert {"job_missed:drain", "job_missed:fold"} == set(await details(shop))
    (figure, limit) = (await details(shop))["job_missed:fold"]
    assert 15 == limit
    assert figure in (16, 17)


async def test_lateness_is_not_told_of_a_service_that_was_down(shop: Shop) -> None:
    """Its slots are caught up first: the watch itself must have run a while ago."""
    jobs = [job("fold", every=timedelta(minutes=1))]
    watching = watch(shop, "job_missed", jobs=jobs, job_late_minutes=15)
    await ran(shop, "fold", "5 hours")
    await ran(shop, queries.WATCH_JOB, "5 hours")
    await ran(shop, queries.WATCH_JOB, "1 minute")

    assert {} == await watching.look()


async def test_a_job_is_not_late_for_slots_before_the_service_began(shop: Shop) -> None:
    """An hourly job on a machine that was set up twenty minutes ago."""
    jobs = [job("hourly", every=timedelta(hours=30 * 24))]
    await ran(shop, queries.WATCH_JOB, "16 minutes")

    assert {} == await watch(shop, "job_missed", jobs=jobs, job_late_minutes=15).look()


async def test_keys_in_use_for_long_are_named(shop: Shop) -> None:
    """API keys by when they were made; revoked and ended ones are nobody's concern."""
    for name, more in (("old", ""), ("revoked", ", revoked_at = now()"), ("new", "")):
        await shop.execute(
            "INSERT INTO api_keys (id, name, owner, hash, scopes) VALUES ($1, $2, 'jane', $3, $4)",
            new_id(),
            name,
            name.ljust(32).encode(),
            ["ops:read"],
        )
        age = "1 day" if name == "new" else "400 days"
        await shop.execute(
            f"UPDATE api_keys SET created_at = now() - interval '{age}'{more} WHERE name = $1",
            name,
        )

    await watch(shop, "key_old", key_days=365).look()
    assert {"key_old:api_key:old": (400, 365)} == await details(shop)


async def test_a_secret_is_as_old_as_its_first_sight(shop: Shop) -> None:
    """It is noted once, by a keyed mark; another secret in its place begins anew."""
    first = Credential("PAYOPS_LIPANA__API_KEY", "aa")
    watching = watch(shop, "key_old", credentials=[first], key_days=365)
    await watching.look()
    await watching.look()
    (row,) = await shop.fetch(
        "SELECT subject, actor FROM audit_log WHERE kind = $1", queries.FIRST_SEEN
    )
    assert (first.subject, "system:watch") == (row["subject"], row["actor"])

    async with shop.db.transaction() as tx:
        now = await tx.fetchval("SELECT now() + interval '366 days'")
        days = await queries.credential_days(tx, [first, replace(first, mark="bb")], now)
    assert {"PAYOPS_LIPANA__API_KEY": 366} == days


async def test_the_marks_of_secrets_tell_nothing_of_them(shop: Shop) -> None:
    """The same for the same secret, different for different ones, and no part of any."""
    services = shop.services
    arguments = (services.fingerprints, services.personal_data)
    found = in_use(services.settings, *arguments)

    assert found == in_use(services.settings, *arguments)
    assert {"PAYOPS_LIPANA__API_KEY", "PAYOPS_LIPANA__WEBHOOK_SECRET", "PAYOPS_PII__KEYS"} <= {
        one.name for one in found
    }
    assert len(found) == len({one.mark for one in found})
    assert {16} == {len(one.mark) for one in found}


async def test_trouble_that_goes_on_is_one_alert(shop: Shop) -> None:
    """Counted, with the newest figure; people hear of it once."""
    await shop.is_lost(300)
    watching = watch(shop, "payout_exposure", exposure_kes=100)
    for _ in range(3):
        await watching.look()

    (row,) = await shop.fetch("SELECT count, severity, kind FROM alerts")
    notices = await shop.fetch("SELECT kind FROM alert_notices")
    assert (3, "critical", "payout_exposure") == (row["count"], row["severity"], row["kind"])
    assert ["raised"] == [notice["kind"] for notice in notices]


async def test_a_rule_that_is_switched_off_takes_its_alerts_back(shop: Shop) -> None:
    """0 is off, whatever the figure."""
    await shop.is_lost(300)
    await watch(shop, "payout_exposure", exposure_kes=100).look()
    await watch(shop, "payout_exposure", exposure_kes=0).look()

    assert [] == await shop.alerts()


async def test_a_rule_that_fails_stops_no_other(shop: Shop) -> None:
    """The run fails, what could be looked at was, and the failing rule's alerts stay."""

    async def broken(_: Any, __: Scene) -> Figures:
        raise LookupError("planted")

    await shop.is_lost(300)
    working = watch(shop, "payout_exposure", exposure_kes=100)
    before = replace(RULES[1], look=broken)
    with pytest.raises(ExceptionGroup) as failure:
        await replace(working, rules=[before, *working.rules]).look()

    assert [LookupError] == [type(error) for error in failure.value.exceptions]
    assert ["payout_exposure"] == await shop.alerts()


async def test_an_hour_is_a_range_of_ids(shop: Shop) -> None:
    """The bound lies before every id of its millisecond and after every one of the one before."""
    bound = queries._since("interval '0 seconds'")
    moment, low = await sql.fetchval(shop.db, f"SELECT (now(), {bound})")

    milliseconds = int(moment.timestamp() * 1000)
    assert milliseconds == low.int >> 80
    assert 0 == low.int & ((1 << 80) - 1)


async def test_every_process_watches(shop: Shop) -> None:
    """The job is there with every rule; a first look at an empty house finds nothing."""
    names = {job.name for job in shop.services.scheduler._jobs.values()}
    run = await shop.services.scheduler.run_and_wait(queries.WATCH_JOB)

    assert queries.WATCH_JOB in names
    assert ("done", "{}") == (run.status.value, run.result)
