"""An alert's whole way: from the transaction that raises it to Slack, PagerDuty and a mailbox."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from payops import bootstrap
from payops.alerts import service as alerts
from payops.alerts.domain import Severity
from payops.bootstrap import Services
from payops.infra.db import Database
from payops.worker import Worker
from tests.support import collector, smtp, sql
from tests.support.commands import Payops
from tests.support.newsroom import KEY, trouble
from tests.support.rail import FakeRail
from tests.support.shop import settings_of
from tests.support.waiting import eventually

ROUTING_KEY = "R0000000000000000000000000MADEUP"


@asynccontextmanager
async def working(url: str, **channels: Any) -> AsyncIterator[Services]:
    """A replica with its worker running; polling is too slow to be what a test waits for."""
    overrides = {"alerts": {"quiet_minutes": 0, **channels}, "worker": {"poll_ms": 60_000}}
    services = bootstrap.build(settings_of(url, overrides), rail=FakeRail())
    worker = Worker(services)
    worker.start()
    try:
        yield services
    finally:
        await worker.stop()
        await services.close()


async def raise_in(db: Database, severity: Severity = Severity.WARNING) -> None:
    async with db.transaction() as tx:
        await alerts.raise_alert(tx, trouble(severity))


async def resolve_in(db: Database) -> None:
    async with db.transaction() as tx:
        await alerts.resolve_alert(tx, KEY)


async def test_an_alert_reaches_every_channel_at_once(url: str) -> None:
    """Woken by the commit; then worse, then over, in this order everywhere."""
    async with (
        collector.collector() as slack,
        collector.collector(usual=collector.ACCEPTED) as pagerduty,
        smtp.relay() as relay,
        working(
            url,
            slack_webhook_url=f"{slack.url}/services/T/B/x",
            pagerduty_routing_key=ROUTING_KEY,
            pagerduty_url=pagerduty.url,
            smtp_url=f"smtp://127.0.0.1:{relay.port}",
            email_from="payops@betrix.example",
            email_to=("duty@betrix.example",),
        ) as services,
    ):
        await raise_in(services.db)
        await raise_in(services.db, Severity.CRITICAL)
        await eventually(lambda: len(pagerduty.bodies) == 2)
        await resolve_in(services.db)
        await eventually(lambda: len(pagerduty.bodies) == 3)
        await eventually(lambda: len(slack.bodies) == 3)
        await eventually(lambda: len(relay.messages) == 3)

    assert ["trigger", "trigger", "resolve"] == [b["event_action"] for b in pagerduty.bodies]
    assert {KEY} == {body["dedup_key"] for body in pagerduty.bodies}
    assert ["[warning] The", "[critical] Worse:", "[critical] Over:"] == [
        " ".join(body["text"].split()[:2]) for body in slack.bodies
    ]
    assert ["warning: The", "critical: Worse:", "critical: Over:"] == [
        " ".join(message["Subject"].removeprefix("[payops test] ").split()[:2])
        for message in relay.messages
    ]


async def test_one_channel_that_hangs_holds_up_no_other(url: str) -> None:
    """Slack never answers; the pager goes off."""
    async with (
        collector.collector(collector.HANG) as slack,
        collector.collector(usual=collector.ACCEPTED) as pagerduty,
        working(
            url,
            slack_webhook_url=slack.url,
            pagerduty_routing_key=ROUTING_KEY,
            pagerduty_url=pagerduty.url,
        ) as services,
    ):
        await raise_in(services.db)
        await eventually(lambda: pagerduty.bodies and slack.bodies)
        await raise_in(services.db, Severity.CRITICAL)
        await eventually(lambda: len(pagerduty.bodies) == 2)

    assert 1 == len(slack.bodies)


async def test_a_process_that_dies_after_sending_makes_no_second_incident(url: str) -> None:
    """PagerDuty had it, nobody wrote that down: the copy joins the incident that is open."""
    async with collector.collector(collector.HANG, usual=collector.ACCEPTED) as pagerduty:
        channels = {"pagerduty_routing_key": ROUTING_KEY, "pagerduty_url": pagerduty.url}
        services = bootstrap.build(settings_of(url, {"alerts": channels}), rail=FakeRail())
        await raise_in(services.db)
        await services.alerts.planner.plan()
        dying = asyncio.create_task(services.alerts.couriers[0].deliver_due())
        await eventually(lambda: pagerduty.bodies)
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
        await sql.execute(services.db, "UPDATE alert_deliveries SET leased_until = now()")
        await services.close()

        async with working(url, **channels) as after:
            await eventually(lambda: len(pagerduty.bodies) == 2)
            await eventually(lambda: is_delivered(after.db))

    assert ["trigger", "trigger"] == [body["event_action"] for body in pagerduty.bodies]
    assert 1 == len({body["dedup_key"] for body in pagerduty.bodies})


async def is_delivered(db: Database) -> bool:
    states = await sql.fetchval(db, "SELECT array_agg(state) FROM alert_deliveries")
    return bool(["delivered"] == states)


async def test_two_replicas_deliver_each_message_once(url: str) -> None:
    """Both hear of it, one has it."""
    async with collector.collector() as slack:
        channels = {"slack_webhook_url": slack.url}
        async with working(url, **channels) as one, working(url, **channels) as other:
            for number, services in enumerate([one, other] * 5):
                async with services.db.transaction() as tx:
                    await alerts.raise_alert(tx, trouble(key=f"trouble:{number}"))
                # Both look at the same time, whoever's commit it was.
                one.wakeups.wake_all()
                other.wakeups.wake_all()
            await eventually(lambda: len(slack.bodies) == 10)
            await asyncio.gather(
                *(s.alerts.planner.plan() for s in (one, other)),
                *(s.alerts.couriers[0].deliver_due() for s in (one, other)),
            )

    assert 10 == len(slack.bodies)


async def test_the_command_line_tries_each_channel(url: str, tmp_path: Path) -> None:
    """One message each, what became of it, and an exit code."""
    async with (
        collector.collector() as slack,
        collector.collector("500 No\r\ncontent-length: 0\r\n\r\n") as pagerduty,
    ):
        payops = Payops.on(
            url,
            tmp_path,
            PAYOPS_ALERTS__SLACK_WEBHOOK_URL=slack.url,
            PAYOPS_ALERTS__PAGERDUTY_ROUTING_KEY=ROUTING_KEY,
            PAYOPS_ALERTS__PAGERDUTY_URL=pagerduty.url,
        )
        ended = await asyncio.to_thread(payops.run, "alerts", "test", "--json")

    assert 1 == ended.code
    assert {
        "ok": False,
        "channels": [
            {"channel": "slack", "ok": True, "detail": "delivered"},
            {"channel": "pagerduty", "ok": False, "detail": "failed: HTTP 500"},
        ],
    } == ended.json
    assert slack.bodies[0]["text"].startswith("[info] Test: ")


def test_the_command_line_says_when_nobody_is_told(url: str, tmp_path: Path) -> None:
    """That alerts go to the log only is something to know, so it is exit code 1."""
    ended = Payops.on(url, tmp_path).run("alerts", "test")

    assert (1, True) == (ended.code, "the log only" in ended.out)


async def test_the_command_line_lists_alerts_and_takes_one_on(
    url: str, database: Database, tmp_path: Path
) -> None:
    """By the id that the list shows."""
    payops = Payops.on(url, tmp_path)
    await raise_in(database)
    (shown,) = (await asyncio.to_thread(payops.run, "alerts", "list", "--json")).json["data"]

    taken = await asyncio.to_thread(
        payops.run, "alerts", "acknowledge", shown["id"], "--actor", "jane", "--json"
    )
    await resolve_in(database)
    past = await asyncio.to_thread(payops.run, "alerts", "list", "--past")

    assert (0, "person:jane") == (taken.code, taken.json["acknowledgedBy"])
    assert "person:jane" in past.out
    assert [] == (await asyncio.to_thread(payops.run, "alerts", "list", "--json")).json["data"]
