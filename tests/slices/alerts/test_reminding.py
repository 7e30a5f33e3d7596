"""Critical alerts that nobody takes on are told again; whoever takes one on ends that."""

from typing import Any

import pytest
import structlog

from payops.alerts import service
from payops.alerts.domain import Severity
from payops.alerts.errors import AlertNotFound, AlertResolved
from payops.infra.db import Database
from payops.kernel.ids import new_id
from tests.support import sql
from tests.support.newsroom import KEY, FakeChannel, Newsroom

WARNING, CRITICAL = Severity.WARNING, Severity.CRITICAL


@pytest.fixture
def pager() -> FakeChannel:
    return FakeChannel()


@pytest.fixture
def room(database: Database, pager: FakeChannel) -> Newsroom:
    return Newsroom(database, pager)


async def test_a_critical_alert_is_told_again_and_marked_so(
    room: Newsroom, pager: FakeChannel
) -> None:
    """After half an hour, then after twice as long each time."""
    await room.raises(CRITICAL)
    await room.works()
    heard = []
    for minutes in (29, 2, 58, 3, 118, 3):
        await room.minutes_pass(minutes)
        await room.works()
        heard.append(len(pager.heard))

    assert [1, 2, 2, 3, 3, 4] == heard
    assert ["raised", "escalated", "escalated", "escalated"] == pager.story
    assert "Still open and not acknowledged: The rail does not answer." == pager.heard[1].headline


async def test_what_is_not_critical_is_not_told_again(room: Newsroom, pager: FakeChannel) -> None:
    """A warning can wait for the morning."""
    await room.raises(WARNING)
    await room.works()
    await room.minutes_pass(600)
    await room.works()

    assert ["raised"] == pager.story


async def test_a_warning_that_became_critical_is(room: Newsroom, pager: FakeChannel) -> None:
    """Counted from the moment it was told as critical."""
    await room.raises(WARNING)
    await room.works()
    await room.minutes_pass(600)
    await room.raises(CRITICAL)
    await room.works()
    await room.minutes_pass(31)
    await room.works()

    assert ["raised", "worsened", "escalated"] == pager.story


async def test_whoever_takes_it_on_ends_the_reminders(room: Newsroom, pager: FakeChannel) -> None:
    """Those who were told hear that somebody is at it; not who."""
    await room.raises(CRITICAL)
    await room.works()
    assert await room.acknowledges(by="person:jane")
    await room.works()
    await room.minutes_pass(600)
    await room.works()

    assert ["raised", "acknowledged"] == pager.story
    assert "jane" not in repr(pager.heard)


async def test_taking_it_on_twice_changes_nothing(
    room: Newsroom, pager: FakeChannel, database: Database
) -> None:
    """The first stays named."""
    await room.raises(CRITICAL)

    assert await room.acknowledges(by="person:jane")
    assert not await room.acknowledges(by="person:joe")

    await room.works()
    assert ["raised", "acknowledged"] == pager.story
    assert "person:jane" == await sql.fetchval(database, "SELECT acknowledged_by FROM alerts")


async def test_worse_trouble_asks_for_somebody_anew(room: Newsroom, pager: FakeChannel) -> None:
    """Whoever took on the warning did not know how bad it would be."""
    await room.raises(WARNING)
    await room.acknowledges()
    await room.works()
    await room.raises(CRITICAL)
    await room.works()
    await room.minutes_pass(31)
    await room.works()
    assert ["raised", "acknowledged", "worsened", "escalated"] == pager.story

    assert await room.acknowledges()


def by(name: str) -> dict[str, Any]:
    return {"whose": "by", "detail": {"by": name, "reason": f"{name} knows why"}}


async def test_the_same_of_somebody_else_is_told_anew(
    room: Newsroom, pager: FakeChannel, database: Database
) -> None:
    """Whoever took on the first did not know of the second: it is taken on anew, or reminded of."""
    await room.raises(CRITICAL, **by("jane"))
    await room.acknowledges()
    await room.works()
    await room.raises(CRITICAL, **by("mary"))
    await room.works()
    await room.minutes_pass(31)
    await room.works()

    assert ["raised", "acknowledged", "renewed", "escalated"] == pager.story
    assert "Again, by another: The rail does not answer." == pager.heard[2].headline
    assert {"by": "mary", "reason": "mary knows why"} == pager.heard[2].detail
    assert 2 == await sql.fetchval(database, "SELECT count FROM alerts")
    assert await room.acknowledges()


async def test_the_same_of_the_same_person_is_not(room: Newsroom, pager: FakeChannel) -> None:
    """They know; nor is it where nobody asks whose it is."""
    for reason in ("first", "second"):
        detail = {"by": "jane", "reason": reason}
        await room.raises(CRITICAL, whose="by", detail=detail)
        await room.raises(CRITICAL, key="other", detail={"by": reason})
    await room.works()

    assert ["raised", "raised"] == pager.story


async def test_what_two_began_before_anybody_was_told_is_told_of_both(
    room: Newsroom, pager: FakeChannel
) -> None:
    """One message each, in their order."""
    await room.raises(CRITICAL, **by("jane"))
    await room.raises(CRITICAL, **by("mary"))
    await room.works()
    await room.resolves()
    await room.minutes_pass(11)
    await room.works()

    assert ["raised", "renewed", "resolved"] == pager.story
    assert ["jane", "mary", "mary"] == [notice.detail["by"] for notice in pager.heard]


async def test_told_anew_as_less_it_stays_as_bad_as_people_know_it(
    room: Newsroom, pager: FakeChannel
) -> None:
    """That it is as bad again as it was is no news."""
    await room.raises(CRITICAL, **by("jane"))
    await room.works()
    await room.resolves()
    await room.raises(WARNING, **by("jane"))
    await room.raises(WARNING, **by("mary"))
    await room.works()
    await room.raises(CRITICAL)
    await room.works()

    assert ["raised", "renewed"] == pager.story


async def test_what_is_over_is_not_told_again(room: Newsroom, pager: FakeChannel) -> None:
    """Not even while "over" is still held back."""
    await room.raises(CRITICAL)
    await room.works()
    await room.minutes_pass(29)
    await room.resolves()
    await room.minutes_pass(5)
    await room.works()
    assert ["raised"] == pager.story

    await room.minutes_pass(600)
    await room.works()
    assert ["raised", "resolved"] == pager.story


async def test_what_flaps_while_somebody_is_at_it_reminds_nobody(
    room: Newsroom, pager: FakeChannel
) -> None:
    """It is the same episode, and they have it."""
    await room.raises(CRITICAL)
    await room.works()
    await room.acknowledges()
    await room.works()
    await room.resolves()
    await room.raises(CRITICAL)
    await room.works()
    await room.minutes_pass(600)
    await room.works()

    assert ["raised", "acknowledged"] == pager.story


async def test_nothing_and_what_is_over_cannot_be_taken_on(
    room: Newsroom, database: Database
) -> None:
    """Each is said as it is."""
    await room.raises()
    alert_id = await sql.fetchval(database, "SELECT id FROM alerts")
    await room.resolves()

    async with database.transaction() as tx:
        with pytest.raises(AlertResolved):
            await service.acknowledge(tx, alert_id, by="person:jane")
        with pytest.raises(AlertNotFound):
            await service.acknowledge(tx, new_id(), by="person:jane")


async def test_the_figures_say_how_long_somebody_has_waited(room: Newsroom) -> None:
    """Per channel, and for what no channel was given yet; nothing waits, nothing is shown."""
    await room.raises(CRITICAL)
    await room.minutes_pass(5)
    await room.delivery.set_figures()
    assert {"undecided": 300} == waiting(room)

    await room.planner.plan()
    await room.minutes_pass(2)
    await room.delivery.set_figures()
    assert {"pager": 120} == waiting(room)
    assert b'payops_alerts_open{severity="critical"} 1.0' in room.metrics.render()

    await room.works()
    await room.delivery.set_figures()
    assert {} == waiting(room)


def waiting(room: Newsroom) -> dict[str, int]:
    (family,) = room.metrics.oldest_undelivered_alert_seconds.collect()
    return {
        sample.labels["channel"]: int(sample.value) for sample in family.samples if sample.value
    }


async def test_nothing_personal_is_kept_or_leaves(room: Newsroom, pager: FakeChannel) -> None:
    """Numbers, addresses and credentials are taken out, whatever was raised."""
    await room.raises(
        summary="Payout to 254700000012 for jane.doe@betrix.example failed.",
        detail={
            "phone": "0700000012",
            "note": "call +254 700 000 012",
            "userId": "usr_amina",
            "nested": {"email": "jane@betrix.example", "key": "sk_live_abcdefghijkl"},
            "withdrawal": "wd_01h455vb4pex5vsknk084sn02q",
        },
    )
    await room.works()

    (notice,) = pager.heard
    said = f"{notice.headline} {notice.facts}"
    for personal in ("2547", "700000012", "700 000 012", "jane", "amina", "sk_live"):
        assert personal not in said
    assert "wd_01h455vb4pex5vsknk084sn02q" in said


async def test_an_alert_names_its_runbook(database: Database) -> None:
    """As a link where there is an address, else as the file's name."""
    for url, expected in (
        (
            "https://wiki.betrix.example/books/",
            "https://wiki.betrix.example/books/provider-outage.md",
        ),
        (None, "docs/runbooks/provider-outage.md"),
    ):
        pager = FakeChannel(f"to-{bool(url)}")
        room = Newsroom(database, pager, runbooks_url=url)
        await room.raises(key=f"runbook:{url}")
        await room.raises(key=f"none:{url}", kind="nobody_knows")
        await room.works()

        contents = expected.replace("provider-outage", "README")
        assert [expected, contents] == [notice.runbook for notice in pager.heard]


async def test_a_broken_channel_is_a_failure_like_any_other(
    database: Database,
) -> None:
    """An error of the adapter's own is logged, and the message is tried again."""

    class Broken(FakeChannel):
        async def deliver(self, notice: object) -> None:  # type: ignore[override]
            raise ZeroDivisionError

    room = Newsroom(database, Broken())
    await room.raises()
    with structlog.testing.capture_logs() as lines:
        await room.works()

    assert [("pager", "raised", "pending")] == await room.states()
    assert {"alert.channel_broken", "alert.delivery_failed"} <= {line["event"] for line in lines}
    assert KEY == lines[-1]["key"]
