"""Alerts are raised once, counted while they last, and resolved."""

import asyncio
from typing import Any

import pytest
import structlog

from payops.alerts import service
from payops.alerts.domain import Alert, AlertRecord, Severity
from payops.infra.db import Database
from tests.support import sql


def rail_down(severity: Severity = Severity.WARNING, **fields: Any) -> Alert:
    given = {"summary": "The rail does not answer.", "detail": {"failures": 10}} | fields
    return Alert(key="rail_down:lipana", kind="rail_down", severity=severity, **given)


async def raised(database: Database, *alerts: Alert) -> list[Any]:
    """The log lines of raising ``alerts``, each in a transaction of its own."""
    with structlog.testing.capture_logs() as lines:
        for alert in alerts:
            async with database.transaction() as tx:
                await service.raise_alert(tx, alert)
    return lines


async def opened(database: Database) -> list[AlertRecord]:
    async with database.transaction(read_only=True) as tx:
        return await service.list_open(tx)


async def test_an_alert_is_listed_until_it_is_resolved(database: Database) -> None:
    """It is kept as it was raised, and gone when the trouble is."""
    await raised(database, rail_down())
    (alert,) = await opened(database)

    assert ("rail_down:lipana", "rail_down", Severity.WARNING, 1) == (
        alert.key,
        alert.kind,
        alert.severity,
        alert.count,
    )
    assert ("The rail does not answer.", {"failures": 10}) == (alert.summary, alert.detail)

    async with database.transaction() as tx:
        assert await service.resolve_alert(tx, alert.key)
    assert [] == await opened(database)


async def test_the_same_trouble_again_is_counted_and_logged_once(database: Database) -> None:
    """One row and one line, however often; the newest words are kept."""
    lines = await raised(database, rail_down(), rail_down(), rail_down(detail={"failures": 12}))

    (alert,) = await opened(database)
    assert (3, {"failures": 12}) == (alert.count, alert.detail)
    assert alert.raised_at <= alert.last_seen_at
    assert [("alert.raised", "warning", "rail_down:lipana")] == [
        (line["event"], line["log_level"], line["key"]) for line in lines
    ]


async def test_trouble_that_gets_worse_is_news(database: Database) -> None:
    """A rise in severity is logged again; a fall is not, and does not lower the alert."""
    lines = await raised(
        database, rail_down(), rail_down(Severity.CRITICAL), rail_down(Severity.INFO)
    )

    (alert,) = await opened(database)
    assert (Severity.CRITICAL, 3) == (alert.severity, alert.count)
    assert ["warning", "critical"] == [line["log_level"] for line in lines]


async def test_resolved_trouble_that_comes_back_is_new(database: Database) -> None:
    """The old row stays as history, the new one starts at one."""
    await raised(database, rail_down(), rail_down())
    async with database.transaction() as tx:
        await service.resolve_alert(tx, "rail_down:lipana")

    lines = await raised(database, rail_down())

    (alert,) = await opened(database)
    assert (1, 1) == (alert.count, len(lines))
    assert 2 == await sql.fetchval(database, "SELECT count(*) FROM alerts")


async def test_resolving_is_logged_only_when_there_was_an_alert(database: Database) -> None:
    """Jobs may say "all is well" on every run."""
    await raised(database, rail_down())
    with structlog.testing.capture_logs() as lines:
        for expected in (True, False):
            async with database.transaction() as tx:
                assert expected == await service.resolve_alert(tx, "rail_down:lipana")

    assert [("alert.resolved", "rail_down:lipana")] == [(x["event"], x["key"]) for x in lines]


async def test_an_alert_falls_with_its_transaction(database: Database) -> None:
    """What was rolled back is neither stored nor logged."""

    async def raise_and_fail() -> None:
        async with database.transaction() as tx:
            await service.raise_alert(tx, rail_down())
            raise ZeroDivisionError

    with structlog.testing.capture_logs() as lines, pytest.raises(ZeroDivisionError):
        await raise_and_fail()

    assert ([], []) == (lines, await opened(database))


async def test_the_worst_comes_first(database: Database) -> None:
    """Severity before age."""
    for key, severity in (("a", Severity.INFO), ("b", Severity.CRITICAL), ("c", Severity.WARNING)):
        await raised(database, Alert(key=key, kind="test", severity=severity, summary="Test."))

    assert ["b", "c", "a"] == [alert.key for alert in await opened(database)]


async def test_raised_at_the_same_time_it_is_still_one(database: Database) -> None:
    """Concurrent raisers of one trouble share a row."""
    await asyncio.gather(*(raised(database, rail_down()) for _ in range(8)))

    (alert,) = await opened(database)
    assert 8 == alert.count
