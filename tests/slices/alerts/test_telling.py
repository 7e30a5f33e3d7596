"""What people hear of alerts: once, in order, and only what concerns them."""

import asyncio
import contextvars
import random
from datetime import timedelta

import structlog

from payops.alerts import service
from payops.alerts.domain import Severity
from payops.alerts.ports import Failed, Refused
from payops.infra.db import Database
from tests.support import postgres, sql
from tests.support.newsroom import KEY, FakeChannel, Newsroom
from tests.support.waiting import eventually

INFO, WARNING, CRITICAL = Severity
AN_HOUR = timedelta(hours=1)


async def test_trouble_is_told_once_however_often_it_is_seen(database: Database) -> None:
    """Each channel hears of it; that it goes on is no news."""
    pager, chat = FakeChannel("pager"), FakeChannel("chat")
    room = Newsroom(database, pager, chat)

    await room.raises(WARNING, WARNING)
    await room.works()
    await room.raises(WARNING, INFO)
    await room.works()

    assert (["raised"], ["raised"]) == (pager.story, chat.story)


async def test_worse_trouble_is_told_once_more(database: Database) -> None:
    """And what gets better without being over is not."""
    pager = FakeChannel()
    room = Newsroom(database, pager)

    await room.raises(WARNING)
    await room.works()
    await room.raises(CRITICAL, CRITICAL, WARNING)
    await room.works()

    assert [("raised", WARNING), ("worsened", CRITICAL)] == [
        (notice.kind.value, notice.severity) for notice in pager.heard
    ]


async def test_over_is_told_once_it_has_stayed_over(database: Database) -> None:
    """Not before the quiet time has passed, and not twice."""
    pager = FakeChannel()
    room = Newsroom(database, pager)
    await room.raises()
    await room.works()
    await room.resolves()

    await room.minutes_pass(9)
    await room.works()
    assert ["raised"] == pager.story

    await room.minutes_pass(2)
    await room.works()
    await room.works()
    assert ["raised", "resolved"] == pager.story


async def test_flapping_trouble_is_one_episode(database: Database) -> None:
    """People hear of it once, however often it comes and goes, until it stays away."""
    pager = FakeChannel()
    room = Newsroom(database, pager)
    for _ in range(5):
        await room.raises()
        await room.works()
        await room.resolves()
        await room.works()
        await room.minutes_pass(3)

    assert ["raised"] == pager.story
    await room.minutes_pass(10)
    await room.works()
    assert ["raised", "resolved"] == pager.story
    assert 5 == await sql.fetchval(database, "SELECT count(*) FROM alerts")


async def test_flapping_trouble_that_comes_back_worse_is_told_at_once(database: Database) -> None:
    """The quiet time holds back "over", never trouble."""
    pager = FakeChannel()
    room = Newsroom(database, pager)
    await room.raises(WARNING)
    await room.works()
    await room.resolves()
    await room.raises(CRITICAL)
    await room.works()

    assert ["raised", "worsened"] == pager.story


async def test_trouble_that_stayed_away_and_comes_back_is_a_new_episode(
    database: Database,
) -> None:
    """Also when nobody was there to tell of it in between."""
    pager = FakeChannel()
    room = Newsroom(database, pager)
    await room.raises()
    await room.resolves()
    await room.minutes_pass(15)
    await room.raises()
    await room.works()

    assert ["raised", "resolved", "raised"] == pager.story


async def test_what_was_rolled_back_is_told_to_nobody(database: Database) -> None:
    """A notice falls with its alert, and its alert with its cause."""
    pager = FakeChannel()
    room = Newsroom(database, pager)
    await room.raises()
    await sql.execute(database, "DELETE FROM alert_notices")  # as if it had been rolled back
    await room.works()

    assert [] == pager.story


async def test_only_who_heard_of_the_trouble_hears_that_it_is_over(database: Database) -> None:
    """The end makes no sense to a channel that refused to take the alarm."""
    pager, chat = FakeChannel("pager", [Refused("HTTP 400")]), FakeChannel("chat")
    room = Newsroom(database, pager, chat)
    await room.raises()
    await room.works()
    await room.resolves()
    await room.minutes_pass(11)
    await room.works()

    assert ([], ["raised", "resolved"]) == (pager.story, chat.story)
    assert ["raised"] == [notice.kind.value for notice in pager.tried]


async def test_a_channel_that_is_new_is_not_told_the_end_of_an_old_story(
    database: Database,
) -> None:
    """It hears of the next trouble."""
    pager, chat = FakeChannel("pager"), FakeChannel("chat")
    room = Newsroom(database, pager)
    await room.raises()
    await room.works()

    wider = Newsroom(database, pager, chat)
    await wider.resolves()
    await wider.minutes_pass(11)
    await wider.works()

    assert (["raised", "resolved"], []) == (pager.story, chat.story)


async def test_nothing_overtakes_what_did_not_get_through(database: Database) -> None:
    """While the alarm fails, what follows it waits; other alerts do not."""
    pager = FakeChannel(answers=[Failed("HTTP 500")])
    room = Newsroom(database, pager)
    await room.raises(WARNING)
    await room.works()
    await room.raises(CRITICAL)
    await room.raises(key="another")
    await room.resolves()
    await room.minutes_pass(0)
    await room.works()
    assert [("another", "raised")] == [(n.key, n.kind.value) for n in pager.heard]

    await room.minutes_pass(11)
    await room.works()

    mine = [notice.kind.value for notice in pager.heard if notice.key == KEY]
    assert ["raised", "worsened", "resolved"] == mine


async def test_an_outage_is_outlasted(database: Database) -> None:
    """Tried again with growing waits, and told once when the channel is back."""
    pager = FakeChannel(answers=[Failed("HTTP 503")] * 4)
    room = Newsroom(database, pager)
    await room.raises()
    waits = []
    for _ in range(5):
        await room.works()
        waits.append(
            await sql.fetchval(
                database,
                "SELECT extract(epoch FROM due_at - now())::int FROM alert_deliveries"
                " WHERE state = 'pending'",
            )
        )
        await room.minutes_pass(6)

    assert (["raised"], 5) == (pager.story, len(pager.tried))
    assert waits[4] is None
    assert all(5 * 2**n - 1 <= waits[n] <= 5 * 2**n * 1.25 for n in range(4)), waits
    assert {"delivered": 1, "failed": 4} == counted(room, "pager")


async def test_a_channel_that_asks_for_rest_gets_it(database: Database) -> None:
    """Retry-After holds back every message to it, not only the one it was said of."""
    pager = FakeChannel(answers=[Failed("HTTP 429", retry_after=AN_HOUR)])
    room = Newsroom(database, pager)
    await room.raises(key="one")
    await room.raises(key="two")
    await room.works()
    await room.minutes_pass(55)
    await room.works()
    assert 1 == len(pager.tried)

    await room.minutes_pass(6)
    await room.works()
    assert ["raised", "raised"] == pager.story


async def test_a_message_nobody_takes_stands_in_nobodys_way(database: Database) -> None:
    """Those tried least go first, and a refused one is not tried again."""
    pager = FakeChannel(answers=[Failed("HTTP 500"), Refused("HTTP 400")])
    room = Newsroom(database, pager)
    await room.raises(key="old")
    await room.works()
    await room.raises(key="refused")
    await room.works()
    await room.raises(key="new")
    await room.minutes_pass(1)
    await room.works()
    await room.works()

    assert ["new", "old"] == [notice.key for notice in pager.heard]
    assert 4 == len(pager.tried)


async def test_what_cannot_be_delivered_is_given_up_and_said_so(database: Database) -> None:
    """Parked, counted and logged; its end is then skipped, and new trouble is told."""
    pager = FakeChannel(answers=[Failed("HTTP 500")] * 2)
    room = Newsroom(database, pager)
    await room.raises()
    await room.works()
    await room.resolves()
    await room.minutes_pass(11)
    await room.works()
    await room.minutes_pass(24 * 60 - 5)
    with structlog.testing.capture_logs() as lines:
        await room.works()

    assert [("pager", "raised", "parked"), ("pager", "resolved", "skipped")] == await room.states()
    (line,) = [line for line in lines if line["event"] == "alert.delivery_parked"]
    assert ("error", "HTTP 500", KEY) == (line["log_level"], line["reason"], line["key"])
    assert 1 == counted(room, "pager")["parked"]

    await room.raises()
    await room.works()
    assert ["raised"] == pager.story


async def test_a_channel_that_is_gone_from_the_settings_is_given_up_too(
    database: Database,
) -> None:
    """Nobody delivers to it, and that does not stay unseen for ever."""
    await Newsroom(database, FakeChannel("gone")).raises()
    await Newsroom(database, FakeChannel("gone")).planner.plan()
    room = Newsroom(database, FakeChannel("pager"))
    await room.minutes_pass(24 * 60 + 1)
    await room.works()

    assert [("gone", "raised", "parked")] == await room.states()


async def test_a_crash_after_sending_costs_a_copy_and_loses_nothing(database: Database) -> None:
    """Sent, not recorded: once the lease is over it goes out again under the same name."""
    pager = FakeChannel()
    room = Newsroom(database, pager)
    await room.raises()
    await room.planner.plan()
    await sql.execute(  # the record of a process that died with the message out
        database,
        "UPDATE alert_deliveries SET attempts = 1, leased_until = now() + interval '1 minute'",
    )
    await room.works()
    assert [] == pager.story

    await room.minutes_pass(2)
    await room.works()
    await room.works()
    (notice,) = pager.heard
    assert notice.thread == notice.reference
    assert [("pager", "raised", "delivered")] == await room.states()


async def test_a_late_answer_still_counts(database: Database) -> None:
    """Whoever outlived its lease and did deliver says so; a failure of theirs changes nothing."""
    answering = asyncio.Event()
    slow = FakeChannel(may_answer=answering)
    room = Newsroom(database, slow)
    await room.raises()
    await room.planner.plan()
    first = asyncio.create_task(room.couriers[0].deliver_due())
    await eventually(lambda: slow.tried)
    await room.minutes_pass(2)
    other = Newsroom(database, FakeChannel(answers=[Failed("HTTP 500")]))
    await other.works()
    answering.set()
    await first

    assert [("pager", "raised", "delivered")] == await room.states()


async def test_a_late_failure_does_not_disturb_who_took_over(database: Database) -> None:
    """It was given up as lost; the lease of whoever has the message now stays theirs."""
    failing, answering = asyncio.Event(), asyncio.Event()
    late = FakeChannel(answers=[Failed("late")], may_answer=failing)
    next_one = FakeChannel(may_answer=answering)
    rooms = [Newsroom(database, late), Newsroom(database, next_one)]
    await rooms[0].raises()
    await rooms[0].planner.plan()
    first = asyncio.create_task(rooms[0].couriers[0].deliver_due())
    await eventually(lambda: late.tried)
    await rooms[0].minutes_pass(2)
    second = asyncio.create_task(rooms[1].couriers[0].deliver_due())
    await eventually(lambda: next_one.tried)
    failing.set()
    await first

    assert await sql.fetchval(database, "SELECT leased_until > now() FROM alert_deliveries")
    answering.set()
    await second
    assert [("pager", "raised", "delivered")] == await rooms[0].states()


async def test_the_end_is_not_told_when_the_alarm_is_refused_just_before(
    database: Database,
) -> None:
    """Both were waiting; the refusal of the one decides about the other at once."""
    pager = FakeChannel(answers=[Refused("HTTP 400")])
    room = Newsroom(database, pager)
    await room.raises()
    await room.resolves()
    await room.minutes_pass(11)
    await room.planner.plan()
    await room.couriers[0].deliver_due()
    assert ["raised"] == [notice.kind.value for notice in pager.tried]

    await room.works()
    assert [("pager", "raised", "parked"), ("pager", "resolved", "skipped")] == await room.states()


async def test_trouble_that_returns_while_its_end_commits_is_told(
    database: Database, url: str
) -> None:
    """The raiser waits for the resolver, and what it then makes is a new alert, not an old one."""
    pager = FakeChannel()
    room = Newsroom(database, pager, quiet_minutes=0)
    await room.raises(CRITICAL)
    async with database.transaction() as tx:
        await service.resolve_alert(tx, KEY)
        # A task of its own, and a context of its own: this one has a transaction open.
        raising = asyncio.create_task(room.raises(CRITICAL), context=contextvars.Context())
        async with postgres.connected(url) as onlooker:
            await eventually(lambda: onlooker.fetchval(_WAITS))
    await raising
    await room.works()

    assert ["raised", "resolved", "raised"] == pager.story


_WAITS = """
SELECT count(*) > 0 FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%INTO alerts%'
"""


async def test_several_replicas_tell_each_thing_once(database: Database) -> None:
    """However many plan and deliver at the same time."""
    answering = asyncio.Event()
    pager = FakeChannel(may_answer=answering)
    rooms = [Newsroom(database, pager) for _ in range(3)]
    keys = [f"trouble:{number}" for number in range(12)]
    await asyncio.gather(*(rooms[0].raises(key=key) for key in keys))

    working = asyncio.gather(*(room.works() for room in rooms))
    await eventually(lambda: pager.tried)
    answering.set()
    await working
    await asyncio.gather(*(room.works() for room in rooms))

    assert sorted(keys) == sorted(notice.key for notice in pager.tried)


async def test_under_a_storm_every_story_is_whole(database: Database) -> None:
    """Raisers, resolvers and replicas at once: each key's story alternates, and ends as it is."""
    pager = FakeChannel()
    rooms = [Newsroom(database, pager, quiet_minutes=0) for _ in range(2)]
    keys = ["a", "b", "c"]
    chance = random.Random(7)
    is_over = asyncio.Event()

    async def trouble_maker() -> None:
        for _ in range(25):
            key = chance.choice(keys)
            if chance.random() < 0.5:
                await rooms[0].raises(CRITICAL, key=key)
            else:
                await rooms[0].resolves(key)

    async def replica(room: Newsroom) -> None:
        while not is_over.is_set():
            await room.works()
            await asyncio.sleep(0)

    replicas = [asyncio.create_task(replica(room)) for room in rooms]
    await asyncio.gather(*(trouble_maker() for _ in range(4)))
    is_over.set()
    await asyncio.gather(*replicas)
    for _ in range(2):
        await rooms[0].works()

    open_keys = set(
        await sql.fetchval(
            database, "SELECT coalesce(array_agg(key), '{}') FROM alerts WHERE resolved_at IS NULL"
        )
    )
    for key in keys:
        story = [notice.kind.value for notice in pager.heard if notice.key == key]
        assert ["raised", "resolved"] * (len(story) // 2) + ["raised"] * (len(story) % 2) == story
        assert (key in open_keys) == (len(story) % 2 == 1), (key, story)


def counted(room: Newsroom, channel: str) -> dict[str, int]:
    return {
        sample.labels["outcome"]: int(sample.value)
        for family in room.metrics.alert_deliveries.collect()
        for sample in family.samples
        if sample.name.endswith("_total") and sample.labels["channel"] == channel
    }
