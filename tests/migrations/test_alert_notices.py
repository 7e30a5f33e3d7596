"""Alerts that were open before anybody could be told of them."""

from payops.infra import migrating
from payops.infra.db import connect
from tests.support.newsroom import FakeChannel, Newsroom
from tests.support.postgres import connected

OLD = """
INSERT INTO alerts (id, key, kind, severity, summary, detail, count, resolved_at) VALUES
    (gen_random_uuid(), 'open', 'test', 'warning', 'Open before.', '{}', 7, NULL),
    (gen_random_uuid(), 'over', 'test', 'warning', 'Over before.', '{}', 1, now())
"""


async def test_open_alerts_are_told_after_the_upgrade_and_past_ones_are_not(
    empty_url: str,
) -> None:
    """And the story of each goes on from there."""
    await migrating.migrate(empty_url, "0009")
    async with connected(empty_url) as connection:
        await connection.execute(OLD)
    await migrating.migrate(empty_url)
    database = connect(empty_url, pool_size=2)
    pager = FakeChannel()
    room = Newsroom(database, pager, quiet_minutes=0)

    await room.works()
    await room.raises(key="open")
    await room.resolves("open")
    await room.works()
    await database.close()

    assert [("open", "raised"), ("open", "resolved")] == [
        (notice.key, notice.kind.value) for notice in pager.heard
    ]


async def test_what_was_told_anew_counts_as_worse_to_the_older_release(empty_url: str) -> None:
    """It tells of both alike, and knows no other word for it."""
    await migrating.migrate(empty_url)
    database = connect(empty_url, pool_size=2)
    room = Newsroom(database, FakeChannel())
    for name in ("jane", "mary"):
        await room.raises(whose="by", detail={"by": name})
    await database.close()

    await migrating.downgrade(empty_url, "0025")

    async with connected(empty_url) as connection:
        rows = await connection.fetch("SELECT kind FROM alert_notices ORDER BY seq")
    assert ["raised", "worsened"] == [row["kind"] for row in rows]
